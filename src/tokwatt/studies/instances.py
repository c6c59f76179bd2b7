"""Datasets of single instances: Tables 1, 2, 4, 5 and 7, and the catalogues they rest on."""

from typing import Annotated

import numpy as np
import xarray as xr

from tokwatt import grid
from tokwatt.accounts.assumptions import AssumptionSets
from tokwatt.accounts.deployments import PROGRAM
from tokwatt.equations import power
from tokwatt.equations.roofline import tokens_per_dollar
from tokwatt.params.specs import Board, Gpu, LogisticPower, Profile, spec
from tokwatt.serving.account import Account
from tokwatt.serving.catalogue import Catalogue
from tokwatt.serving.deployment import Deployment
from tokwatt.serving.point import OperatingPoint, operating_point
from tokwatt.studies.labelled import Variable, labelled
from tokwatt.studies.replay.points import LlmLayout, RooflinePoint, roofline_point, routed_point
from tokwatt.units import (
    Dimensionless,
    DollarsPerSecond,
    In,
    Seconds,
    Sequences,
    SequencesAxis,
    Tokens,
    TokensAxis,
    Watts,
)

Gpus = Annotated[dict[str, Gpu], In("gpus")]
Boards = Annotated[dict[str, Board], In("boards")]
Profiles = Annotated[dict[str, Profile], In("profiles")]


@spec
class Rented:
    """A GPU and the rent of an instance of it.

    Attributes:
        gpu: the GPU.
        price: rent of an instance.
    """

    gpu: Annotated[Board, In("boards")]
    price: DollarsPerSecond


def gpu_catalogue(catalogue: Catalogue, gpus: Gpus) -> xr.Dataset:
    """The accelerators of the paper's catalogue."""
    return grid.catalogue("gpu", gpus)


def llm_catalogue(catalogue: Catalogue) -> xr.Dataset:
    """Every language model of the paper's catalogue."""
    return grid.catalogue("llm", {name: llm.paper for name, llm in catalogue.paper_llms.items()})


def profile_catalogue(catalogue: Catalogue) -> xr.Dataset:
    """Every profile, its power curve beside it."""
    curves = {name: profile.power for name, profile in catalogue.profiles.items()}
    profiles = grid.catalogue("profile", catalogue.profiles)
    return xr.merge([profiles, grid.catalogue("profile", curves)]).rename(profile="gpu")


def context_windows(
    catalogue: Catalogue,
    profiles: Profiles,
    context_window: TokensAxis,
    utilization: Dimensionless,
    mean_fill: Dimensionless,
) -> xr.Dataset:
    """Table 1: operating points over context window x GPU, and local slopes."""
    account = AssumptionSets(catalogue).account("paper", {"misfit": "infeasible"})

    def point(context_window: Tokens, gpu: Deployment) -> OperatingPoint:
        return operating_point(
            account, gpu, context_window, mean_fill, 0.0, utilization=utilization
        )

    deployments = {name: catalogue.profiled(profile) for name, profile in profiles.items()}
    table = grid.sweep(point, context_window=context_window, gpu=deployments)
    logs = table.tokens_per_joule.pipe(np.log2), table.context_window.pipe(np.log2)
    slope = logs[0].diff("context_window") / logs[1].diff("context_window")
    described = grid.describe("slope of log tokens per joule from the window before", "1")
    return table.assign(local_slope=slope.assign_attrs(described))


def batches(largest: Sequences) -> SequencesAxis:
    """Batch sizes from 1 to the largest, four to a doubling."""
    return np.exp2(np.arange(0, np.log2(largest) + 0.125, 0.25))


def power_curves(catalogue: Catalogue, profiles: Profiles, largest_batch: Sequences) -> xr.Dataset:
    """Power of one GPU over batch x GPU, four batches to a doubling."""
    curves = {name: profile.power for name, profile in profiles.items()}

    def watts(batch: Sequences, gpu: LogisticPower) -> Watts:
        return power.logistic_power(batch, **vars(gpu))

    return grid.sweep(watts, batch=batches(largest_batch), gpu=curves).rename(watts="power")


