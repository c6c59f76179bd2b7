"""One point and one fleet for a question in names and numbers: what Python and the commands ask."""

from tokwatt.accounts.answers.demand import demanded
from tokwatt.accounts.answers.fleets import fleet
from tokwatt.accounts.answers.points import point

__all__ = ["demanded", "fleet", "point"]
