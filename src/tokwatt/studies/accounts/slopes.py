"""The slope of the law, and what bends it."""

from dataclasses import replace
from typing import NamedTuple

import jax
import jax.numpy as jnp
import xarray as xr
from jax import Array

from tokwatt import grid
from tokwatt.accounts.cases import MEAN_FILL
from tokwatt.equations.batching import overlapped
from tokwatt.params.specs import Board
from tokwatt.serving.account import Account
from tokwatt.serving.catalogue import Catalogue
from tokwatt.serving.gpu.share import held_bytes
from tokwatt.serving.instance import TOUCHED, Instance, concurrency
from tokwatt.serving.point import operating_point
from tokwatt.serving.steps.chunked import Load
from tokwatt.serving.steps.step import measured_step, step
from tokwatt.serving.steps.times import instance_of
from tokwatt.studies.accounts.changed import tabulate_changes
from tokwatt.studies.instances import Boards
from tokwatt.studies.replay.points import LlmLayout
from tokwatt.units import Bytes, Dimensionless, Sequences, Tokens, TokensAxis, TokensPerJoule


class Slope(NamedTuple):
    """The law at one window, and what bends it.

    Attributes:
        tokens_per_joule: of an instance.
        slope: of log tokens per joule over log window.
        concurrency: running requests.
        overhead_share: share of the step that is neither memory nor arithmetic.
        weight_share: share of the step that reads weights.
        prefill_share: share of the step that is prefill.
        idle_power_share: idle power over power.
        bounded_share: share of a sequence's bytes that does not grow with it.
        missing: bytes of a GPU by which the weights do not fit.
        by_limited_layers: what layers that do not keep every token add to a slope of -1.
        by_sequence_limit: what the engine's limit of running requests adds.
        by_experts: what experts that a smaller batch leaves unread add.
        by_overhead: what overheads of running requests add.
        by_prompts: what prefill adds.
        by_arithmetic: what arithmetic of decoding adds, and the scan itself.
    """

    tokens_per_joule: TokensPerJoule
    slope: Dimensionless
    concurrency: Sequences
    overhead_share: Dimensionless
    weight_share: Dimensionless
    prefill_share: Dimensionless
    idle_power_share: Dimensionless
    bounded_share: Dimensionless
    missing: Bytes
    by_limited_layers: Dimensionless
    by_sequence_limit: Dimensionless
    by_experts: Dimensionless
    by_overhead: Dimensionless
    by_prompts: Dimensionless
    by_arithmetic: Dimensionless


BENDS = tuple(name for name in Slope._fields if name.startswith("by_"))
"""What keeps the slope from -1, each by itself; they add up to slope + 1."""


def slopes(
    catalogue: Catalogue,
    gpus: Boards,
    served: dict[str, LlmLayout],
    accounts: dict,
    context_window: TokensAxis,
    prompt_ratio: Dimensionless,
) -> xr.Dataset:
    """Slope of log tok/J over log window, over account x window x LLM x GPU."""

    def law(account: Account) -> xr.Dataset:
        def slope(context_window: Tokens, llm: LlmLayout, gpu: Board) -> Slope:
            return _slope(account, llm, gpu, catalogue, context_window, prompt_ratio)

        return grid.sweep(slope, context_window=context_window, llm=served, gpu=gpus)

    return tabulate_changes(catalogue, accounts, "account", law)


def _slope(
    account: Account,
    layout: LlmLayout,
    board: Board,
    catalogue: Catalogue,
    window: Tokens,
    prompt_ratio: Dimensionless,
) -> Slope:
    deployment, assumed = layout.on(board, catalogue), account.assumed
    instance = instance_of(account, deployment)

    def log_efficiency(log_window: Array) -> Array:
        point = operating_point(account, deployment, jnp.exp(log_window), MEAN_FILL, prompt_ratio)
        return jnp.log(point.tokens_per_joule)

    full = operating_point(account, deployment, window, MEAN_FILL, prompt_ratio)
    length, batch = MEAN_FILL * window, full.concurrency
    iteration = step(assumed, instance, _load(window, batch, prompt_ratio))
    held = instance.cache.held
    reading = overlapped(iteration.weight_time, iteration.compute_time) + iteration.scan_time
    slope = jax.grad(log_efficiency)(jnp.log(window))
    bends = _bends(account, instance, window, prompt_ratio)
    explained = sum(bends[name] for name in BENDS) - bends["by_experts"]
    return Slope(
        tokens_per_joule=full.tokens_per_joule,
        slope=slope,
        concurrency=batch,
        overhead_share=1 - (reading + iteration.prefill_time) / iteration.latency,
        weight_share=iteration.weight_time / iteration.latency,
        prefill_share=iteration.prefill_time / iteration.latency,
        idle_power_share=instance.utilization.idle / iteration.power,
        bounded_share=1 - held * length / held_bytes(instance, length),
        missing=full.missing,
        **bends | {"by_experts": slope + 1 - explained},
    )


def _load(window: Tokens, batch: Sequences, prompt_ratio: Dimensionless) -> Load:
    """The load of an operating point at a window."""
    length = MEAN_FILL * window
    return Load(batch, length, prompt_ratio * batch, batch * (prompt_ratio + 0.5) / length)


def _bends(
    account: Account, instance: Instance, window: Tokens, prompt_ratio: Dimensionless
) -> dict[str, Dimensionless]:
    """Partial derivatives of log tok/J, as if each part of an instance had a window of its own.

    What the other parts leave of the slope is that of experts.
    """
    assumed = account.assumed

    def held(log_window: Array) -> Array:
        window = jnp.exp(log_window)
        return concurrency(assumed, instance, window, MEAN_FILL * window)

    def touched(expert_share: Dimensionless, tokens: Tokens) -> Dimensionless:
        return jax.lax.stop_gradient(TOUCHED[assumed.experts](expert_share, tokens))

    def log_efficiency(windows: dict[str, Array]) -> Array:
        costs, batch = instance.costs, held(windows["by_arithmetic"])
        apart = replace(
            costs, launch=costs.launch + costs.sequence * held(windows["by_overhead"]), sequence=0.0
        )
        prompts = _load(jnp.exp(windows["by_prompts"]), held(windows["by_prompts"]), prompt_ratio)
        load = prompts._replace(batch=batch, length=MEAN_FILL * jnp.exp(windows["by_arithmetic"]))
        iteration = measured_step(assumed, replace(instance, costs=apart), load, touched)
        return jnp.log(held(windows["by_limited_layers"]) / (iteration.latency * iteration.power))

    bends = jax.grad(log_efficiency)(dict.fromkeys(BENDS, jnp.log(window)))
    limited = bends["by_limited_layers"] + 1
    most = instance.data_parallel * instance.max_sequences
    capped = held(jnp.log(window)) >= most
    return bends | {
        "by_limited_layers": jnp.where(capped, 0.0, limited),
        "by_sequence_limit": jnp.where(capped, limited, 0.0),
    }
