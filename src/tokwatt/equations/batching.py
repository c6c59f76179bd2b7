"""Batches of a serving engine: what running requests hold, and how times of a step combine."""

import jax.numpy as jnp

from tokwatt.equations.elementary import exp
from tokwatt.units import Dimensionless, Seconds, Tokens

LEAST_TOUCHED = 0.3
"""Experts a rank touches below which the imbalance of ranks is not extrapolated."""
MOST_UNEVEN = 2.0
"""Largest excess of the busiest rank."""


def resident_tokens(prompt: Tokens, output: Tokens, output_scv: Dimensionless) -> Tokens:
    r"""Tokens that a sequence in flight holds on the average, :math:`p + o (1 + c^2) / 2`.

    Args:
        prompt: mean tokens of a prompt.
        output: mean tokens of an answer.
        output_scv: its squared coefficient of variation; long answers are in flight for longer.

    Returns:
        The time average.

    Source: mean age in a renewal process.
    """
    return prompt + output * (1 + output_scv) / 2


def busiest_rank(ranks: Dimensionless, experts: Dimensionless, tokens: Tokens) -> Dimensionless:
    r"""Experts that the busiest of some ranks reads over what the mean one reads.

    .. math:: 1 + \sqrt{2 \ln G\, e^{-x} / \max(0.3, m)}, \quad m = \tfrac{E}{G} (1 - e^{-x})

    Args:
        ranks: GPUs that hold whole experts, G.
        experts: routed experts of a layer, E.
        tokens: tokens that each expert is chosen by on the average, x.

    Returns:
        The excess, at most 2; 1 for one rank, and where a batch touches every expert.

    Source: largest of G draws of a mean m with a share :math:`e^{-x}` missing, to first order of
        extreme values.
    """
    missed = exp(-tokens / 2)
    touched = experts / ranks * (1 - missed**2)
    # XLA takes a division by a root for a reciprocal root, which does not vectorise.
    spread = missed * jnp.sqrt(1 / jnp.maximum(LEAST_TOUCHED, touched))
    return jnp.minimum(MOST_UNEVEN, 1 + jnp.sqrt(2 * jnp.log(ranks)) * spread)


def overlapped(first: Seconds, second: Seconds) -> Seconds:
    r"""Two floors of a step that overlap in part, :math:`\sqrt{a^2 + b^2}`.

    Args:
        first: one floor.
        second: the other.

    Returns:
        A time between the longer one and their sum.

    Source: a form without a parameter; how well it holds is in `results/validation.md`.
    """
    squares = first**2 + second**2
    # At 0 the root has no slope, and a layer without experts has neither floor.
    return jnp.where(squares > 0, jnp.sqrt(jnp.where(squares > 0, squares, 1.0)), 0.0)
