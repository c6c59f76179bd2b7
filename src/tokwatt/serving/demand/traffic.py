"""Sums over the requests of a pool that service, sizing and credit need."""

from typing import Literal, NamedTuple

import numpy as np

from tokwatt.serving.choices import Assumptions
from tokwatt.serving.demand.requests import Requests
from tokwatt.units import Dimensionless, Tokens, TokensAxis

Part = Literal["both", "prefill", "decode"]
"""What an instance does for a request: all of it, or one part where the two are apart."""
PROMPT_QUANTILE = 0.99
"""Share of prompts that `Traffic.long_prompt` is at least as long as."""


class Traffic(NamedTuple):
    """Means over the requests of a pool, and the pool's share of all that arrive.

    k are the steps of a request, i its prompt tokens, l its tokens at the end, m its tokens on the
    average over its steps. A table of running sums has the same fields, shape (length + 1,): entry
    n sums over all requests of at most n tokens, so that those between two lengths are a difference
    of two entries.

    Attributes:
        share: share of all arriving requests.
        credited: output tokens credited for each request that arrives anywhere.
        generated: output tokens generated for each request that arrives anywhere.
        prompts: prompt tokens, i.
        chunks: prefill steps.
        steps: k.
        steps_length: k l.
        steps_mean: k m.
        steps2: k squared.
        steps2_length: k squared times l.
        steps2_length2: (k l) squared.
        steps_mean2: k m squared.
        prompts2: i squared.
        prompts3: i to the third power.
        prompts4: i to the fourth power.
        prompts5: i to the fifth power.
        prompts6: i to the sixth power.
        long_prompt: 99th percentile of prompt tokens; in a table, those of a request of n tokens.
        median_prompt: median of prompt tokens; in a table, as `long_prompt`.
    """

    share: Dimensionless
    credited: Tokens
    generated: Tokens
    prompts: Tokens
    chunks: Dimensionless
    steps: Dimensionless
    steps_length: Tokens
    steps_mean: Tokens
    steps2: Dimensionless
    steps2_length: Tokens
    steps2_length2: Tokens
    steps_mean2: Tokens
    prompts2: Tokens
    prompts3: Tokens
    prompts4: Tokens
    prompts5: Tokens
    prompts6: Tokens
    long_prompt: Tokens
    median_prompt: Tokens


PROMPTS = ("prompts", "prompts2", "prompts3", "prompts4", "prompts5", "prompts6")
"""Sums over prompts, of which an instance that decodes alone has none."""
EMPTY = Traffic(0.0, 0.0, 0.0, *[1.0] * 16)
"""Traffic of a pool that nobody arrives at: no share, and finite stand-ins for its means."""


def traffic_of(
    assumed: Assumptions,
    arriving: Requests,
    served: Requests,
    chunk: Tokens,
    part: Part = "both",
) -> Traffic:
    """What a pool's requests ask of an instance.

    Args:
        assumed: whether credit is cut to whole tokens, and whether it is what was asked for or what
            is served.
        arriving: requests of the pool as they arrive.
        served: the same, as they are served.
        chunk: prompt tokens that a step takes in.
        part: what the instance does for a request. One that prefills alone yields no token that
            counts, as the one that decodes computes the last token of the prompt once more.

    Returns:
        The means; `EMPTY` where nobody arrives.

    Source: definition; disaggregated prefill, arXiv:2401.09670.
    """
    share = float(served.weight.sum())
    if share <= 0:
        return EMPTY
    weight = served.weight / share
    credited = arriving if assumed.oversized == "clip_credit_all" else served
    powers = work_of(assumed, served.prompt, served.output, chunk, part)
    median_prompt, long_prompt = _quantiles(served.prompt, weight, (0.5, PROMPT_QUANTILE)).tolist()
    found = Traffic(
        share=share,
        credited=share * _credited(assumed, credited),
        generated=share * _mean(served.output, weight),
        long_prompt=long_prompt,
        median_prompt=median_prompt,
        **{name: _mean(power, weight) for name, power in powers.items()},
    )
    return found._replace(**beside_part(found, part))


def work_of(
    assumed: Assumptions, prompt: TokensAxis, output: TokensAxis, chunk: Tokens, part: Part
) -> dict[str, TokensAxis]:
    """What is averaged over requests of which an instance does a part, by the field of `Traffic`.

    Args:
        assumed: whether the last step of prefill yields a token.
        prompt: prompt tokens of each request.
        output: output tokens of each.
        chunk: prompt tokens that a step takes in.
        part: what the instance does.
    """
    if part == "decode":
        powers = request_powers(prompt, output, output)
        return {name: 0.0 * it if name in PROMPTS else it for name, it in powers.items()}
    yielded = np.ones_like(output) if part == "prefill" else output
    steps = np.ceil(prompt / chunk) + yielded - answered(assumed)
    return request_powers(prompt, yielded, steps)


def beside_part(whole: Traffic, part: Part) -> dict[str, Tokens]:
    """Fields of a traffic that differ where an instance does a part: no prompt, or no output."""
    nothing, one = 0.0 * whole.share, 0.0 * whole.share + 1.0
    return {
        "both": {},
        "prefill": {"credited": nothing, "generated": nothing},
        "decode": {"long_prompt": one, "median_prompt": one},
    }[part]


def answered(assumed: Assumptions) -> Dimensionless:
    """Output tokens of a request that the last step of its prefill yields: none in the paper."""
    return 1.0 if assumed.prefill == "chunked" else 0.0


def request_powers(prompt: Tokens, output: Tokens, steps: Dimensionless) -> dict[str, Tokens]:
    """What is averaged over requests, by the field of `Traffic`."""
    length, mean = prompt + output, prompt + output / 2
    return {
        "prompts": prompt,
        "chunks": steps - output,
        "steps": steps,
        "steps_length": steps * length,
        "steps_mean": steps * mean,
        "steps2": steps**2,
        "steps2_length": steps**2 * length,
        "steps2_length2": (steps * length) ** 2,
        "steps_mean2": steps * mean**2,
        "prompts2": prompt**2,
        "prompts3": prompt**3,
        "prompts4": prompt**4,
        "prompts5": prompt**5,
        "prompts6": prompt**6,
    }


def _mean(values: TokensAxis, weight: np.ndarray) -> float:
    """A mean by weights that sum to 1."""
    # The threads of a scalar product wait for cores that other processes have.
    return float((weight * values).sum())


def _quantiles(values: TokensAxis, weight: np.ndarray, shares: tuple[float, ...]) -> np.ndarray:
    """The smallest value that at least each share of the weight does not exceed."""
    order = np.argsort(values)
    wanted = np.array(shares) * (1 - 1e-12)
    return values[order][np.searchsorted(np.cumsum(weight[order]), wanted)]


def _credited(assumed: Assumptions, requests: Requests) -> float:
    """Mean output tokens.

    The paper multiplies the mean length by the output share, treating lengths as continuous (half a
    token less).
    """
    weight = requests.weight / requests.weight.sum()
    if assumed.output_rounding == "none":
        return _mean(requests.output, weight)
    share = 1 - _mean(requests.prompt_share, weight)
    return float(max(1, int(share * (_mean(requests.length, weight) - 0.5) + 1e-9)))
