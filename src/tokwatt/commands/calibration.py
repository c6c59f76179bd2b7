"""What a user asks of the calibration: a score against own runs, and a new fit."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tokwatt.commands.options import PARAMS, Json, Params
from tokwatt.commands.printing import show

if TYPE_CHECKING:
    import pandas as pd

    from tokwatt.calibration.fit.model import ServingModel

Tables = Annotated[
    list[Path],
    typer.Argument(
        help="Runs: CSVs with the columns of ML.ENERGY's or InferenceX's, reports (.json) of "
        "vLLM's benchmark_serving, or the folder of ML.ENERGY's gated data set."
    ),
]
Written = Annotated[
    Path | None, typer.Option(help="File to write; the one of the folder where not given.")
]


def score(tables: Tables, params: Params = PARAMS, as_json: Json = False) -> None:
    """Median errors of predictions that did not see the LLM, and how many runs lie inside."""
    from tokwatt.calibration.records import Calibrated
    from tokwatt.params.parameters import ParameterFolder

    records = Calibrated(ParameterFolder(params))
    scores = records.score(_rows(records.model, tables)).round(4).reset_index()
    scores = scores.astype(object).where(scores.notna(), None)
    show(scores.to_dict("records"), as_json)


def calibrate(tables: Tables, params: Params = PARAMS, out: Written = None) -> None:
    """Fit the serving step and board power to runs, leave things out in turn, write the records."""
    from tokwatt.calibration.calibrate import write_calibrated
    from tokwatt.calibration.fit.model import ServingModel
    from tokwatt.params.parameters import ParameterFolder

    model = ServingModel(ParameterFolder(params))
    write_calibrated(model, _rows(model, tables), out or params / "calibrated.yaml")


def _rows(model: "ServingModel", tables: list[Path]) -> "pd.DataFrame":
    """Runs of tables; those that are left out are said."""
    from tokwatt.calibration.runs.tables import read_runs

    runs = read_runs(model.measured, tables)
    if runs.dropped:
        typer.echo(runs.dropped, err=True)
    return runs.rows


def kernels(params: Params = PARAMS, out: Written = None) -> None:
    """Tabulate steps by NVIDIA's measured kernels (needs the extra `kernels`)."""
    from tokwatt.calibration.kernel_runs import write_tables
    from tokwatt.params.parameters import ParameterFolder

    write_tables(ParameterFolder(params), out or params / "kernels.yaml")


COMMANDS = (score, calibrate, kernels)
