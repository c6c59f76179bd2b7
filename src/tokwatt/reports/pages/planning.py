"""`results/planning.md`: the best fleets of the catalogue's workloads, and what changes them."""

from collections.abc import Iterator, Mapping
from importlib.resources import files
from pathlib import Path

import numpy as np
import xarray as xr

from tokwatt.output import write_files
from tokwatt.reports.datasets import load_datasets
from tokwatt.reports.labels import Labels, read_labels
from tokwatt.reports.markdown import Markdown, percent, pipe_table, significant
from tokwatt.reports.pages.fleetopt import fleetopt_table

GRIDS = (
    "plans",
    "plan_levers",
    "plan_decisions",
    "plan_rents",
    "plan_front",
    "plan_rates",
    "plan_days",
    "plan_fleetopt",
)


def write_planning(params: Path, grids: Path, out: Path) -> None:
    """Write the page from its datasets."""
    text = planning_page(load_datasets(grids, GRIDS), read_labels(params))
    write_files({out / "planning.md": text})


def planning_page(data: Mapping[str, xr.Dataset], label: Labels) -> str:
    """The page as Markdown: `planning.md` of this package with the tables filled in."""
    template = files("tokwatt.reports.pages").joinpath("planning.md").read_text(encoding="utf-8")
    return template.format(
        rate=f"{float(data['plan_rates'].arrival_rate.max()):g}",
        draws=f"{float(data['plan_decisions'].draws):g}",
        plans=_plans(data["plans"], label),
        levers=_levers(data["plan_levers"], label),
        split=_split(data["plan_levers"]),
        fleetopt=fleetopt_table(data["plan_fleetopt"], data["plan_levers"], label),
        decisions=_decisions(data["plan_decisions"], label),
        named=_named(data["plan_decisions"], label),
        rents=_rents(data["plan_rents"], label),
        front=_over(data["plan_front"], "itl_target", "ms", 1e3, label),
        rates=_rates(data["plan_rates"], label),
        days=_days(data["plan_days"], label),
    )


def _cases(data: xr.Dataset) -> Iterator[tuple[str, str]]:
    """Workloads and LLMs of a dataset."""
    yield from ((str(w), str(llm)) for w in data.workload.values for llm in data.llm.values)


def _of(data: xr.Dataset, case: tuple[str, str]) -> xr.Dataset:
    return data.sel(workload=case[0], llm=case[1])


def _plans(data: xr.Dataset, label: Labels) -> Markdown:
    rows = []
    for case in _cases(data):
        own = _of(data, case)
        cells = (
            significant(float(own.gpus), 4),
            significant(float(own.power) / 1e3, 4),
            significant(float(own.joules_per_token)),
            significant(1e6 * float(own.dollars_per_token)),
            significant(1e3 * float(own.inter_token_latency)),
            significant(float(own.late_first_token)),
        )
        rows.append((*map(label, case), str(own.configuration.values) or "no fleet", *cells))
    heads = ("workload", "LLM", "pools", "GPUs", "kW", "J/tok", "USD/Mtok")
    return pipe_table((*heads, "ITL, median [ms]", "TTFT, p99 [s]"), rows)


def _levers(data: xr.Dataset, label: Labels) -> Markdown:
    levers = list(reversed(data.lever.values))
    rows = [
        (*map(label, case), *(_worth(_of(data, case).sel(lever=lever)) for lever in levers))
        for case in _cases(data)
    ]
    return pipe_table(("workload", "LLM", *map(label, levers)), rows)


def _worth(lever: xr.Dataset) -> str:
    return " / ".join(_ratio(float(it)) for it in (lever.alone, lever.added))


def _ratio(number: float) -> str:
    return "no fleet" if np.isinf(number) else significant(number) or "–"


def _split(data: xr.Dataset) -> str:
    """What splitting by length is worth at most, in percent."""
    gains = data.alone.sel(lever="length split")
    return significant(100 * (float(gains.where(np.isfinite(gains)).max()) - 1), 2)


def _named(data: xr.Dataset, label: Labels) -> Markdown:
    """The plan of the least expected cost, and how it and the planned one fare."""
    rows = []
    for case in _cases(data):
        own = _of(data, case)
        shares = (own.expected_regret, own.planned_regret, own.planned_missed)
        cells = (percent(float(it), ".1") for it in shares)
        rows.append((*map(label, case), str(own.named.values) or "no fleet", *cells))
    heads = ("workload", "LLM", "least expected joules", "its regret", "regret of the plan above")
    return pipe_table((*heads, "draws at which that misses a target"), rows)


def _decisions(data: xr.Dataset, label: Labels) -> Markdown:
    rows = [
        (
            *map(label, case),
            label(str(lever)),
            percent(float(own.gain), ".1"),
            percent(float(own.high_regret), ".1"),
            "undecided" if own.undecided else "decided",
            str(own.rival.values),
        )
        for case in _cases(data)
        for lever in data.lever.values
        for own in [_of(data, case).sel(lever=lever)]
        if not np.isnan(own.gain)
    ]
    heads = ("workload", "LLM", "lever", "gain", "regret, 95 %", "is")
    return pipe_table((*heads, "least expected without"), rows)


def _rents(data: xr.Dataset, label: Labels) -> Markdown:
    rows = []
    for case in _cases(data):
        own = _of(data, case)
        pairs = zip(own.break_even_price.values, own.price.values, strict=True)
        rows.append((*map(label, case), *(f"{_hourly(it)} ({_hourly(now)})" for it, now in pairs)))
    return pipe_table(("workload", "LLM", *map(str, data.gpu.values)), rows)


def _hourly(price: float) -> str:
    return "any" if np.isinf(price) else significant(3600 * float(price)) or "–"


def _over(data: xr.Dataset, axis: str, unit: str, scale: float, label: Labels) -> Markdown:
    values = [f"{significant(scale * float(it))} {unit}" for it in data[axis].values]
    rows = [
        (*map(label, case), *(_ratio(float(it)) for it in _of(data, case).joules_per_token.values))
        for case in _cases(data)
    ]
    return pipe_table(("workload", "LLM", *values), rows)


def _rates(data: xr.Dataset, label: Labels) -> Markdown:
    rows = [
        (
            *map(label, case),
            f"{float(rate):g}",
            _ratio(float(own.joules_per_token)),
            str(own.configuration.values) or "no fleet",
        )
        for case in _cases(data)
        for rate in data.arrival_rate.values
        for own in [_of(data, case).sel(arrival_rate=rate)]
    ]
    return pipe_table(("workload", "LLM", "req/s", "J/tok", "pools"), rows)


def _days(data: xr.Dataset, label: Labels) -> Markdown:
    rows = []
    for case in _cases(data):
        own = _of(data, case)
        joules = (_ratio(float(own.joules_per_token.sel(policy=it))) for it in own.policy.values)
        dollars = (1e6 * float(own.dollars_per_token.sel(policy=it)) for it in own.policy.values)
        flat = float(own.over_peak.sel(policy="on"))
        rows.append((*map(label, case), *joules, _ratio(flat), *map(_ratio, dollars)))
    policies = [str(it) for it in data.policy.values]
    heads = [f"{it} [J/tok]" for it in policies] + ["on over peak"]
    return pipe_table(("workload", "LLM", *heads, *(f"{it} [USD/Mtok]" for it in policies)), rows)
