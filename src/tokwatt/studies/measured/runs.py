"""Every recorded run beside every account, errors by GPU and LLM, and ratios of pairs of series."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import ArrayLike

from tokwatt import grid
from tokwatt.calibration import intervals
from tokwatt.calibration.evidence import DENSE, kind_of
from tokwatt.calibration.records import Calibrated
from tokwatt.params.account_names import PREDICTIONS, AccountName
from tokwatt.serving.catalogue import Catalogue
from tokwatt.serving.gpu.llm import total_parameters
from tokwatt.studies.measured.accounts import QUANTITIES, predictions
from tokwatt.units import (
    Dimensionless,
    Parameters,
    Seconds,
    Sequences,
    SequencesAxis,
    TokensPerJoule,
    TokensPerSecond,
    Watts,
)

LONG_NAMES = {
    "latency": "median_inter-token_latency",
    "throughput": "output_throughput_of_the_instance",
    "power": "power_of_one_gpu",
    "tokens_per_joule": "tokens_per_joule_of_the_instance",
    "batch": "batch_size",
    "gpus": "gpus_of_the_instance",
    "kind": "kind_of_llm",
    "parameters": "parameters_of_the_llm",
    "fitted": "whether_the_calibration_saw_the_llm",
    **{f"{name}_half_width": f"half_width_of_the_interval_of_log_{name}" for name in QUANTITIES},
}
BATCH_SLACK = 1e-2
"""How far the log of a run's mean batch size falls short of the largest that it may have."""
HYBRID = "hybrid"
"""A kind of dense LLM, with recurrent layers beside attention."""
FIRST_GPU = "H100"
"""The GPU that errors begin with."""


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two series of runs, by their names in `params/measured/mlenergy.yaml`.

    Attributes:
        above: the series whose tokens per joule are divided.
        below: the series that divides.
    """

    above: str
    below: str


class RunColumns(NamedTuple):
    """What is known of a run, over run."""

    gpu: ArrayLike
    llm: ArrayLike
    task: ArrayLike
    precision: ArrayLike
    series: ArrayLike
    kind: ArrayLike
    batch: Sequences
    gpus: Dimensionless
    parameters: Parameters
    fitted: ArrayLike
    latency_half_width: Dimensionless
    throughput_half_width: Dimensionless
    power_half_width: Dimensionless
    tokens_per_joule_half_width: Dimensionless


class AccountColumns(NamedTuple):
    """What was measured or predicted of a run, and the same over what was measured."""

    latency: Seconds
    throughput: TokensPerSecond
    power: Watts
    tokens_per_joule: TokensPerJoule
    latency_over_measured: Dimensionless
    throughput_over_measured: Dimensionless
    power_over_measured: Dimensionless
    tokens_per_joule_over_measured: Dimensionless


class SeriesRatio(NamedTuple):
    """One series over another, over pair x account x batch size."""

    ratio: Dimensionless


def runs(catalogue: Catalogue) -> xr.Dataset:
    """Every run of the records: what was measured and what each account says."""
    calibrated = Calibrated(catalogue)
    rows = calibrated.model.measured.runs()
    by_account = predictions(catalogue, calibrated, rows)
    values = np.moveaxis(np.array(list(by_account.values())), 1, 0)
    widths = calibrated.widths_of(rows)
    measured = np.array(by_account[AccountName.MEASURED])[:, None]
    known = RunColumns(
        gpu=rows.gpu,
        llm=rows.llm,
        task=rows.task,
        precision=rows.precision,
        series=rows.series,
        kind=_kinds(catalogue, rows.llm),
        batch=rows.batch,
        gpus=intervals.instance_gpus(rows),
        parameters=_parameters(catalogue, rows.llm),
        fitted=rows.llm.isin(list(calibrated.held_out)),
        **{f"{name}_half_width": widths[name] for name in QUANTITIES},
    )
    places = np.arange(len(rows))
    accounts = AccountColumns(*values, *(values / measured))
    return grid.dataset({"run": places}, known, LONG_NAMES).merge(
        grid.dataset({"account": list(by_account), "run": places}, accounts, LONG_NAMES)
    )


def errors(catalogue: Catalogue, runs: xr.Dataset) -> xr.Dataset:
    """Relative errors of accounts: the median with its sign, median and 90th percentile without.

    NaN where there are no runs of an LLM on a GPU.
    """
    over = [f"{name}_over_measured" for name in QUANTITIES]
    frame = runs[["gpu", "llm", *over]].sel(account=list(PREDICTIONS)).to_dataframe()
    keys = [frame.gpu, frame.llm, frame.index.get_level_values("account")]
    relative = (frame[over] - 1).set_axis(QUANTITIES, axis=1)
    signed, sizes = relative.groupby(keys), relative.abs().groupby(keys)
    tables = {
        "signed": signed.median(),
        "median": sizes.median(),
        "percentile_90": sizes.quantile(0.9),
    }
    columns = {"runs": signed.size().astype(float)}
    for name in QUANTITIES:
        columns |= {f"{name}_{statistic}": table[name] for statistic, table in tables.items()}
    dataset = pd.DataFrame(columns).to_xarray()
    for name in columns:
        dataset[name].attrs = grid.describe(f"{name}_of_relative_errors", "1")
    dataset["runs"].attrs = grid.describe("runs", "1")
    first = sorted(dataset.gpu.values, key=lambda gpu: (gpu != FIRST_GPU, gpu))
    return dataset.sel(gpu=first, account=list(PREDICTIONS))


def series_ratios(
    catalogue: Catalogue, runs: xr.Dataset, pairs: dict[str, Pair], batch: SequencesAxis
) -> xr.Dataset:
    """Tokens per joule of one series over another's at equal batch size.

    Between runs both are interpolated on logarithmic scales; NaN beyond the batch sizes that both
    were measured at.
    """
    entries = catalogue.section("measured/mlenergy").child("runs")
    curves = {
        name: _curve(runs, entries.pick("pairs", name, {key: key for key in entries.raw}), batch)
        for pair in pairs.values()
        for name in (pair.above, pair.below)
    }
    ratio = np.exp([curves[pair.above] - curves[pair.below] for pair in pairs.values()])
    axes = {"pair": list(pairs), "account": runs.account.values, "batch": batch}
    long_names = {"ratio": "ratio_of_tokens_per_joule", "batch": "batch_size"}
    dataset = grid.dataset(axes, SeriesRatio(ratio), long_names)
    dataset.batch.attrs["units"] = "seq"
    return dataset


def _curve(runs: xr.Dataset, series: str, batch: SequencesAxis) -> np.ndarray:
    """Logarithms of tokens per joule of a series at batch sizes, shape (account, batch)."""
    members = runs.sel(run=runs.series == series).sortby("batch")
    sizes, wanted = np.log(members.batch.values), np.log(batch)
    inside = (wanted >= sizes[0] - BATCH_SLACK) & (wanted <= sizes[-1] + BATCH_SLACK)
    logs = np.log(members.tokens_per_joule.values)
    return np.where(inside, [np.interp(wanted, sizes, row) for row in logs], np.nan)


def _kinds(catalogue: Catalogue, llms: pd.Series) -> pd.Series:
    """Whether an LLM is a mixture of experts, a hybrid with recurrent layers, or dense."""

    def kind(llm: str) -> str:
        published = catalogue.llms[llm].published
        found = kind_of(published)
        return HYBRID if found == DENSE and published.linear_layers else found

    return llms.map(kind)


def _parameters(catalogue: Catalogue, llms: pd.Series) -> np.ndarray:
    sizes = {llm: float(total_parameters(catalogue.llms[llm].published)) for llm in llms.unique()}
    return llms.map(sizes).to_numpy()
