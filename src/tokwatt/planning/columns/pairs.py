"""Pairs of configurations of which one prefills for the other, those that may be the best."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from tokwatt.planning.columns.fronts import fronts
from tokwatt.planning.columns.part_columns import PartColumns
from tokwatt.serving.demand.traffic import Part

BOTH: tuple[Part, ...] = ("both",)
APART: tuple[Part, ...] = ("prefill", "decode")


class Row(NamedTuple):
    """What a pool may be: a configuration, or one that prefills for another.

    Attributes:
        parts: what instances of each do for a request.
        places: of their configurations.
    """

    parts: tuple[Part, ...]
    places: tuple[int, ...]


def useful_pairs(prefill: Sequence[PartColumns], decode: Sequence[PartColumns]) -> list[Row]:
    """Pairs of whose halves no other does the same for fewer watts and fewer of the same GPUs.

    Args:
        prefill: every configuration that prefills, for each trace; their GPUs are the same.
        decode: the same ones, that decode.

    Returns:
        Rows of both halves, of equal widths of the KV cache. What a pair takes is the sum of what
        its halves take, so that for any class, objective and budget the best is among them.

    Source: arXiv:2401.09670 for the parts; sums of two sets of points have their fronts among sums
        of both fronts.
    """
    widths = np.array([float(own.precision.kv) for own in prefill[0].configurations.deployments])
    alike = widths[:, None] == widths
    first, second = _useful(prefill, widths), _useful(decode, widths)
    together = (first.astype(float) @ second.T.astype(float) > 0) & alike
    return [Row(APART, (int(a), int(b))) for a, b in zip(*np.nonzero(together), strict=True)]


def _useful(each: Sequence[PartColumns], widths: np.ndarray) -> np.ndarray:
    """Which configurations no other of their GPU and width beats, by class."""
    keys = np.stack([*(columns.power for columns in each), each[0].gpus])
    gpu, kept = each[0].configurations.gpu, np.zeros(keys.shape[1:], bool)
    for kind in set(zip(gpu.tolist(), widths.tolist(), strict=True)):
        own = np.flatnonzero((gpu == kind[0]) & (widths == kind[1]))
        kept[own] = fronts(keys[:, own])
    return kept
