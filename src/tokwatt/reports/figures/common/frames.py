"""Columns that name their units, and the one place where numbers are rounded to be drawn."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from tokwatt.reports.datasets import with_units
from tokwatt.reports.labels import label_text

Grids = Mapping[str, xr.Dataset]
"""The datasets of a figure by name."""
DIGITS = 6
"""Significant digits that are drawn."""
EXACT = 11
"""Significant digits that every processor agrees on: their last digits differ by 1e-13."""
ROUNDING = 1e-12
"""What is smaller than this share of the largest number of a column is nothing but rounding."""
WHOLE = 1e9
"""Whole numbers below this are kept as they are: 1048576 tokens are not 1048580."""
EFFICIENCY = "tokens_per_watt [tok/W]"


def frame_columns(grid: xr.Dataset, *names: str) -> pd.DataFrame:
    """As `unit_columns`, with tokens per joule called as the paper does."""
    return unit_columns(grid, *names).rename(columns={"tokens_per_joule [tok/J]": EFFICIENCY})


def unit_columns(grid: xr.Dataset, *names: str) -> pd.DataFrame:
    """Variables of a grid and their coordinates, each column named with its unit."""
    return with_units(grid[list(names)].to_dataframe().reset_index(), grid)


def drawn(frame: pd.DataFrame) -> pd.DataFrame:
    """A frame as it is drawn and written: numbers by `six_digits`, texts on one line."""
    numbers = frame.select_dtypes("floating").apply(six_digits)
    texts = frame.select_dtypes(["object", "string"]).map(label_text, na_action="ignore")
    return frame.assign(**numbers, **texts).reset_index(drop=True)


def six_digits(values: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Numbers to six significant digits, the same on every processor.

    They are first rounded to the digits that processors agree on, so that a number with a 5 in the
    seventh place goes the same way everywhere. Numbers next to the largest that are pure rounding
    become zero.
    """
    numbers = np.asarray(values, float)
    finite = np.abs(numbers[np.isfinite(numbers)])
    noise = ROUNDING * finite.max(initial=0)
    rounded = [0.0 if abs(value) <= noise else _six_digits(value) for value in numbers.flat]
    return np.array(rounded).reshape(numbers.shape)


def _six_digits(value: float) -> float:
    exact = float(f"{value:.{EXACT - 1}e}")
    return exact if exact.is_integer() and abs(exact) < WHOLE else float(f"{exact:.{DIGITS - 1}e}")
