"""Points that no other point beats."""

import numpy as np

from tokwatt.units import DimensionlessAxis

BITS = 2.0**36
"""Precision to which points are told apart."""


def fronts(keys: DimensionlessAxis) -> DimensionlessAxis:
    """Which finite points, shape (key, point, class), no other point of their class is below.

    Equal ones, to rounding, are one; the first key is the cost.
    """
    finite = np.isfinite(keys).all(axis=0)
    places = np.arange(len(finite))[:, None]
    if all(np.ptp(key[finite]) == 0 for key in keys[1:] if finite.any()):
        return finite & (places == np.where(finite, keys[0], np.inf).argmin(axis=0))
    mantissa, exponent = np.frexp(np.where(finite, keys, np.inf))
    keys = np.ldexp(np.round(mantissa * BITS) / BITS, exponent)
    kept = finite.copy()
    for place in range(len(finite)):
        point = keys[:, place, None]
        no_worse, better = (point <= keys).all(axis=0), (point < keys).any(axis=0)
        kept &= ~(finite[place] & no_worse & (better | (places > place)))
    return kept
