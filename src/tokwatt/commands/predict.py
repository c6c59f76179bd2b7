"""What a user asks of the calibration: a prediction, a score against own runs, a new fit."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tokwatt.commands.ask import PARAMS, Json, Params, digits, show

if TYPE_CHECKING:
    from tokwatt.calibration.records import Calibrated

Table = Annotated[
    Path,
    typer.Argument(
        help="Runs: a CSV with the columns of ML.ENERGY's, or the folder of its gated data set."
    ),
]
Written = Annotated[
    Path | None, typer.Option(help="File to write; the one of the folder where not given.")
]
Flag = Annotated[bool, typer.Option(help="Whole experts on each GPU.")]
ENDS = {"value": "", "low": "_low", "high": "_high"}


def predict(
    gpu: Annotated[str, typer.Option(help="A calibrated GPU by name.")] = "H100",
    llm: Annotated[str, typer.Option(help="A published LLM by name.")] = "llama-3.1-70b",
    precision: Annotated[str, typer.Option(help="bfloat16, fp8 or mxfp4.")] = "bfloat16",
    gpus: Annotated[int, typer.Option(help="GPUs that share the LLM.")] = 8,
    expert_parallel: Flag = False,
    batch: Annotated[float, typer.Option(help="Batch size in sequences.")] = 64,
    prompt: Annotated[float, typer.Option(help="Mean prompt tokens of a request.")] = 1000,
    output: Annotated[float, typer.Option(help="Mean output tokens of a request.")] = 500,
    params: Params = PARAMS,
    as_json: Json = False,
) -> None:
    """Latency, throughput, power of one GPU and tok/J as calibrated, with 90 % intervals."""
    from tokwatt.calibration.records import Calibrated
    from tokwatt.params.parameters import ParameterFolder

    names = {"gpu": gpu, "llm": llm, "precision": precision}
    numbers = {"batch": batch, "prompt": prompt, "output": output}
    parallelism = {"gpus": gpus, "expert_parallel": float(expert_parallel)}
    calibrated = Calibrated(ParameterFolder(params))
    show(_answer(calibrated, params, names | numbers | parallelism, as_json), as_json)


def _answer(
    calibrated: "Calibrated", params: Path, options: dict[str, Any], as_json: bool
) -> list[dict[str, Any]]:
    """A row for each quantity, of a run that can be served; what is extrapolated is said."""
    import pandas as pd

    from tokwatt.calibration.domain import extrapolations, require_servable
    from tokwatt.calibration.model import Prediction
    from tokwatt.params.section import Section
    from tokwatt.units import units_of

    require_servable(calibrated.model, Section(params, options, key="option"))
    run = options | {"task": calibrated.model.records.tasks[0]}
    outside = extrapolations(calibrated, run)
    if outside and not as_json:
        note = f"Extrapolated, intervals need not hold: {', '.join(outside)}."
        typer.echo(note, err=True)
    predicted = calibrated.predict(pd.DataFrame([run])).iloc[0]
    rows = []
    for name, unit in units_of(Prediction).items():
        ends = {key: float(predicted[name + end]) for key, end in ENDS.items()}
        shown = ends if as_json else {key: digits(value) for key, value in ends.items()}
        extra = {"extrapolated": outside} if as_json else {}
        rows.append({"quantity": f"{name} [{unit}]", **shown, **extra})
    return rows


def score(table: Table, params: Params = PARAMS, as_json: Json = False) -> None:
    """Median errors of calibrated predictions against your own runs, and how many lie inside."""
    from tokwatt.calibration.records import Calibrated
    from tokwatt.calibration.run_tables import read_runs
    from tokwatt.params.parameters import ParameterFolder

    records = Calibrated(ParameterFolder(params))
    runs = read_runs(records.model, table)
    if runs.left_out:
        typer.echo(runs.left_out, err=True)
    show(records.score(runs.rows).round(4).reset_index().to_dict("records"), as_json)


def calibrate(table: Table, params: Params = PARAMS, out: Written = None) -> None:
    """Fit the serving step and board power to runs, hold each LLM out, and write the records."""
    from tokwatt.calibration.calibrate import write_calibrated
    from tokwatt.calibration.model import ServingModel
    from tokwatt.calibration.run_tables import read_runs
    from tokwatt.params.parameters import ParameterFolder

    model = ServingModel(ParameterFolder(params))
    runs = read_runs(model, table)
    if runs.left_out:
        typer.echo(runs.left_out, err=True)
    write_calibrated(model, runs.rows, out or params / "calibrated.yaml")


def kernels(params: Params = PARAMS, out: Written = None) -> None:
    """Tabulate steps by NVIDIA's measured kernels (needs the extra `kernels`)."""
    from tokwatt.calibration.kernel_runs import write_tables
    from tokwatt.params.parameters import ParameterFolder

    write_tables(ParameterFolder(params), out or params / "kernels.yaml")


COMMANDS = (predict, score, calibrate, kernels)
