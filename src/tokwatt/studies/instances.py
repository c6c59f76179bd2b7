"""Studies of single instances: Tables 1, 2, 4, 5 and 7, and the catalogues they rest on."""

from functools import partial
from typing import Annotated

import numpy as np
import xarray as xr

from tokwatt import grid
from tokwatt.equations.roofline import tokens_per_dollar
from tokwatt.params.specs import Gpu, Llm, Profile, Serving, spec
from tokwatt.serving import decode
from tokwatt.serving.catalogue import Catalogue
from tokwatt.studies.replay.instances import Calibrated, Computed, Instance
from tokwatt.studies.replay.points import Served, roofline_point, routed_point
from tokwatt.units import (
    Dimensionless,
    DollarsPerSecond,
    In,
    Seconds,
    Sequences,
    Tokens,
    TokensAxis,
)

Gpus = Annotated[dict[str, Gpu], In("gpus")]
Profiles = Annotated[dict[str, Profile], In("profiles")]


@spec
class Rented:
    """A GPU and the rent of an instance of it."""

    gpu: Annotated[Gpu, In("gpus")]
    price: DollarsPerSecond


def gpu_catalogue(catalogue: Catalogue) -> xr.Dataset:
    """Every accelerator."""
    return grid.catalogue("gpu", catalogue.gpus)


def llm_catalogue(catalogue: Catalogue) -> xr.Dataset:
    """Every language model."""
    return grid.catalogue("llm", catalogue.llms)


def profile_catalogue(catalogue: Catalogue) -> xr.Dataset:
    """Every profile, its power curve beside it."""
    curves = grid.catalogue(
        "profile", {name: profile.power for name, profile in catalogue.profiles.items()}
    )
    return xr.merge([grid.catalogue("profile", catalogue.profiles), curves]).rename(profile="gpu")


def context_windows(
    catalogue: Catalogue,
    profiles: Profiles,
    context_window: TokensAxis,
    utilization: Dimensionless,
    mean_fill: Dimensionless,
) -> xr.Dataset:
    """Table 1: operating points over context window x GPU, and the slope from each window to the next."""
    table = grid.sweep(
        decode.operating_point,
        context_window=context_window,
        profile=profiles,
        utilization=utilization,
        mean_fill=mean_fill,
    )
    logs = table.tokens_per_joule.pipe(np.log2), table.context_window.pipe(np.log2)
    slope = logs[0].diff("context_window") / logs[1].diff("context_window")
    table["local_slope"] = slope.assign_attrs(
        grid.describe("slope_of_log_tokens_per_joule_from_the_window_before", "1")
    )
    return table.rename(profile="gpu")


def power_curves(catalogue: Catalogue, profiles: Profiles, largest_batch: Sequences) -> xr.Dataset:
    """Power of one GPU over batch x GPU, four batches to a doubling."""
    batch = np.exp2(np.arange(0, np.log2(largest_batch) + 0.125, 0.25))
    curves = {name: profile.power for name, profile in profiles.items()}
    watts = grid.sweep(decode.batch_power, batch=batch, curve=curves)
    return watts.rename(curve="gpu", batch_power="power")


def power_parameters(
    catalogue: Catalogue,
    gpus: Gpus,
    llm: Annotated[Llm, In("llms")],
    serving: Annotated[Serving, In("servings")],
) -> xr.Dataset:
    """Table 7: the printed curves, and what TDP and the roofline would make of them."""
    printed = grid.catalogue("gpu", {name: catalogue.power_curves[name] for name in gpus})
    tdp = grid.catalogue("gpu", gpus)[["tdp"]]
    step = grid.sweep(decode.gpu_roofline, gpu=gpus, llm=llm, serving=serving)
    fractions = catalogue.power_fractions
    used = [float(catalogue.profiles[name].power.log2_midpoint) for name in gpus]
    derived = {
        "idle_from_tdp": (fractions.idle_fraction * tdp.tdp, "W"),
        "nominal_from_tdp": (fractions.nominal_fraction * tdp.tdp, "W"),
        "log2_midpoint_from_roofline": (np.log2(step.weight_time / step.scan_time), "1"),
        "log2_midpoint_used": (xr.DataArray(used, dims="gpu"), "1"),
    }
    return xr.merge([printed, tdp]).assign(
        {
            name: values.assign_attrs(grid.describe(name, unit))
            for name, (values, unit) in derived.items()
        }
    )


