"""Every recorded run beside every account, errors by GPU and LLM, and ratios of pairs of series."""

from dataclasses import dataclass

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
from tokwatt.studies.labelled import Variable, labelled
from tokwatt.studies.measured.accounts import QUANTITIES, predictions
from tokwatt.units import SequencesAxis

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
UNITS = dict(zip(QUANTITIES, ("s", "tok/s", "W", "tok/J"), strict=True))
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


def runs(catalogue: Catalogue) -> xr.Dataset:
    """Every run of the records: what was measured and what each account says."""
    calibrated = Calibrated(catalogue)
    rows = calibrated.model.measured.runs()
    by_account = predictions(catalogue, calibrated, rows)
    widths = calibrated.widths_of(rows)
    known: dict[str, tuple[ArrayLike, str | None]] = {
        **{name: (rows[name], None) for name in ("gpu", "llm", "task", "precision", "series")},
        "kind": (_kinds(catalogue, rows.llm), None),
        "batch": (rows.batch, "seq"),
        "gpus": (intervals.instance_gpus(rows), "1"),
        "parameters": (_parameters(catalogue, rows.llm), "param"),
        "fitted": (rows.llm.isin(list(calibrated.held_out)), None),
        **{f"{name}_half_width": (widths[name], "1") for name in QUANTITIES},
    }
    variables = {name: Variable("run", *column) for name, column in known.items()}
    values = dict(zip(QUANTITIES, np.moveaxis(np.array([*by_account.values()]), 1, 0), strict=True))
    measured = by_account[AccountName.MEASURED]._asdict()
    for name, unit in UNITS.items():
        variables[name] = Variable(("account", "run"), values[name], unit)
    for name in UNITS:
        over = values[name] / measured[name]
        variables[f"{name}_over_measured"] = Variable(("account", "run"), over, "1")
    places = np.arange(len(rows))
    return labelled(variables, {"run": places, "account": list(by_account)}, LONG_NAMES)


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
    return labelled({"ratio": Variable(tuple(axes), ratio, "1")}, axes, long_names, batch="seq")


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