def power_parameters(catalogue: Catalogue, gpus: Boards, layout: LlmLayout) -> xr.Dataset:
    """Table 7: the printed curves, and what TDP and the roofline would make of them."""
    printed = grid.catalogue("gpu", {name: board.logistic for name, board in gpus.items()})
    fractions = catalogue.power_fractions
    tdp = np.array([board.gpu.tdp for board in gpus.values()])
    midpoints = [float(catalogue.profiles[name].power.log2_midpoint) for name in gpus]
    points = roofline_points(catalogue, gpus, {"llm": layout}, 2 * CALIBRATED).isel(llm=0)
    from_roofline = np.log2(points.weight_time / points.scan_time)
    derived = {
        "tdp": Variable("gpu", tdp, "W"),
        "idle_from_tdp": Variable("gpu", fractions.idle_fraction * tdp, "W"),
        "nominal_from_tdp": Variable("gpu", fractions.nominal_fraction * tdp, "W"),
        "log2_midpoint_from_roofline": Variable("gpu", from_roofline, "1"),
        "log2_midpoint_used": Variable("gpu", midpoints, "1"),
    }
    return printed.merge(labelled(derived, {"gpu": list(gpus)}))


CALIBRATED = 4096.0
"""Tokens of a sequence in the paper's roofline, half of its window."""


def roofline_points(
    catalogue: Catalogue, gpus: Boards, served: dict[str, LlmLayout], context_window: Tokens
) -> xr.Dataset:
    """Table 2 and its like: roofline operating points over LLM x GPU."""
    account = _program(catalogue)

    def point(llm: LlmLayout, gpu: Board) -> RooflinePoint:
        return roofline_point(account, llm.on(gpu, catalogue), context_window)

    return grid.sweep(point, llm=served, gpu=gpus)


def dispatch_times(
    catalogue: Catalogue,
    gpus: Boards,
    mixture: LlmLayout,
    dense: LlmLayout,
    context_window: Tokens,
    longest_dispatch: Seconds,
) -> xr.Dataset:
    """A mixture of experts over dispatch time x GPU, and the time at which a dense LLM is even."""
    account = _program(catalogue)

    def point(dispatch_time: Seconds, gpu: Board) -> RooflinePoint:
        return roofline_point(account, mixture.on(gpu, catalogue), context_window, dispatch_time)

    table = grid.sweep(point, dispatch_time=np.linspace(0, longest_dispatch, 41), gpu=gpus)
    level = roofline_points(catalogue, gpus, {"dense": dense}, context_window)
    level = level.isel(llm=0, drop=True)
    even = table.concurrency / (level.tokens_per_joule * table.power) - table.iteration_latency
    dense_described = grid.describe("tokens per joule of the dense model", "tok/J")
    even_described = grid.describe("dispatch time at which the two are even", "s")
    return table[["tokens_per_joule"]].assign(
        dense_tokens_per_joule=level.tokens_per_joule.assign_attrs(dense_described),
        even_dispatch_time=even.isel(dispatch_time=0, drop=True).assign_attrs(even_described),
    )


def generations(
    catalogue: Catalogue, served: LlmLayout, rented: dict[str, Rented], context_window: Tokens
) -> xr.Dataset:
    """Table 5: one LLM over GPUs, with printed idle power and the rent of an instance."""
    boards = {name: row.gpu for name, row in rented.items()}
    table = roofline_points(catalogue, boards, {"llm": served}, context_window)
    table = table.isel(llm=0, drop=True)
    price = np.array([row.price for row in rented.values()])
    rents = {
        "tdp": Variable("gpu", [board.gpu.tdp for board in boards.values()], "W"),
        "idle": Variable("gpu", [board.logistic.idle for board in boards.values()], "W"),
        "price": Variable("gpu", price, "USD/s"),
        "tokens_per_dollar": Variable(
            "gpu", tokens_per_dollar(table.throughput.values, price), "tok/USD"
        ),
    }
    return table.merge(labelled(rents, {"gpu": list(rented)}))


def routed_pools(
    catalogue: Catalogue,
    profile: Annotated[Profile, In("profiles")],
    small: LlmLayout,
    small_gpu: Annotated[Board, In("boards")],
    short_window: Tokens,
    long_window: Tokens,
    utilization: Dimensionless,
) -> xr.Dataset:
    """Table 4: pools of routing by context length and by meaning."""
    account = AssumptionSets(catalogue).account("paper")
    large = account, catalogue.profiled(profile)
    little = _program(catalogue), small.on(small_gpu, catalogue)
    rows = {
        "context_short": (*large, short_window),
        "context_long": (*large, long_window),
        "semantic_small": (*little, short_window),
        "semantic_large": (*large, long_window),
    }
    return grid.tabulate(lambda pool: routed_point(*rows[pool], utilization), pool=list(rows))


def _program(catalogue: Catalogue) -> Account:
    """The paper's account as its program computes data sheets."""
    return AssumptionSets(catalogue).account("paper", PROGRAM)
