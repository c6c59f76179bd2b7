"""One operating point, and where its numbers come from."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from tokwatt.commands.options import (
    PARAMS,
    AccountName,
    Changes,
    GpuName,
    Gpus,
    Json,
    LlmName,
    Params,
    PrecisionName,
    Profile,
    Window,
    changes_of,
    finite,
)
from tokwatt.commands.printing import digits, show, show_json, show_result

if TYPE_CHECKING:
    from tokwatt.accounts.answers import DeploymentNames
    from tokwatt.serving.account import Account
    from tokwatt.serving.catalogue import Catalogue
    from tokwatt.serving.step import OperatingPoint

Share = Annotated[float, typer.Option(callback=finite, help="Share of the concurrency that runs.")]
Fill = Annotated[float, typer.Option(callback=finite, help="Mean length as a share of the window.")]
Batch = Annotated[
    float | None, typer.Option(callback=finite, help="Running requests, instead of a share.")
]
Explain = Annotated[bool, typer.Option("--explain", help="Print records and equations as well.")]


def ask_point(
    profile: Profile = None,
    gpu: GpuName = "H100",
    llm: LlmName = "llama-3.1-70b",
    gpus: Gpus = 8,
    precision: PrecisionName = "bfloat16",
    context_window: Window = 8192,
    utilization: Share = 1.0,
    mean_fill: Fill = 0.5,
    batch: Batch = None,
    account: AccountName = "paper",
    changes: Changes = None,
    explain: Explain = False,
    params: Params = PARAMS,
    as_json: Json = False,
) -> None:
    """One operating point of an instance; with --explain, where each of its numbers comes from."""
    from tokwatt.accounts.answers import DeploymentNames, account_of, point
    from tokwatt.serving.catalogue import load

    catalogue, alternatives = load(params), changes_of(changes)
    names = DeploymentNames(llm=llm, gpu=gpu, gpus=gpus, precision=precision, profile=profile)

    def result() -> "OperatingPoint":
        return point(
            catalogue,
            names,
            context_window=context_window,
            utilization=utilization,
            mean_fill=mean_fill,
            batch=batch,
            account=account,
            changes=alternatives,
        )

    chosen = account_of(catalogue, account, names, alternatives)
    said = heading(account, chosen)
    if explain:
        _explain(catalogue, names, result, said, as_json)
    else:
        show_result(result(), as_json, said)


def heading(name: str, account: "Account") -> str:
    """Which account an answer stands on, and whose watts it counts."""
    watts = {"gpu": "watts of one GPU", "instance": "watts of every GPU"}
    basis = account.assumed.basis
    return f"account {name}, {watts.get(basis, f'basis {basis}')}"


def _explain(
    catalogue: "Catalogue",
    names: "DeploymentNames",
    result: Callable[[], "OperatingPoint"],
    said: str,
    as_json: bool,
) -> None:
    from tokwatt.commands.explain import explained, of_entry

    answer, runs = explained(result)
    every = catalogue.records()
    records = [record for key in record_keys(catalogue, names) for record in of_entry(every, key)]
    if as_json:
        show_json(
            {"account": said, "parameters": records, "steps": runs, "result": answer._asdict()}
        )
        return
    print(said)
    rows = [
        {
            "parameter": record.key,
            "value": f"{record.value} {record.unit}",
            "quality": record.quality,
            "source": record.source,
        }
        for record in records
    ]
    show(rows, False)
    for number, run in enumerate(runs, 1):
        arguments = (
            f"{name} = {digits(value)} {unit}" for name, (value, unit) in run.arguments.items()
        )
        print(f"{number}. {run.equation}({', '.join(arguments)})")
        print(f"   = {digits(run.result)} {run.unit}")
        print(f"   {run.meaning} [{run.source}]")
    print(f"\ntokens_per_joule = {digits(answer.tokens_per_joule)} tok/J")


def record_keys(catalogue: "Catalogue", names: "DeploymentNames") -> list[str]:
    """Keys of the records that a point rests on."""
    described = [f"precisions.{names.precision}", "engine", "fractions"]
    if names.profile is None:
        return [names.gpu, names.llm, *described]
    raw = catalogue.section("profiles").raw
    if names.profile in raw["calibrated"]:
        curve = raw["calibrated"][names.profile]["power"]
        return [f"calibrated.{names.profile}", f"curves.{curve}"]
    scaled = raw["scaled"][names.profile]
    base = scaled["base"]
    curve = raw["calibrated"][base]["power"]
    hand = [f"calibrated.{base}", f"curves.{curve}", f"scaled.{names.profile}"]
    return [*hand, scaled["board"], raw["calibrated"][base]["llm"], *described]
