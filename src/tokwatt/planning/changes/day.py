"""A day of a plan: instances that stay on, sleep or stop while its traffic is low."""

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from tokwatt.params.errors import ParameterError
from tokwatt.params.folder import Folder
from tokwatt.params.specs import spec
from tokwatt.planning.columns.part_columns import one_configuration
from tokwatt.planning.part import PlannedPart
from tokwatt.planning.plan import Plan
from tokwatt.serving.account import on_basis
from tokwatt.units import (
    Dimensionless,
    DimensionlessAxis,
    Dollars,
    Instances,
    Joules,
    Kilograms,
    Seconds,
    Share,
)

HOUR = 3600.0
POLICIES = ("on", "sleep", "stop")
"""What becomes of instances that an hour does not need."""


@spec
class Day:
    """A day of traffic, and what it takes to rest.

    Attributes:
        hourly_rates: arrival rate of each hour over that of the plan, shape (hour,).
        hourly_price: price of energy of each hour over that of `energy`.
        hourly_intensity: intensity of the grid of each hour over that of `energy`.
        sleep_power: power of a board that sleeps, as a share of TDP.
        wake_time: from sleep to serving.
        start_time: from off to serving.
    """

    hourly_rates: DimensionlessAxis
    hourly_price: DimensionlessAxis
    hourly_intensity: DimensionlessAxis
    sleep_power: Share
    wake_time: Seconds
    start_time: Seconds

    @classmethod
    def of(cls, folder: Folder) -> "Day":
        """The record of `params/views.yaml`."""
        return folder.section("views").child("day").spec(cls)


class DayOfPlan(NamedTuple):
    """What a day takes under a policy.

    Attributes:
        energy: of the day.
        rent: dollars of the day: what sleeps is rented, what is stopped is not.
        electricity: dollars of the energy, hour by hour, which rents mostly include.
        carbon: carbon dioxide of the energy, hour by hour.
        joules_per_token: energy for each output token of the day.
        dollars_per_token: rent for each output token of the day.
        over_peak: joules of a token over those at the rate of the plan.
    """

    energy: Joules
    rent: Dollars
    electricity: Dollars
    carbon: Kilograms
    joules_per_token: Dimensionless
    dollars_per_token: Dimensionless
    over_peak: Dimensionless


def day_of(plan: Plan, day: Day) -> Mapping[str, DayOfPlan]:
    """A day of a plan under each policy.

    Args:
        plan: sized for the rate that the hourly rates are shares of.
        day: its rates, and what it takes to rest.

    Returns:
        By policy: `on` keeps every instance running, over which the batch falls with the load;
        `sleep` and `stop` keep what an hour needs, and instances that will be needed wake or start
        before it at the power of an idle board.

    Raises:
        ParameterError: for rates that are not above 0 and at most 1, those of the plan, and where
            prices or intensities are not as many.
    """
    rates = np.asarray(day.hourly_rates, float)
    if not ((rates > 0) & (rates <= 1)).all():
        raise ParameterError("hourly_rates: has other numbers, wanted numbers above 0 to 1.")
    for name in ("hourly_price", "hourly_intensity"):
        if (count := len(getattr(day, name))) != len(rates):
            wanted = f"{len(rates)}, one for each rate"
            raise ParameterError(f"{name}: has {count} numbers, wanted {wanted}.")
    tokens = plan.columns.generated * float(rates.sum()) * HOUR
    return {policy: _of_policy(plan, day, policy, rates, tokens) for policy in POLICIES}


def _of_policy(plan: Plan, day: Day, policy: str, rates: np.ndarray, tokens: float) -> DayOfPlan:
    watts, rented = np.zeros(len(rates)), np.zeros(len(rates))
    for part, pool in zip(plan.parts, plan.fleet.pools, strict=True):
        own_watts, own_rented = _pool(part, pool["instances"].value, day, policy, rates)
        watts, rented = watts + own_watts, rented + own_rented
    energy, rent = float(watts.sum()) * HOUR, float(rented.sum()) * HOUR
    bought = plan.columns.energy
    return DayOfPlan(
        energy,
        rent,
        float(watts @ day.hourly_price) * HOUR * float(bought.electricity_price),
        float(watts @ day.hourly_intensity) * HOUR * float(bought.grid_intensity),
        energy / tokens,
        rent / tokens,
        energy / tokens / plan.fleet.joules_per_token,
    )


def _pool(
    part: PlannedPart, most: Instances, day: Day, policy: str, rates: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Watts and dollars per second of instances, of which there are so many, in each hour."""
    columns, own = part.columns, part.configuration
    deployment = part.deployment
    gpus, price = columns.configurations.gpus[own], columns.configurations.price[own]
    least = most if policy == "on" else 0.0
    kept = replace(columns, demand=replace(columns.demand, least_instances=least))
    needed = one_configuration(kept, own, part.edges, rates)
    idle, asleep = (
        float(on_basis(columns.account, deployment.gpu, gpus, watts))
        for watts in (deployment.utilization.idle, day.sleep_power * deployment.gpu.tdp)
    )
    resting, rising = (
        most - needed.instances,
        np.maximum(0, np.diff(needed.instances, append=needed.instances[0])),
    )
    start = rising * (day.wake_time if policy == "sleep" else day.start_time) / HOUR
    if policy == "on":
        return needed.power, np.full(len(rates), most * gpus * price)
    if policy == "sleep":
        awake = np.minimum(start, resting)
        watts = needed.power + awake * idle + (resting - awake) * asleep
        return watts, np.full(len(rates), most * gpus * price)
    return needed.power + start * idle, (needed.instances + start) * gpus * price
