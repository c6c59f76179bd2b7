"""A step by a table of measured kernels, interpolated; `kernels` makes and reads the tables."""

import jax.numpy as jnp
from jax import Array

from tokwatt.params.specs import spec
from tokwatt.units import Seconds, Sequences, Tokens


@spec
class KernelSteps:
    """Times of a step over batch size and length.

    Attributes:
        log_batch: logarithm of the batch size, shape (batch,).
        log_length: logarithm of the tokens of a sequence, shape (length,).
        latency: duration of the step, s, shape (batch, length).
        communication: the part of it that sends, s, shape (batch, length).
    """

    log_batch: Array
    log_length: Array
    latency: Array
    communication: Array


def step_latency(table: KernelSteps, batch: Sequences, length: Tokens) -> Seconds:
    """A decoding step by kernels, with all-reduce and dispatch.

    Args:
        table: of one machine.
        batch: running requests.
        length: tokens that each holds.

    Returns:
        The time, bilinear on logarithmic axes; beyond the table it goes on as at its edge.

    Source: `params/kernels.yaml`.
    """
    return jnp.exp(_between(table, jnp.log(table.latency), batch, length))


def communication_latency(table: KernelSteps, batch: Sequences, length: Tokens) -> Seconds:
    """The part of `step_latency` that sends; overlapped dispatch counts as experts."""
    return _between(table, table.communication, batch, length)


def _between(table: KernelSteps, values: Array, batch: Sequences, length: Tokens) -> Array:
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


def _place(axis: Array, value: Array) -> tuple[Array, Array]:
    index = jnp.clip(jnp.searchsorted(axis, value, side="right") - 1, 0, len(axis) - 2)
    return index, (value - axis[index]) / (axis[index + 1] - axis[index])
