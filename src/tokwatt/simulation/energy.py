"""Steps by the account itself, and what boards draw that take many of them."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import numpy as np
from jax.typing import ArrayLike

from tokwatt.serving.account import Account, on_basis
from tokwatt.serving.instance import Instance
from tokwatt.serving.steps.chunked import Load
from tokwatt.serving.steps.power import Use, board_power, within_limit
from tokwatt.serving.steps.step import single_use
from tokwatt.units import (
    BytesAxis,
    Dimensionless,
    DimensionlessAxis,
    Seconds,
    SecondsAxis,
    SequencesAxis,
    TokensAxis,
    WattsAxis,
)

ROWS = 2**14
"""Steps whose power is computed at once."""


class ExactSteps(NamedTuple):
    """Steps by the account itself, an array each.

    Attributes:
        duration: how long they last.
        power: watts of an instance on the basis of the account.
        at_full_clock: how long they would last if no board had a limit.
        moved: bytes that a GPU reads.
        compute_time: arithmetic, as time.
        launch_time: launches of kernels of experts, as time.
    """

    duration: SecondsAxis
    power: WattsAxis
    at_full_clock: SecondsAxis
    moved: BytesAxis
    compute_time: SecondsAxis
    launch_time: SecondsAxis


def exact_steps(
    account: Account,
    instance: Instance,
    batch: SequencesAxis,
    total: TokensAxis,
    prompts: TokensAxis,
    attended: TokensAxis,
) -> ExactSteps:
    """Steps of an instance, one by one.

    Args:
        account: how they are counted.
        instance: the instance.
        batch: requests that decode.
        total: tokens that those hold.
        prompts: prompt tokens that are taken in.
        attended: tokens that those attend to, twice the pairs.
    """
    length = np.where(batch > 0, total / np.maximum(batch, 1), 1.0)
    prefills = np.where(prompts > 0, prompts**2 / np.maximum(attended, 1), 0.0)
    columns = np.stack([batch, length, prompts, prefills]).astype(float)
    return ExactSteps(*_compiled_once(partial(_exact, account, instance), columns))


def _compiled_once(
    function: Callable[..., tuple[ArrayLike, ...]], columns: np.ndarray
) -> np.ndarray:
    """A compiled function of columns, so many rows at a time that no other shape is compiled."""
    found = []
    for start in range(0, columns.shape[1], ROWS):
        part = columns[:, start : start + ROWS]
        padded = np.pad(part, ((0, 0), (0, ROWS - part.shape[1])), mode="edge")
        found.append(np.stack(function(*padded))[:, : part.shape[1]])
    return np.concatenate(found, axis=1)


@jax.jit
def _exact(account: Account, instance: Instance, *loads: DimensionlessAxis) -> tuple[Seconds, ...]:
    def exact(*load: Dimensionless) -> tuple[Seconds, ...]:
        assumed = account.assumed
        use = single_use(assumed, instance, Load(*load))
        latency, watts = board_power(assumed, instance, use)
        watts = on_basis(account, instance.gpu, instance.gpus, watts)
        return latency, watts, use.latency, use.moved, use.compute_time, use.launch_time

    return jax.vmap(exact)(*loads)


def power_together(
    account: Account,
    instance: Instance,
    steps: ExactSteps,
    counts: DimensionlessAxis,
    windows: DimensionlessAxis,
) -> WattsAxis:
    """Watts of each step where many are taken together.

    Args:
        account: whether boards draw by their use.
        instance: the instance.
        steps: its steps.
        counts: how many there are of each.
        windows: whole number from 0 on of the window of time that each lies in.

    Returns:
        What the mean step of a window draws, shared among its steps as they would draw alone. The
        law of power was fitted to means of runs and is concave, so that steps which fill a chunk
        and others that only decode draw more together than one by one.
    """
    if account.assumed.power != "utilization":
        return steps.power
    window = windows.astype(int)

    def mean(values: SecondsAxis, over: SecondsAxis) -> np.ndarray:
        total, time = (np.bincount(window, counts * it) for it in (values, over))
        return total / np.where(time > 0, time, 1.0)

    means = np.stack([mean(it, steps.at_full_clock) for it in steps[3:]])
    together = _compiled_once(partial(_mean_power, account, instance), means)[0]
    alone = mean(steps.duration * steps.power, steps.duration)[window]
    return steps.power * together[window] / alone


@jax.jit
def _mean_power(
    account: Account,
    instance: Instance,
    moved: BytesAxis,
    computing: DimensionlessAxis,
    launching: DimensionlessAxis,
) -> tuple[WattsAxis]:
    """Power of an instance by what its boards do in a second."""
    use = Use(1.0, moved, computing, launching, 0.0, 0.0, 0.0, 0.0)
    watts = within_limit(instance.gpu.hbm_bandwidth, instance.utilization, use, 1.0)[1]
    return (on_basis(account, instance.gpu, instance.gpus, watts),)
