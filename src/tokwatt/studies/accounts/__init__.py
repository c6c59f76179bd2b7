"""Studies of what survives: corrections, the slope of the law, the lever of experts.

========================  ======================================================================
Study                     Dataset
========================  ======================================================================
`waterfall`               corrections one at a time, over headline x correction
`readings`                headlines as they may have been meant, over reading
`slopes`                  slope of the law and what bends it, over account x window x LLM x GPU
`lever`                   mixtures of experts against a dense LLM, over reading x batch x LLM x GPU
`uncertainties`           headlines with uncertain numbers drawn at once, over account
`elasticities`            d log tok/J / d log x of each number, over account x case
========================  ======================================================================
"""

from tokwatt.studies.accounts.headlines import elasticities, readings, uncertainties, waterfall
from tokwatt.studies.accounts.lever import lever
from tokwatt.studies.accounts.slopes import slopes

__all__ = ["elasticities", "lever", "readings", "slopes", "uncertainties", "waterfall"]
