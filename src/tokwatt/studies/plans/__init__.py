"""Studies of plans: the best fleets of the catalogue's workloads, and what would change them.

==================  ============================================================================
Study               Dataset
==================  ============================================================================
`plans`             the fleet of the least joules, over workload x LLM
`plan_levers`       what each lever is worth, over workload x LLM x lever
`plan_front`        plans over targets on the inter-token latency
`plan_rates`        plans over arrival rates
`plan_days`         a day of a plan, over what becomes of instances that an hour spares
`plan_decisions`    whether a lever survives joint draws of the calibration
`plan_rents`        the rent below which a GPU is bought, over workload x LLM x GPU
`plan_fleetopt`     FleetOpt by the paper's rules and by ours, beside the best fleet
==================  ============================================================================
"""

from tokwatt.studies.plans.chosen import plan_days, plan_front, plan_levers, plan_rates, plans
from tokwatt.studies.plans.worth import plan_decisions, plan_fleetopt, plan_rents

__all__ = [
    "plan_days",
    "plan_decisions",
    "plan_fleetopt",
    "plan_front",
    "plan_levers",
    "plan_rates",
    "plan_rents",
    "plans",
]
