"""How long requests are: a law over whole tokens, given by knots of its distribution.

Between two knots every whole length is equally likely, so the distribution function is piecewise
linear and passes through the origin.
"""

import jax
import jax.numpy as jnp
from jax import Array

from tokwatt.units import Dimensionless, Tokens


def fraction_within(length: Tokens, knots: Tokens, fractions: Dimensionless) -> Dimensionless:
    """Share of requests of at most `length` tokens.

    Args:
        length: tokens, prompt and output together.
        knots: shape (knot,), increasing.
        fractions: shape (knot,), never falling, the last 1.

    Returns:
        A share from 0 to 1; 1 beyond the last knot.

    Source: definition of the law; arXiv:2603.17280 interpolates the same way.
    """
    return jnp.interp(
        length, jnp.append(0.0, knots), jnp.append(0.0, fractions), left=0.0, right=1.0
    )


def length_masses(lengths: Tokens, knots: Tokens, fractions: Dimensionless) -> Dimensionless:
    """Probability of each whole length.

    Args:
        lengths: shape (length,), whole tokens from 1.
        knots: shape (knot,), increasing.
        fractions: shape (knot,), never falling, the last 1.

    Returns:
        Shape (length,), summing to 1 where `lengths` covers the law.

    Source: definition of the law.
    """
    within = jax.vmap(fraction_within, in_axes=(0, None, None))
    return within(lengths, knots, fractions) - within(lengths - 1, knots, fractions)


def running_sums(values: Array) -> Array:
    """Sums of the first 0, 1, 2, ... rows, so that any run of rows is the difference of two.

    Args:
        values: shape (length, moment).

    Returns:
        Shape (length + 1, moment), starting with zeros.

    Source: prefix sums.
    """
    return jnp.concatenate([jnp.zeros_like(values[:1]), jnp.cumsum(values, axis=0)])


def decode_steps(prompt: Tokens, output: Tokens, prefill_chunk: Tokens) -> Dimensionless:
    r"""Steps a request stays in service, :math:`\lceil p / c \rceil + o`.

    Args:
        prompt: prompt tokens.
        output: output tokens, one a step.
        prefill_chunk: prompt tokens taken in by one step, above 0.

    Returns:
        Whole steps; each prefill chunk costs as much as a decode step.

    Source: the program of arXiv:2603.17280.
    """
    return jnp.ceil(prompt / prefill_chunk) + output
