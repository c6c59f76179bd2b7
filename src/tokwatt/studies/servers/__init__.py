"""Servers under load beside their simulation, rate by rate: how far off it is.

========================  ======================================================================
Study                     Dataset
========================  ======================================================================
`replayed`                measured and simulated latencies and throughput, over run
========================  ======================================================================
"""

from tokwatt.studies.servers.replayed import replayed

__all__ = ["replayed"]
