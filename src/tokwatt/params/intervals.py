"""When an interval says too little to be quoted."""

WIDEST = 6.0
"""Upper over lower end of an interval from which on a number counts as not known."""


def is_known(low: float, high: float) -> bool:
    """Whether an interval of a positive number is narrow enough to quote the number."""
    return high < WIDEST * low
