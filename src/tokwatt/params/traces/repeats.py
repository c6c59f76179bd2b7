"""Requests that a file holds more than once, told by their names."""

from collections.abc import Sequence

import numpy as np

from tokwatt.params.tables.table import Cell, Cells
from tokwatt.params.traces.numbers import blank, blanks, numbers

LEAST_LETTERS = 8
"""Of a name that no two requests have by chance, as a running number may."""


def is_telling(sample: Sequence[Cell]) -> bool:
    """Whether cells are names that tell requests apart: long texts, and no numbers."""
    told = [cell for cell in sample if not blank(cell)]
    long = all(isinstance(cell, str) and len(cell) >= LEAST_LETTERS for cell in told)
    return bool(told) and long and bool(np.isnan(numbers(told)).all())


def identities(names: Cells, prompt: np.ndarray) -> np.ndarray:
    """A number for each request, the same for two of one name and prompt; 0 without a name."""
    import pandas as pd

    texts = np.asarray(names, object)
    hashes = pd.util.hash_array(texts, categorize=False)
    mixed = hashes ^ (
        np.ascontiguousarray(prompt, float).view(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    )
    return np.where(blanks(names), np.uint64(0), mixed)


def last_of_each(identities: np.ndarray) -> np.ndarray:
    """Which rows are the last of their request; all are that have no name."""
    _, places = np.unique(identities[::-1], return_index=True)
    last = identities == 0
    last[len(identities) - 1 - places] = True
    return last
