"""Running sums over the requests of a length distribution, of which a pool is a difference."""

from functools import partial

import jax
import jax.numpy as jnp

from tokwatt.equations import lengths
from tokwatt.params.specs import Workload
from tokwatt.serving.choices import Assumptions
from tokwatt.serving.demand.traffic import PROMPT_QUANTILE, Traffic, answered, request_powers
from tokwatt.units import Dimensionless, Tokens


@partial(jax.jit, static_argnames=("assumed", "longest"))
def law_table(
    assumed: Assumptions,
    workload: Workload,
    output_share: Dimensionless,
    chunk: Tokens,
    longest: Tokens,
) -> Traffic:
    """Running sums over the whole lengths 1 to `longest` of a request length distribution.

    Args:
        assumed: whether the last step of prefill yields a token.
        workload: the distribution.
        output_share: share of a request's tokens that are output; prompts are rounded down, both
            are at least 1.
        chunk: prompt tokens that a step takes in.
        longest: last length, a Python int that sets the shape.

    Returns:
        A table of sums weighted by probability.

    Source: definition; prefix sums.
    """
    length = jnp.arange(1.0, longest + 1)
    prompt = jnp.maximum(1.0, jnp.trunc((1 - output_share) * length))
    output = jnp.maximum(1.0, length - prompt)
    steps = lengths.decode_steps(prompt, output, chunk) - answered(assumed)
    powers = request_powers(prompt, output, steps)
    masses = lengths.length_masses(length, workload.lengths, workload.fractions)
    columns = jnp.stack([jnp.ones_like(length), output, *powers.values()], axis=1)
    share, outputs, *sums = lengths.running_sums(masses[:, None] * columns).T
    named = dict(zip(powers, sums, strict=True))
    prompts = jnp.append(0.0, prompt)
    return Traffic(share, outputs, outputs, **named, long_prompt=prompts, median_prompt=prompts)


def between(table: Traffic, lower: Tokens, upper: Tokens) -> Traffic:
    """Requests longer than `lower` and of at most `upper` tokens, both whole."""
    sums = Traffic(*(_entry(column, upper) - _entry(column, lower) for column in table))
    used = sums.share > 0
    # Of an empty pool nothing is asked; any finite stand-in keeps its gradient finite too.
    means = Traffic(
        *(jnp.where(used, total, 1.0) / jnp.where(used, sums.share, 1.0) for total in sums)
    )
    return means._replace(
        share=sums.share,
        credited=sums.credited,
        generated=sums.generated,
        long_prompt=_prompt_quantile(table, lower, upper, PROMPT_QUANTILE),
        median_prompt=_prompt_quantile(table, lower, upper, 0.5),
    )


def _prompt_quantile(
    table: Traffic, lower: Tokens, upper: Tokens, quantile: Dimensionless
) -> Tokens:
    """Quantile of prompts between two lengths: longer requests have longer prompts."""
    below, within = _entry(table.share, lower), _entry(table.share, upper)
    wanted = below + quantile * (1 - 1e-12) * (within - below)
    place = jnp.searchsorted(table.share, wanted).astype(int)
    return table.long_prompt[jnp.minimum(place, jnp.asarray(upper, int))]


def _entry(column: jax.Array, length: Tokens) -> jax.Array:
    return jnp.take(column, jnp.asarray(length, int), mode="clip")
