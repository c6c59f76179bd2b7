"""What the explorer of the site computes with: every instance, and the rest as it is.

The explorer itself takes the last steps of the account, by the scripts in `reports/site/static/`.
"""

from tokwatt.accounts.explorer.data import ADJUSTABLE, data_of, write_explorer
from tokwatt.accounts.explorer.explorer import Explorer
from tokwatt.accounts.explorer.offer import InstanceKey

__all__ = ["ADJUSTABLE", "Explorer", "InstanceKey", "data_of", "write_explorer"]
