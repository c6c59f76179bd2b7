"""The largest step that a serving engine runs on a GPU."""

from typing import NamedTuple

import jax.numpy as jnp

from tokwatt.params.specs import Gpu, ServingEngine
from tokwatt.units import Dimensionless, Sequences, Tokens


class StepLimits(NamedTuple):
    """What the largest step holds.

    Attributes:
        tokens: most tokens of a step, `max_num_batched_tokens`.
        sequences: most running requests, `max_num_seqs`.
    """

    tokens: Tokens
    sequences: Sequences


def step_limits(engine: ServingEngine, gpu: Gpu) -> StepLimits:
    """The largest step that an engine prepares for on a GPU, by its defaults."""
    small = (gpu.usable_memory < engine.small_memory) | (gpu.fp8_rate <= 0)

    def largest(usual: Dimensionless, own: Dimensionless) -> Dimensionless:
        return jnp.where(small & (own > 0), own, usual)

    return StepLimits(
        tokens=largest(engine.max_num_batched_tokens, engine.small_max_num_batched_tokens),
        sequences=largest(engine.max_num_seqs, engine.small_max_num_seqs),
    )
