"""Simulated fleets beside what is said of them.

========================  ======================================================================
Study                     Dataset
========================  ======================================================================
`percentiles`             latencies by formula and by simulation, over workload x GPU x load
`simulated_fleets`        the fleets of Table 3 under each account, over workload x topology x GPU
========================  ======================================================================
"""

from tokwatt.studies.simulated.fleets import simulated_fleets
from tokwatt.studies.simulated.percentiles import percentiles

__all__ = ["percentiles", "simulated_fleets"]
