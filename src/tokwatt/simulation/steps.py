"""Durations of iterations: those of the account's own step, tabulated once and looked up."""

from functools import partial
from math import sqrt

import jax
import jax.numpy as jnp
import numpy as np

from tokwatt.params.errors import ParameterError
from tokwatt.serving.account import Account, on_basis
from tokwatt.serving.choices import Assumptions
from tokwatt.serving.instance import Instance
from tokwatt.serving.steps.chunked import Load
from tokwatt.serving.steps.power import Use, board_power, idle_power
from tokwatt.serving.steps.step import single_use
from tokwatt.simulation.requests import Limits
from tokwatt.units import Dimensionless, Seconds, Sequences, Tokens, Watts

KNOTS = 128
"""Lengths between which a step is interpolated; it is linear in them but for windows and limits."""
ANSWERED = 64.0
"""Prompts that end in the second of two passes between which is interpolated."""
DIGITS = 10
"""Significant digits of a table: the last ones of a double differ between processors."""
Limit = tuple[float, float, float, float]
"""What a byte, launches and arithmetic draw of what is left beside idle; root of the clock."""
Added = tuple[list[float], list[float], list[float]]
"""What so many tokens take, what each that is answered adds, what decoding has of that already."""


class StepTable:
    """Durations of the steps of an instance.

    A step with prompts uses what decoding alone does, and what more tokens add: both are tables of
    the account's own step. It lasts as long as that takes, or as the board's limit of power wants.

    Args:
        account: how a step is counted.
        instance: the instance.
        limits: most running requests, and most tokens of a step.
        longest: most tokens of a request.
        factor: by which decoding takes longer than the account says.
        prompt_factor: by which what prompts add does.

    Attributes:
        first_token: time that a request spends before its first token beside the steps.
        first_token_prompt: more of it for each token of the prompt.

    Raises:
        ParameterError: where prompts hide behind decoding, which no sum of tables tells.
    """

    def __init__(
        self,
        account: Account,
        instance: Instance,
        limits: Limits,
        longest: Tokens,
        factor: Dimensionless = 1.0,
        prompt_factor: Dimensionless = 1.0,
    ) -> None:
        assumed, most = account.assumed, limits.sequences
        if assumed.prefill == "overlapped":
            wanted = "chunked, additive or free"
            raise ParameterError(f"prefill: is overlapped in a simulation, wanted {wanted}.")
        self.account, self.instance = account, instance
        self.factor, self.prompt_factor = factor, prompt_factor
        self._width, knots = _knots(longest, float(instance.cache.window))
        rows = _decoding(assumed, instance, jnp.arange(1.0, most + 1), self._width * knots)
        self._rows, self._parts = _lists(rows[0]), [_lists(part) for part in rows[1:]]
        chunked = assumed.prefill == "chunked"
        self._added = _added(assumed, instance, limits.tokens + most, chunked)
        costs, ranks = instance.costs, float(instance.costs.data_parallel)
        self._attention = float(costs.prompt_math) / ranks if chunked else 0.0
        self._sliding = float(costs.sliding_math) / ranks if chunked else 0.0
        self._reach = 2 * float(costs.cache.window)
        self.first_token = float(costs.first_token) if chunked else 0.0
        self.first_token_prompt = float(costs.first_token_prompt) if chunked else 0.0
        self._limit = _limit(instance) if assumed.power == "utilization" else None

    def decoding(self, batch: Sequences, total: Tokens) -> Seconds:
        """One that decodes a batch of so many tokens in all."""
        place = total / (batch * self._width)
        knot = int(place)
        row = self._rows[batch]
        low = row[knot]
        return self.factor * (low + (place - knot) * (row[knot + 1] - low))

    def filling(
        self, batch: Sequences, total: Tokens, prompts: Tokens, attended: Tokens
    ) -> Seconds:
        """One that also takes in prompt tokens; they attend to half of `attended` tokens."""
        # Unrolled, as it is the second of the two lines where a simulation spends its time.
        tokens, answered = batch + prompts, batch + prompts * prompts / attended
        attention = self._attention * attended
        if self._sliding:
            attention += self._sliding * min(attended, self._reach * prompts)
        (least, slope, base), (least_2, slope_2, base_2), (least_3, slope_3, base_3), last = (
            self._added
        )
        latency = least[tokens] + slope[tokens] * answered - base[batch] + attention
        alone = 0.0
        if batch:
            place = total / (batch * self._width)
            knot = int(place)
            share = place - knot
            row, raw = self._rows[batch], self._parts[0][batch]
            alone = row[knot] + share * (row[knot + 1] - row[knot])
            latency += raw[knot] + share * (raw[knot + 1] - raw[knot])
        if self._limit:
            moved = least_2[tokens] + slope_2[tokens] * answered - base_2[batch]
            computing = least_3[tokens] + slope_3[tokens] * answered - base_3[batch] + attention
            launching = last[0][tokens] + last[1][tokens] * answered - last[2][batch]
            if batch:
                _, row_2, row_3, row_4 = (part[batch] for part in self._parts)
                moved += row_2[knot] + share * (row_2[knot + 1] - row_2[knot])
                computing += row_3[knot] + share * (row_3[knot + 1] - row_3[knot])
                launching += row_4[knot] + share * (row_4[knot + 1] - row_4[knot])
            latency = _stretched(self._limit, latency, moved, computing, launching)
        return self.factor * alone + self.prompt_factor * (latency - alone)

    @property
    def idle(self) -> Watts:
        """Power of an instance that waits for requests, on the basis of the account."""
        instance, watts = self.instance, idle_power(self.account.assumed, self.instance)
        return float(on_basis(self.account, instance.gpu, instance.gpus, watts))


