"""Studies of fleets: Tables 3 and 6, the split of one workload, and the distributions.

========================  ======================================================================
Study                     Dataset
========================  ======================================================================
`workload_catalogue`      share of requests within each length, over workload x length
`paper_fleets`            fleets and their pools, over workload x topology x GPU
`guidance`                the best of them against what is recommended, over kind of traffic
`splits`                  fleets of two pools, over GPU x overflow factor x split length
========================  ======================================================================
"""

from tokwatt.studies.fleets.guidance import guidance
from tokwatt.studies.fleets.topologies import paper_fleets, splits
from tokwatt.studies.fleets.workloads import workload_catalogue

__all__ = ["guidance", "paper_fleets", "splits", "workload_catalogue"]
