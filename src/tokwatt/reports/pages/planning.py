"""`results/planning.md`: the best fleets of the catalogue's workloads, and what changes them."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import product
from pathlib import Path

import numpy as np
import xarray as xr

from tokwatt.output import write_files
from tokwatt.reports.datasets import load_datasets
from tokwatt.reports.labels import Labels, read_labels
from tokwatt.reports.markdown import Markdown, filled_page, percent, pipe_table, significant

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
PAPER, FREE, SPLIT, ALL = (
    "FleetOpt, paper",
    "its rules, free",
    "its split, consistent",
    "all levers",
)
"""Factors beside those of single levers."""


def write_planning(params: Path, grids: Path, out: Path) -> None:
    """Write the page from its datasets."""
    text = planning_page(load_datasets(grids, GRIDS), read_labels(params))
    write_files({out / "planning.md": text})


def planning_page(data: Mapping[str, xr.Dataset], label: Labels) -> str:
    """The page as Markdown: `planning.md` of this package with the tables filled in."""
    return filled_page(
        "planning.md",
        rate=f"{float(data['plan_rates'].arrival_rate.max()):g}",
        draws=f"{float(data['plan_decisions'].draws):g}",
        plans=_plans(data["plans"], label),
        levers=_levers(data["plan_levers"], label),
        split=_split(data["plan_levers"]),
        fleetopt=fleetopt_table(data["plan_fleetopt"], data["plan_levers"], label),
        decisions=_decisions(data["plan_decisions"], label),
        named=_named(data["plan_decisions"], label),
        rents=_rents(data["plan_rents"], label),
        front=_front(data["plan_front"], label),
        rates=_rates(data["plan_rates"], label),
        days=_days(data["plan_days"], label),
    )


Cells = Callable[[xr.Dataset], Iterable[str]]
"""What stands in a row, from the numbers of its case."""


def _table(
    data: xr.Dataset, label: Labels, heads: Iterable[str], cells: Cells, *axes: str
) -> Markdown:
    """A row for each workload and LLM, and for each entry of further axes, if it has any cell."""
    names = ("workload", "llm", *axes)
    rows = [
        (*map(label, map(str, point[:2])), *found)
        for point in product(*(data[name].values for name in names))
        if (found := tuple(cells(data.sel(dict(zip(names, point, strict=True))))))
    ]
    return pipe_table(("workload", "LLM", *heads), rows)


def _pools(own: xr.Dataset) -> str:
    return str(own.configuration.values) or "no fleet"


def _plans(data: xr.Dataset, label: Labels) -> Markdown:
    def cells(own: xr.Dataset) -> tuple[str, ...]:
        return (
            _pools(own),
            significant(float(own.gpus), 4),
            significant(float(own.power) / 1e3, 4),
            significant(float(own.joules_per_token)),
            significant(1e6 * float(own.dollars_per_token)),
            significant(1e3 * float(own.inter_token_latency)),
            significant(float(own.late_first_token)),
        )

    heads = ("pools", "GPUs", "kW", "J/tok", "USD/Mtok", "ITL, median [ms]", "TTFT, p99 [s]")
    return _table(data, label, heads, cells)


def _levers(data: xr.Dataset, label: Labels) -> Markdown:
    levers = data.lever.values[::-1]

    def cells(own: xr.Dataset) -> Iterator[str]:
        for lever in levers:
            worth = own.sel(lever=lever)
            yield " / ".join(_ratio(float(it)) for it in (worth.alone, worth.added))

    return _table(data, label, map(label, levers), cells)


def _ratio(number: float) -> str:
    return "no fleet" if np.isinf(number) else significant(number) or "–"


def _split(data: xr.Dataset) -> str:
    """What splitting by length is worth at most, in percent."""
    gains = data.alone.sel(lever="length split")
    return significant(100 * (float(gains.where(np.isfinite(gains)).max()) - 1), 2)


def _named(data: xr.Dataset, label: Labels) -> Markdown:
    """The plan of the least expected cost, and how it and the planned one fare."""

    def cells(own: xr.Dataset) -> tuple[str, ...]:
        shares = (own.expected_regret, own.planned_regret, own.planned_missed)
        return str(own.named.values) or "no fleet", *(percent(float(it), ".1") for it in shares)

    heads = ("least expected joules", "its regret", "regret of the plan above")
    return _table(data, label, (*heads, "draws at which that misses a target"), cells)


def _decisions(data: xr.Dataset, label: Labels) -> Markdown:
    def cells(own: xr.Dataset) -> tuple[str, ...]:
        shares = (percent(float(it), ".1") for it in (own.gain, own.high_regret))
        said = "undecided" if own.undecided else "decided"
        told = label(str(own.lever.values)), *shares, said, str(own.rival.values)
        return () if np.isnan(own.gain) else told

    heads = ("lever", "gain", "regret, 95 %", "is", "least expected without")
    return _table(data, label, heads, cells, "lever")


def _rents(data: xr.Dataset, label: Labels) -> Markdown:
    def cells(own: xr.Dataset) -> Iterator[str]:
        for at, now in zip(own.break_even_price.values, own.price.values, strict=True):
            yield f"{_hourly(at)} ({_hourly(now)})"

    return _table(data, label, map(str, data.gpu.values), cells)


def _hourly(price: float) -> str:
    return "any" if np.isinf(price) else significant(3600 * float(price)) or "–"


def _front(data: xr.Dataset, label: Labels) -> Markdown:
    heads = (f"{significant(1e3 * float(it))} ms" for it in data.itl_target.values)
    return _table(data, label, heads, lambda own: map(_ratio, own.joules_per_token.values))


def _rates(data: xr.Dataset, label: Labels) -> Markdown:
    def cells(own: xr.Dataset) -> tuple[str, ...]:
        return f"{float(own.arrival_rate):g}", _ratio(float(own.joules_per_token)), _pools(own)

    return _table(data, label, ("req/s", "J/tok", "pools"), cells, "arrival_rate")


def _days(data: xr.Dataset, label: Labels) -> Markdown:
    def cells(own: xr.Dataset) -> Iterator[str]:
        flat = own.over_peak.sel(policy="on").values
        numbers = own.joules_per_token.values, [flat], 1e6 * own.dollars_per_token.values
        return map(_ratio, np.concatenate(numbers))

    policies = [str(it) for it in data.policy.values]
    heads = [f"{it} [J/tok]" for it in policies] + ["on over peak"]
    return _table(data, label, [*heads, *(f"{it} [USD/Mtok]" for it in policies)], cells)


def factors(worth: xr.Dataset, levers: xr.Dataset) -> Iterator[tuple[str, str, dict[str, float]]]:
    """Workload, LLM and factors by name: tokens per joule over those of one plain pool."""
    for workload, llm in product(worth.workload.values, worth.llm.values):
        own = worth.sel(workload=workload, llm=llm)
        added = levers.added.sel(workload=workload, llm=llm)
        found = {
            PAPER: float(own.paper_fleetopt_gain),
            FREE: float(own.paper_best_gain),
            SPLIT: float(own.split_gain),
            **{str(lever): float(added.sel(lever=lever)) for lever in levers.lever.values[::-1]},
            ALL: float(own.best_gain),
        }
        yield str(workload), str(llm), found


def fleetopt_table(worth: xr.Dataset, levers: xr.Dataset, label: Labels) -> Markdown:
    """A row for each workload and LLM, and what the paper's rules buy where they are free."""
    rows, names = [], list[str]()
    for workload, llm, found in factors(worth, levers):
        pools = str(worth.paper_pools.sel(workload=workload, llm=llm).values)
        rows.append((label(workload), label(llm), *map(_times, found.values()), pools))
        names = [label(name) for name in found]
    return pipe_table(["workload", "LLM", *names, "what its rules buy, free"], rows)


def _times(factor: float) -> str:
    if np.isnan(factor):
        return "no fleet"
    return f"×{significant(factor)}" if np.isfinite(factor) else "no plain fleet"