def roofline_points(
    catalogue: Catalogue, gpus: Gpus, served: dict[str, Served], context_window: Tokens
) -> xr.Dataset:
    """Table 2 and its like: roofline operating points over LLM x GPU."""
    point = partial(roofline_point, curve=catalogue.power_fractions, context_window=context_window)
    return grid.sweep(point, served=served, gpu=gpus).rename(served="llm")


def dispatch_times(
    catalogue: Catalogue,
    gpus: Gpus,
    mixture: Served,
    dense: Served,
    context_window: Tokens,
    longest_dispatch: Seconds,
) -> xr.Dataset:
    """A mixture of experts over dispatch time x GPU, a dense LLM beside it, and the dispatch at which they are even."""
    point = partial(roofline_point, curve=catalogue.power_fractions, context_window=context_window)
    times = np.linspace(0, longest_dispatch, 41)
    table = grid.sweep(point, dispatch_time=times, gpu=gpus, served=mixture)
    level = grid.sweep(point, gpu=gpus, served=dense).tokens_per_joule
    even = (table.concurrency / (level * table.power) - table.iteration_latency).isel(
        dispatch_time=0, drop=True
    )
    return table[["tokens_per_joule"]].assign(
        dense_tokens_per_joule=level.assign_attrs(
            grid.describe("tokens_per_joule_of_the_dense_model", "tok/J")
        ),
        even_dispatch_time=even.assign_attrs(
            grid.describe("dispatch_time_at_which_the_two_are_even", "s")
        ),
    )


def generations(
    catalogue: Catalogue, served: Served, rented: dict[str, Rented], context_window: Tokens
) -> xr.Dataset:
    """Table 5: one LLM over GPUs, with the idle power that Table 7 prints and the rent of an instance."""
    gpus = {name: row.gpu for name, row in rented.items()}
    point = partial(
        roofline_point,
        served=served,
        curve=catalogue.power_fractions,
        context_window=context_window,
    )
    table = grid.sweep(point, gpu=gpus)
    idle = [catalogue.power_curves[name].idle for name in rented]
    price = xr.DataArray([row.price for row in rented.values()], dims="gpu")
    return table.assign(
        tdp=grid.catalogue("gpu", gpus).tdp,
        idle=("gpu", idle, grid.describe("printed_idle_power", "W")),
        price=price.assign_attrs(grid.describe("rent_of_an_instance", "USD/s")),
        tokens_per_dollar=tokens_per_dollar(table.throughput, price).assign_attrs(
            grid.describe("tokens_per_dollar", "tok/USD")
        ),
    )


def routed_pools(
    catalogue: Catalogue,
    profile: Annotated[Profile, In("profiles")],
    small: Served,
    small_gpu: Annotated[Gpu, In("gpus")],
    short_window: Tokens,
    long_window: Tokens,
    utilization: Dimensionless,
    mean_fill: Dimensionless,
) -> xr.Dataset:
    """Table 4: pools of routing by context length and by meaning."""
    large = Calibrated(profile)
    little = Computed(small_gpu, small.llm, small.serving, catalogue.power_fractions)
    rows: dict[str, tuple[Instance, Tokens]] = {
        "context_short": (large, short_window),
        "context_long": (large, long_window),
        "semantic_small": (little, short_window),
        "semantic_large": (large, long_window),
    }
    return grid.tabulate(
        lambda pool: routed_point(*rows[pool], utilization, mean_fill), pool=list(rows)
    )
