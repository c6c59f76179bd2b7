"""A step by a table of measured kernels, interpolated; `kernels` makes and reads the tables."""

from typing import Any

import jax.numpy as jnp

from tokwatt.params.specs import spec
from tokwatt.units import Seconds, Sequences, Tokens


@spec
class Table:
    """Times of a step, shape (batch, length), over the logarithms of both; `communication` is the part that sends."""

    log_batch: Any
    log_length: Any
    latency: Any
    communication: Any


def step_latency(table: Table, batch: Sequences, length: Tokens) -> Seconds:
    """A decoding step by kernels, with all-reduce and dispatch.

    Args:
        table: of one machine.
        batch: sequences in flight.
        length: tokens that each holds.

    Returns:
        The time, bilinear on logarithmic axes; beyond the table it goes on as at its edge.

    Source: `params/kernels.yaml`.
    """
    return jnp.exp(_between(table, jnp.log(table.latency), batch, length))


def communication_latency(table: Table, batch: Sequences, length: Tokens) -> Seconds:
    """The part of `step_latency` that sends activations; where dispatch overlaps with experts it counts with them."""
    return _between(table, table.communication, batch, length)


def _between(table: Table, values: Any, batch: Any, length: Any) -> Any:
    """Bilinear interpolation, and extrapolation by the last slope."""
    (row, down), (column, right) = (
        _place(table.log_batch, jnp.log(batch)),
        _place(table.log_length, jnp.log(length)),
    )
    above, below = (
        values[each, column] * (1 - right) + values[each, column + 1] * right
        for each in (row, row + 1)
    )
    return above * (1 - down) + below * down


def _place(axis: Any, value: Any) -> tuple[Any, Any]:
    index = jnp.clip(jnp.searchsorted(axis, value, side="right") - 1, 0, len(axis) - 2)
    return index, (value - axis[index]) / (axis[index + 1] - axis[index])
