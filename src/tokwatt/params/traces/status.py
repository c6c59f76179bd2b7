"""What a status, success or error says of a request."""

import numpy as np

from tokwatt.params.tables.separated import BLANK
from tokwatt.params.traces.numbers import numbers

FAILURES = frozenset(
    {"failure", "failed", "fail", "error", "errored", "incomplete", "cancelled", "canceled"}
    | {"timeout", "aborted"}
)
"""What a status says of a request that was not served."""
LEAST_HTTP_ERROR = 400
FLAGS = {"success": False, "cancelled": True, "error": True}
"""Statuses that are yes or no, and whether yes is a failure."""
NO = ("false", "0", "0.0")
NOTHING = frozenset({word.lower() for word in BLANK} | {"[]", "{}"})


def is_failure(name: str, word: str) -> bool:
    """Whether a status, success or error in small letters tells of a request not served."""
    if word in NOTHING:
        return False
    if name in FLAGS:
        return (word not in NO) == FLAGS[name]
    number = numbers([word])[0]
    if not np.isnan(number):
        return bool(number >= LEAST_HTTP_ERROR or number < 0)
    return word in FAILURES
