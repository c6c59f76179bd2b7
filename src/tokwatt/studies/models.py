"""What a study can sweep: functions of named scalars and specs, their annotations saying how a study file writes them."""

from functools import partial
from typing import Annotated, Any, Literal

import jax.numpy as jnp

from tokwatt.accounts.cases import Account
from tokwatt.params.specs import (
    Architecture,
    Board,
    Demand,
    Gpu,
    Llm,
    Precision,
    Profile,
    Serving,
    Workload,
)
from tokwatt.serving import account, decode, fleets
from tokwatt.serving.account import Point
from tokwatt.serving.catalogue import Catalogue
from tokwatt.serving.choices import switched
from tokwatt.serving.decode import OperatingPoint
from tokwatt.serving.fleets import Fleet
from tokwatt.serving.machine import Subject
from tokwatt.studies.replay import exact
from tokwatt.studies.replay.exact import ExactFleet
from tokwatt.units import Dimensionless, In, RequestsPerSecond, Seconds, Tokens

Basis = Literal["gpu", "instance"]
"""Whose watts count: those of one GPU, as in the paper, or of every GPU of an instance."""

LONGEST = 65536
"""Longest request that fleets of a study are summed over."""


def instances(
    catalogue: Catalogue,
    gpu: Annotated[Gpu, In("gpus")],
    llm: Annotated[Llm, In("llms")],
    serving: Annotated[Serving, In("servings")],
    precision: Annotated[Precision, In("precisions")],
    tensor_parallel: Dimensionless,
    context_window: Tokens,
    utilization: Dimensionless = 1.0,
    mean_fill: Dimensionless = 0.5,
    basis: Basis = "gpu",
) -> OperatingPoint:
    """Operating points of roofline instances, the KV cache split over the GPUs of an instance.

    A rank holds at least one head, so heads fewer than GPUs are replicated. What does not fit is
    NaN.
    """
    profile = _roofline(catalogue, gpu, llm, serving, precision, tensor_parallel)
    return _on(
        basis, profile, decode.operating_point(profile, context_window, utilization, mean_fill)
    )


def calibrated_instances(
    catalogue: Catalogue,
    profile: Annotated[Profile, In("profiles")],
    context_window: Tokens,
    utilization: Dimensionless = 1.0,
    mean_fill: Dimensionless = 0.5,
    basis: Basis = "gpu",
) -> OperatingPoint:
    """Operating points of calibrated instances and of those scaled from them."""
    return _on(
        basis, profile, decode.operating_point(profile, context_window, utilization, mean_fill)
    )


def consistent_instances(
    catalogue: Catalogue,
    gpu: Annotated[Board, In("boards")],
    llm: Annotated[Architecture, In("architectures")],
    serving: Annotated[Serving, In("servings")],
    precision: Annotated[Precision, In("precisions")],
    tensor_parallel: Dimensionless,
    context_window: Tokens,
    utilization: Dimensionless = 1.0,
    mean_fill: Dimensionless = 0.5,
    prompt_ratio: Dimensionless = 4.0,
    basis: Basis = "gpu",
) -> Point:
    """Operating points under the preset `consistent` of `assumptions.yaml`, on published architectures.

    Tokens are those of the output; `prompt_ratio` is how many of the prompt are taken in for each.
    What does not fit is NaN, and `missing` says how many bytes of a GPU.
    """
    known = Account(catalogue)
    assumed = switched(known.presets["consistent"], {"basis": basis})
    subject = Subject(
        gpu=gpu.gpu,
        llm=None,
        architecture=llm,
        serving=catalogue.layout(serving, precision, tensor_parallel, llm.kv_heads),
        logistic=gpu.logistic,
        fractions=catalogue.power_fractions,
        utilization=gpu.utilization,
    )
    at = partial(
        account.point, assumed, subject, known.constants, context_window, mean_fill, prompt_ratio
    )
    return at(utilization * at().concurrency)


def roofline_fleets(
    catalogue: Catalogue,
    gpu: Annotated[Gpu, In("gpus")],
    llm: Annotated[Llm, In("llms")],
    serving: Annotated[Serving, In("servings")],
    precision: Annotated[Precision, In("precisions")],
    tensor_parallel: Dimensionless,
    workload: Annotated[Workload, In("workloads")],
    split_length: Tokens,
    overflow_factor: Dimensionless,
    context_window: Tokens,
    arrival_rate: RequestsPerSecond,
    latency_target: Seconds,
    max_utilization: Dimensionless,
    output_share: Dimensionless,
    basis: Basis = "gpu",
) -> Fleet:
    """Two-pool fleets of roofline instances; the short pool's window holds the split length times the overflow factor."""
    profile = _roofline(catalogue, gpu, llm, serving, precision, tensor_parallel)
    return calibrated_fleets(
        catalogue,
        profile,
        workload,
        split_length,
        overflow_factor,
        context_window,
        arrival_rate,
        latency_target,
        max_utilization,
        output_share,
        basis,
    )


def calibrated_fleets(
    catalogue: Catalogue,
    profile: Annotated[Profile, In("profiles")],
    workload: Annotated[Workload, In("workloads")],
    split_length: Tokens,
    overflow_factor: Dimensionless,
    context_window: Tokens,
    arrival_rate: RequestsPerSecond,
    latency_target: Seconds,
    max_utilization: Dimensionless,
    output_share: Dimensionless,
    basis: Basis = "gpu",
) -> Fleet:
    """Two-pool fleets of calibrated instances; the short pool's window holds the split length times the overflow factor."""
    demand = Demand(
        arrival_rate=arrival_rate,
        latency_target=latency_target,
        max_utilization=max_utilization,
        output_share=output_share,
    )
    cut = jnp.floor(split_length * overflow_factor)
    return _on(
        basis, profile, fleets.fleet(workload, profile, demand, cut, context_window, LONGEST)
    )


def paper_fleets(
    catalogue: Catalogue,
    profile: Annotated[Profile, In("profiles")],
    workload: Annotated[Workload, In("workloads")],
    split_length: Tokens,
    overflow_factor: Dimensionless,
    context_window: Tokens,
    arrival_rate: RequestsPerSecond,
    latency_target: Seconds,
    max_utilization: Dimensionless,
    output_share: Dimensionless,
    basis: Basis = "gpu",
) -> ExactFleet:
    """Two-pool fleets by the paper's rules with exact length sums; the short pool's window is the split length itself.

    Requests up to the overflow factor times longer are served as one full window and credited in
    full.
    """
    demand = Demand(
        arrival_rate=arrival_rate,
        latency_target=latency_target,
        max_utilization=max_utilization,
        output_share=output_share,
    )
    law = exact.law_of(workload, output_share, profile.prefill_chunk, LONGEST)
    fleet = exact.two_pools(
        law, profile, demand, jnp.floor(split_length), overflow_factor, context_window
    )
    return _on(basis, profile, fleet)


def _roofline(
    catalogue: Catalogue,
    gpu: Gpu,
    llm: Llm,
    serving: Serving,
    precision: Precision,
    tensor_parallel: Dimensionless,
) -> Profile:
    laid_out = catalogue.layout(serving, precision, tensor_parallel, llm.kv_heads)
    return decode.roofline_profile(gpu, llm, laid_out, catalogue.power_fractions)


def _on(basis: Basis, profile: Profile, result: Any) -> Any:
    """A result on one GPU's watts, put on another basis."""
    powered = profile.gpus if basis == "instance" else 1.0
    return result._replace(
        power=result.power * powered, tokens_per_joule=result.tokens_per_joule / powered
    )