def _knots(longest: Tokens, window: Tokens) -> tuple[Tokens, np.ndarray]:
    """Distance and numbers of lengths between which is interpolated; a window is one of them."""
    width = max(1.0, longest / KNOTS)
    if 0 < window < longest:
        width = window / max(1, round(window / width))
    return width, np.arange(int(longest / width) + 3.0)


def _lists(table: np.ndarray) -> list[list[float]]:
    """Rows by batch size, as lists, which are read faster; none for 0."""
    return [[], *_agreed(np.asarray(table)).tolist()]


def _agreed(numbers: np.ndarray) -> np.ndarray:
    """Numbers to the digits that processors agree on, so that events keep their order on all."""
    sizes = np.abs(numbers, where=numbers != 0, out=np.ones_like(numbers))
    scale = 10.0 ** (DIGITS - np.ceil(np.log10(sizes)))
    return np.round(numbers * scale) / scale


@partial(jax.jit, static_argnames="assumed")
def _decoding(
    assumed: Assumptions, instance: Instance, batches: np.ndarray, lengths: np.ndarray
) -> tuple[np.ndarray, ...]:
    """Duration, and what it consists of, by batch size and length."""

    def decoding(batch: Sequences, length: Tokens) -> tuple[np.ndarray, ...]:
        use = single_use(assumed, instance, Load(batch, length, 0.0 * batch, 0.0 * batch))
        kept = board_power(assumed, instance, use)[0]
        return kept, *_parts(use)

    return jax.vmap(jax.vmap(decoding, (None, 0)), (0, None))(batches, lengths)


def _parts(use: Use) -> tuple[Seconds, ...]:
    """What of an iteration is a sum over its tokens, or nearly."""
    return use.latency, use.moved, use.compute_time, use.launch_time


@partial(jax.jit, static_argnames="assumed")
def _taken(
    assumed: Assumptions, instance: Instance, tokens: np.ndarray, answered: np.ndarray
) -> tuple[np.ndarray, ...]:
    def taken(prompts: Tokens, prefills: Dimensionless) -> tuple[np.ndarray, ...]:
        load = Load(0.0 * prompts, 1.0 + 0.0 * prompts, prompts, prefills)
        return _parts(single_use(assumed, instance, load))

    return jax.vmap(taken)(tokens, answered)


def _added(assumed: Assumptions, instance: Instance, most: int, chunked: bool) -> list[Added]:
    """For each part of an iteration what tokens add to it."""
    costs, tokens = instance.costs, np.arange(1.0, most + 1)
    many = np.minimum(tokens, ANSWERED)
    found = []
    for answered in (np.ones_like(tokens), many):
        prompt = tokens / answered
        seen = np.minimum(prompt, 2 * float(costs.cache.window))
        attention = float(costs.prompt_math) * prompt + float(costs.sliding_math) * seen
        attention *= chunked * tokens / float(costs.data_parallel)
        parts = [np.array(part) for part in _taken(assumed, instance, tokens, answered)]
        parts[0] -= attention
        parts[2] -= attention
        found.append(parts)
    tables: list[Added] = []
    launches = [float(costs.prompt_launch) * chunked, 0.0, 0.0, 0.0]
    for one, several, launch in zip(*found, launches, strict=True):
        slope = (several - one) / np.maximum(many - 1, 1)
        least = one - slope
        base = least + slope * tokens - launch
        low, by, own = (np.append(0.0, _agreed(each)).tolist() for each in (least, slope, base))
        tables.append((low, by, own))
    return tables


def _stretched(
    limit: Limit, latency: Seconds, moved: float, computing: Seconds, launching: Seconds
) -> Seconds:
    """`serving.power.within_limit` of floats, which that of arrays is too slow for."""
    per_byte, per_launch, arithmetic, exponent = limit
    steady = per_byte * moved + per_launch * launching
    above = steady / latency + arithmetic * sqrt(computing / latency)
    return latency * above**exponent if above > 1 else latency


def _limit(instance: Instance) -> Limit:
    """What the limit of a board's power rests on."""
    law = instance.utilization
    spare = float(law.limit) - float(law.idle)
    per_byte = float(law.memory) / spare / float(instance.gpu.hbm_bandwidth)
    shares = float(law.launch) / spare, float(law.compute) / spare
    return per_byte, *shares, 1 / float(law.clock_exponent)
