"""The measured sweep over context windows beside every account, and slopes over the window."""

from dataclasses import replace
from typing import Annotated

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import xarray as xr

from tokwatt import grid
from tokwatt.accounts.assumptions import AssumptionSets
from tokwatt.accounts.cases import MEAN_FILL
from tokwatt.calibration import intervals
from tokwatt.calibration.fit.fit import WeightedRuns
from tokwatt.calibration.fit.numbers import NOTHING, Numbers
from tokwatt.calibration.records import Calibrated
from tokwatt.params.account_names import AccountName
from tokwatt.serving.catalogue import Catalogue
from tokwatt.serving.deployment import Deployment
from tokwatt.serving.gpu.cache import moved_bytes
from tokwatt.serving.gpu.share import share_of
from tokwatt.serving.point import OperatingPoint, operating_point
from tokwatt.studies.labelled import Variable, labelled
from tokwatt.studies.measured.accounts import (
    Predictions,
    by_kernels,
    of_frame,
    of_one_gpu,
    points,
    run_deployment,
)
from tokwatt.studies.measured.runs import LONG_NAMES
from tokwatt.units import Dimensionless, DimensionlessAxis, In, Tokens, TokensAxis, TokensPerJoule

LAW = "law"
"""The curve of the paper's law: tokens per joule in inverse proportion to the window."""
FOREVER = 1e12
"""Output tokens of requests that never end, so that a batch only decodes."""
SPANS = {"up to 64K": 65536.0, "all": np.inf}
"""Windows that a slope is drawn through, by the largest of them; larger ones are indicative."""
PREDICTED = {"latency": "s", "throughput": "tok/s", "power": "W"}
"""What was measured or predicted at a context window, and its unit."""


def window_sweep(catalogue: Catalogue, profile: Annotated[str, In("profiles")]) -> xr.Dataset:
    """The sweep over context windows beside every account, and slopes of log over log."""
    calibrated = Calibrated(catalogue)
    rows = calibrated.model.measured.sweep()
    windows = rows.context_window.to_numpy()
    run = run_deployment(catalogue, rows.iloc[0])
    by_account = {
        AccountName.MEASURED: of_frame(intervals.observed(rows)),
        **_assumed(catalogue, run, rows, profile),
        **_calibrated(catalogue, calibrated, rows),
    }
    curves: dict[str, TokensPerJoule] = {
        name: prediction.tokens_per_joule for name, prediction in by_account.items()
    }
    curves[LAW] = curves[AccountName.MEASURED][0] * windows[0] / windows
    predicted = zip(*(prediction[:3] for prediction in by_account.values()), strict=True)
    loaded = _calibrated(catalogue, calibrated, rows, sequences=True)
    by_window, by_curve = ("account", "context_window"), ("curve", "context_window")
    slopes = np.array(
        [[_slope(windows, curve, most) for most in SPANS.values()] for curve in curves.values()]
    )
    of_slopes = "of_log_tokens_per_joule_over_log_window"
    return labelled(
        {
            **{
                name: Variable(by_window, np.array(numbers), unit)
                for (name, unit), numbers in zip(PREDICTED.items(), predicted, strict=True)
            },
            "throughput_with_sequences": Variable(
                "context_window", loaded[AccountName.IN_SAMPLE].throughput, "tok/s"
            ),
            "bandwidth_share": Variable("context_window", _bandwidth_share(run, rows), "1"),
            "tokens_per_joule": Variable(by_curve, np.array([*curves.values()]), "tok/J"),
            "slope": Variable(("curve", "span"), slopes[..., 0], "1"),
            "slope_error": Variable(("curve", "span"), slopes[..., 1], "1"),
        },
        {"account": [*by_account], "context_window": windows, "curve": [*curves], "span": [*SPANS]},
        LONG_NAMES | {name: f"{name}_{of_slopes}" for name in ("slope", "slope_error")},
        context_window="tok",
    )


def _bandwidth_share(run: Deployment, rows: pd.DataFrame) -> DimensionlessAxis:
    """Bytes of a step that decodes full sequences over what its measured time could move."""
    share = share_of(run, run.llm.published, measured=True)
    scanned = rows.batch * np.asarray(moved_bytes(share.cache, rows.residents.to_numpy()))
    movable = run.gpu.hbm_bandwidth * rows.batch / rows.throughput
    return ((share.streamed + scanned) / movable).to_numpy()


def _assumed(
    catalogue: Catalogue, run: Deployment, rows: pd.DataFrame, profile: str
) -> Predictions:
    """The paper's account at full windows, and the consistent one at the measured batch sizes."""
    sets = AssumptionSets(catalogue)
    paper = sets.account("paper", {"basis": "instance"})
    projected = catalogue.profiles[profile]
    by_profile = replace(run, profile=projected, logistic=projected.power)
    runs = grid.stacked({str(row): run for row in rows.index})
    columns = rows.batch.to_numpy(), rows.residents.to_numpy(), np.zeros(len(rows))

    @jax.jit
    @jax.vmap
    def full(window: Tokens) -> OperatingPoint:
        return operating_point(paper, by_profile, window, MEAN_FILL, 0.0)

    windows = jnp.asarray(rows.context_window.to_numpy())
    return {
        AccountName.PAPER: of_one_gpu(full(windows), rows.gpus.to_numpy()),
        AccountName.CONSISTENT: points(sets.account("consistent"), runs, *columns),
    }


def _calibrated(
    catalogue: Catalogue, calibrated: Calibrated, rows: pd.DataFrame, sequences: bool = False
) -> Predictions:
    """What the calibrated accounts say of batches that only decode."""
    model, residents = calibrated.model, rows.residents.to_numpy()
    output = {"prompt": 1.0, "output": FOREVER}
    decoding = rows.assign(**output, output_scv=2 * (residents - 1) / FOREVER - 1)
    runs = WeightedRuns(model, decoding)

    def logs(numbers: Numbers) -> np.ndarray:
        found = numbers.logs(model.records, decoding)
        if not sequences:
            found[model.records.names.index("sequence_overhead")] = np.log(NOTHING)
        return found

    fitted, held_out = calibrated.fitted, calibrated.held_out[rows.llm[0]]
    return {
        AccountName.KERNELS: by_kernels(catalogue, runs, logs(fitted), fitted.law, residents),
        AccountName.IN_SAMPLE: of_frame(intervals.predicted_runs(runs, logs(fitted), fitted.law)),
        AccountName.HELD_OUT: of_frame(
            intervals.predicted_runs(runs, logs(held_out), held_out.law)
        ),
    }


def _slope(
    windows: TokensAxis, values: DimensionlessAxis, largest: Tokens
) -> tuple[Dimensionless, Dimensionless]:
    """Slope of a straight line through logarithms up to a window, and its standard error."""
    span = windows <= largest
    x, y = np.log(windows[span]), np.log(values[span])
    centred = x - x.mean()
    slope = centred @ y / (centred @ centred)
    left = y - y.mean() - slope * centred
    return float(slope), float(np.sqrt(left @ left / (len(x) - 2) / (centred @ centred)))
