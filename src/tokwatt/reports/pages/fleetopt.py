"""What FleetOpt is worth beside the other levers: factors of a plain fleet, by either account."""

from collections.abc import Iterator

import numpy as np
import xarray as xr

from tokwatt.reports.labels import Labels
from tokwatt.reports.markdown import Markdown, pipe_table, significant

PAPER, FREE, SPLIT, ALL = (
    "FleetOpt, paper",
    "its rules, free",
    "its split, consistent",
    "all levers",
)
"""Factors beside those of single levers."""


def factors(worth: xr.Dataset, levers: xr.Dataset) -> Iterator[tuple[str, str, dict[str, float]]]:
    """Workload, LLM and factors by name: tokens per joule over those of one plain pool."""
    for workload in worth.workload.values:
        for llm in worth.llm.values:
            own = worth.sel(workload=workload, llm=llm)
            added = levers.added.sel(workload=workload, llm=llm)
            alone = {
                str(lever): float(added.sel(lever=lever)) for lever in levers.lever.values[::-1]
            }
            found = {
                PAPER: float(own.paper_fleetopt_gain),
                FREE: float(own.paper_best_gain),
                SPLIT: float(own.split_gain),
                **alone,
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
