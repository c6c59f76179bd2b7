"""A sweep too large for memory, cut into the blocks in which it is evaluated."""

import hashlib
import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import product
from pathlib import Path

import jax
import numpy as np

from tokwatt.grid import Axis, nested, stacked

BLOCK = 2**20
"""Most points of a block: enough that starting one costs little, few enough to share out."""
MEMORY = 2**30
"""Bytes for the blocks under way, beside the half gigabyte of Python and JAX."""
BYTES_PER_NUMBER = 8
WORKING_NUMBERS = 8
"""Temporary numbers a point, beside each quantity as computed and as written."""
THREADS = 2

Region = tuple[slice, ...]


@dataclass(frozen=True, kw_only=True)
class StreamedSweep:
    """A sweep to stream into a store.

    Attributes:
        function: a JAX function of scalars and specs that returns a NamedTuple.
        axes: numbers or a catalogue of specs by argument name; the first is the outermost.
        fixed: the other arguments.
        units: unit of each axis.
        quantities: fields of the result to keep, with their units.
        dtype: type of the numbers that are kept.
        provenance: attributes of the store, which tell one sweep from another.
    """

    function: Callable
    axes: Mapping[str, Axis]
    fixed: Mapping[str, object]
    units: Mapping[str, str | None]
    quantities: Mapping[str, str]
    dtype: str
    provenance: Mapping[str, str]

    @property
    def shape(self) -> tuple[int, ...]:
        """Points along each axis."""
        return tuple(len(axis) for axis in self.axes.values())  # type: ignore[arg-type]

    @property
    def points(self) -> int:
        """Points of the whole grid."""
        return math.prod(self.shape)

    @property
    def block(self) -> tuple[int, ...]:
        """Points of a block along each axis: whole inner axes as far as they fit."""
        numbers = 2 * len(self.quantities) + WORKING_NUMBERS
        left = max(1, min(BLOCK, MEMORY // (BYTES_PER_NUMBER * numbers * (THREADS + 1))))
        block = []
        for size in reversed(self.shape):
            block.append(max(1, min(size, left)))
            left //= size
        return tuple(reversed(block))

    @property
    def blocks(self) -> Iterator[Region]:
        """The regions that the grid is cut into."""
        starts = (range(0, size, step) for size, step in zip(self.shape, self.block, strict=True))
        for corner in product(*starts):
            yield tuple(
                slice(start, min(start + step, size))
                for start, step, size in zip(corner, self.block, self.shape, strict=True)
            )

    @cached_property
    def evaluate(self) -> Callable[[Region], dict[str, np.ndarray]]:
        """A function of a region that is compiled once.

        A block at an edge is filled up with repeats of the last points.
        """
        # NumPy picks a block of an axis in microseconds, JAX in more time than the block needs.
        axes = [jax.tree.map(np.asarray, stacked(axis)) for axis in self.axes.values()]
        compiled = _compiled(self)

        def evaluate(region: Region) -> dict[str, np.ndarray]:
            points = [
                np.minimum(part.start + np.arange(size), part.stop - 1)
                for part, size in zip(region, self.block, strict=True)
            ]
            values = compiled(dict(self.fixed), *map(_picked, axes, points))
            return {
                name: np.asarray(values[name]).astype(self.dtype, copy=False)
                for name in self.quantities
            }

        return evaluate

    def growing_path(self, target: Path) -> Path:
        """Where a store grows: named for the inputs, so that other inputs grow elsewhere."""
        provenance = json.dumps(dict(self.provenance), sort_keys=True)
        digest = hashlib.sha256(provenance.encode()).hexdigest()
        return target.with_suffix(f".{digest[:8]}.partial")


def _compiled(sweep: StreamedSweep) -> Callable[..., dict[str, jax.Array]]:
    """The kept quantities as a function of what is fixed and of an array for each axis."""

    def kept(**point: object) -> dict[str, jax.Array]:
        result = sweep.function(**point)
        return {name: getattr(result, name) for name in sweep.quantities}

    # What is fixed is an argument: XLA would fold a length distribution while it compiles.
    return jax.jit(lambda fixed, *axes: nested(partial(kept, **fixed), list(sweep.axes))(*axes))


def _picked(axis: object, points: np.ndarray) -> object:
    return jax.tree.map(lambda leaf: leaf[points], axis)
