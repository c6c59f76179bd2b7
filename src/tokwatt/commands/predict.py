"""What a user asks of the calibration: a prediction with its interval, a score against own measurements, a new fit."""

from pathlib import Path
from typing import Annotated, Any

import typer

from tokwatt.commands.ask import PARAMS, Json, Params, digits, show

Table = Annotated[
    Path,
    typer.Argument(
        help="Runs: a CSV with the columns of ML.ENERGY's, or the folder of its gated data set."
    ),
]
Flag = Annotated[bool, typer.Option(help="Whole experts on each GPU.")]


def predict(
    gpu: Annotated[str, typer.Option(help="A calibrated GPU by name.")] = "H100",
    llm: Annotated[str, typer.Option(help="A published LLM by name.")] = "llama-3.1-70b",
    precision: Annotated[str, typer.Option(help="bfloat16, fp8 or mxfp4.")] = "bfloat16",
    gpus: Annotated[int, typer.Option(min=1, help="GPUs that share the LLM.")] = 8,
    expert_parallel: Flag = False,
    batch: Annotated[float, typer.Option(min=1, help="Sequences in flight.")] = 64,
    prompt: Annotated[float, typer.Option(min=0, help="Mean tokens of a prompt.")] = 1000,
    output: Annotated[float, typer.Option(min=1, help="Mean tokens of an answer.")] = 500,
    params: Params = PARAMS,
    as_json: Json = False,
) -> None:
    """Latency, throughput, power of one GPU and tokens per joule as calibrated, each with an interval of 90 %."""
    import pandas as pd

    from tokwatt.calibration.model import QUANTITIES
    from tokwatt.calibration.records import Calibrated
    from tokwatt.params.parameters import ParameterFolder
    from tokwatt.params.section import Section

    parameters = ParameterFolder(params)
    records = Calibrated(parameters)
    asked = {"gpu": gpu, "llm": llm, "precision": precision}
    options = Section(params, asked, key="option")
    model = records.model
    known: dict[str, Any] = {
        "gpu": model.records.boards,
        "llm": parameters.llms,
        "precision": parameters.precisions,
    }
    for name, value in asked.items():
        options.pick(name, value, known[name])
    given = {
        "gpus": gpus,
        "expert_parallel": expert_parallel,
        "batch": batch,
        "output": output,
        "prompt": prompt,
    }
    row = pd.DataFrame(
        [
            {
                **asked,
                "task": model.records.tasks[0],
                **{name: float(value) for name, value in given.items()},
            }
        ]
    )
    found = records.predict(row).iloc[0]
    units = dict(zip(QUANTITIES, ("s", "tok/s", "W", "tok/J"), strict=True))
    ends = {"value": "", "low": "_low", "high": "_high"}
    rows = []
    for name, unit in units.items():
        numbers = {key: float(found[name + end]) for key, end in ends.items()}
        rows.append(
            {
                "quantity": f"{name} [{unit}]",
                **(numbers if as_json else {key: digits(value) for key, value in numbers.items()}),
            }
        )
    show(rows, as_json)


def score(table: Table, params: Params = PARAMS, as_json: Json = False) -> None:
    """Median errors of calibrated predictions against your own runs, and the share of them within their intervals."""
    from tokwatt.calibration.records import Calibrated
    from tokwatt.calibration.run_tables import read_runs
    from tokwatt.params.parameters import ParameterFolder

    records = Calibrated(ParameterFolder(params))
    rows, unknown = read_runs(records.model.measured, table)
    rows = rows[rows.gpu.isin(records.model.records.gpus)].reset_index(drop=True)
    if unknown:
        typer.echo(f"Left out, as unknown or incomplete: {', '.join(unknown)}", err=True)
    if rows.empty:
        raise typer.BadParameter(f"{table} has no run of a calibrated GPU and a known LLM")
    show(records.score(rows).round(4).reset_index().to_dict("records"), as_json)


def calibrate(
    table: Table,
    params: Params = PARAMS,
    out: Annotated[
        Path | None, typer.Option(help="File to write; PARAMS/calibrated.yaml where not given.")
    ] = None,
) -> None:
    """Fit the serving step and board power to runs, hold every LLM out in turn, and write what comes out."""
    from tokwatt.calibration.calibrate import write_calibrated
    from tokwatt.calibration.run_tables import read_runs
    from tokwatt.calibration.runs import Measured
    from tokwatt.params.parameters import ParameterFolder

    parameters = ParameterFolder(params)
    rows, _ = read_runs(Measured(parameters), table)
    write_calibrated(parameters, rows, out or params / "calibrated.yaml")


def kernels(
    params: Params = PARAMS,
    out: Annotated[
        Path | None, typer.Option(help="File to write; PARAMS/kernels.yaml where not given.")
    ] = None,
) -> None:
    """Tabulate steps by NVIDIA's measured kernels (needs the extra `kernels`)."""
    from tokwatt.calibration.kernel_runs import write_tables
    from tokwatt.params.parameters import ParameterFolder

    write_tables(ParameterFolder(params), out or params / "kernels.yaml")


COMMANDS = (predict, score, calibrate, kernels)
