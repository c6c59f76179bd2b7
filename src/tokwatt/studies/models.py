"""What a study can sweep: functions of an account, scalars and specs.

Their annotations say how a study file writes each input.
"""

import math
from typing import Annotated, TypeVar

import jax
import jax.numpy as jnp

from tokwatt.params.errors import ParameterError
from tokwatt.params.specs import Board, Demand, LlmRecord, Precision, Profile, Workload
from tokwatt.serving.account import Account
from tokwatt.serving.catalogue import Catalogue
from tokwatt.serving.demand.running_sums import law_table
from tokwatt.serving.point import OperatingPoint, operating_point
from tokwatt.serving.pools.fleet import Fleet, split_fleet
from tokwatt.serving.steps.times import instance_of
from tokwatt.studies.replay import exact
from tokwatt.units import (
    Dimensionless,
    In,
    Instances,
    RequestsPerSecond,
    Seconds,
    SecondsPerToken,
    Tokens,
    Window,
)

Result = TypeVar("Result", OperatingPoint, Fleet)
LONGEST = 65536
"""Longest request that fleets of a study are summed over."""


def instances(
    catalogue: Catalogue,
    account: Account,
    gpu: Annotated[Board, In("boards")],
    llm: Annotated[LlmRecord, In("llms")],
    precision: Annotated[Precision, In("precisions")],
    tensor_parallel: Dimensionless,
    context_window: Window,
    utilization: Dimensionless = 1.0,
    mean_fill: Dimensionless = 0.5,
    prompt_ratio: Dimensionless = 4.0,
) -> OperatingPoint:
    """Operating points of an LLM on GPUs; each holds whole experts of a mixture.

    Tokens are those of the output; `prompt_ratio` is how many prompt tokens there are for each.
    What does not fit is NaN, and `missing` says how many bytes of a GPU; all is NaN where so many
    GPUs do not share the heads of an LLM evenly.
    """
    deployment = catalogue.deployment(gpu, llm, precision, tensor_parallel, tensor_parallel)
    asked = context_window, mean_fill, prompt_ratio
    found = operating_point(account, deployment, *asked, utilization=utilization)
    return _laid_out(found, llm, tensor_parallel)


def profiles(
    catalogue: Catalogue,
    account: Account,
    profile: Annotated[Profile, In("profiles")],
    context_window: Window,
    utilization: Dimensionless = 1.0,
    mean_fill: Dimensionless = 0.5,
) -> OperatingPoint:
    """Operating points of hand-calibrated instances and of those scaled from them."""
    deployment = catalogue.profiled(profile)
    asked = context_window, mean_fill, 0.0
    return operating_point(account, deployment, *asked, utilization=utilization)


def fleets(
    catalogue: Catalogue,
    account: Account,
    gpu: Annotated[Board, In("boards")],
    llm: Annotated[LlmRecord, In("llms")],
    precision: Annotated[Precision, In("precisions")],
    tensor_parallel: Dimensionless,
    workload: Annotated[Workload, In("workloads")],
    split_length: Tokens,
    overflow_factor: Dimensionless,
    context_window: Window,
    arrival_rate: RequestsPerSecond,
    latency_target: Seconds,
    max_utilization: Dimensionless,
    output_share: Dimensionless,
    ttft_quantile: Dimensionless = 0.99,
    ttft_per_token: SecondsPerToken = 0.0,
    itl_target: Seconds = math.inf,
    itl_quantile: Dimensionless = 0.5,
    spare_instances: Instances = 0.0,
    least_instances: Instances = 0.0,
) -> Fleet:
    """Two-pool fleets; the short pool's window holds the split length times the overflow factor.

    All is NaN where so many GPUs do not share the heads of an LLM evenly.
    """
    demand = Demand(
        arrival_rate=arrival_rate,
        latency_target=latency_target,
        ttft_quantile=ttft_quantile,
        ttft_per_token=ttft_per_token,
        itl_target=itl_target,
        itl_quantile=itl_quantile,
        max_utilization=max_utilization,
        output_share=output_share,
        spare_instances=spare_instances,
        least_instances=least_instances,
    )
    deployment = catalogue.deployment(gpu, llm, precision, tensor_parallel, tensor_parallel)
    assumed = account.assumed
    if assumed.split_by != "length":
        wanted = "length, as running sums over lengths know no prompts"
        raise ParameterError(f"changes.split_by: is {assumed.split_by}, wanted {wanted}.")
    chunk = deployment.prefill_chunk(assumed.prefill == "chunked")
    table = law_table(assumed, workload, output_share, chunk, LONGEST)
    cut = jnp.floor(split_length * overflow_factor)
    instance = instance_of(account, deployment)
    found = split_fleet(account, instance, table, demand, cut, context_window)
    return _laid_out(found, llm, tensor_parallel)


def profile_fleets(
    catalogue: Catalogue,
    account: Account,
    profile: Annotated[Profile, In("profiles")],
    workload: Annotated[Workload, In("workloads")],
    split_length: Tokens,
    overflow_factor: Dimensionless,
    context_window: Window,
    arrival_rate: RequestsPerSecond,
    latency_target: Seconds,
    max_utilization: Dimensionless,
    output_share: Dimensionless,
) -> Fleet:
    """Two-pool fleets of hand-calibrated instances by the paper's rules, with exact length sums.

    The short pool's window is the split length itself: requests up to the overflow factor times
    longer are served as one full window and credited in full.
    """
    demand = Demand(
        arrival_rate=arrival_rate,
        latency_target=latency_target,
        max_utilization=max_utilization,
        output_share=output_share,
    )
    law = exact.law_of(workload, output_share, profile.prefill_chunk, LONGEST)
    instance = instance_of(account, catalogue.profiled(profile))
    split = jnp.floor(split_length)
    return exact.two_pools(account, instance, law, demand, split, overflow_factor, context_window)


def _laid_out(found: Result, llm: LlmRecord, tensor_parallel: Dimensionless) -> Result:
    """What an engine that lays an LLM out would answer, and NaN where none does."""
    divides = llm.published.query_heads % tensor_parallel == 0
    return jax.tree.map(lambda number: jnp.where(divides, number, jnp.nan), found)
