"""One operating point, and where its numbers come from."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from tokwatt.commands import options as opt
from tokwatt.commands.groups import DeploymentOptions, grouped
from tokwatt.commands.printing import digits, of_answer, show, show_answer, show_json

if TYPE_CHECKING:
    from tokwatt.accounts.answers.answer import Answer
    from tokwatt.accounts.deployments import DeploymentNames
    from tokwatt.serving.catalogue import Catalogue

Share = Annotated[
    float, typer.Option(callback=opt.finite, help="Share of what the memory holds that runs.")
]
Batch = Annotated[
    float | None, typer.Option(callback=opt.finite, help="Running requests, instead of a share.")
]
Prompt = Annotated[float | None, opt.text_option(opt.tokens, "TOKENS", "Prompt of a request.")]
Output = Annotated[float | None, opt.text_option(opt.tokens, "TOKENS", "Output of a request.")]
Explain = Annotated[bool, typer.Option("--explain", help="Print records and equations as well.")]


@grouped
def ask_point(
    *,
    instance: DeploymentOptions,
    context_window: opt.Window = None,
    prompt: Prompt = None,
    output: Output = None,
    batch: Batch = None,
    utilization: Share = 1.0,
    account: opt.AccountName = "consistent",
    changes: opt.Changes = None,
    explain: Explain = False,
    params: opt.Params = opt.PARAMS,
    as_json: opt.Json = False,
) -> None:
    """Latency, throughput, power and cost of one instance, with 90 % intervals."""
    from tokwatt.accounts.answers import point
    from tokwatt.serving.catalogue import Catalogue

    catalogue, alternatives = Catalogue(params), opt.parsed_changes(changes)
    names = instance.names
    answer = partial(
        point,
        catalogue,
        names,
        context_window=context_window,
        prompt=prompt,
        output=output,
        batch=batch,
        utilization=utilization,
        account=account,
        changes=alternatives,
    )
    with opt.named_as_options():
        if explain:
            _explain(catalogue, names, answer, as_json)
        else:
            show_answer(answer(), as_json)


def _explain(
    catalogue: "Catalogue", names: "DeploymentNames", ask: Callable[[], "Answer"], as_json: bool
) -> None:
    from tokwatt.commands.explain import calibrated_records, explained

    answer, runs = explained(ask)
    every, measured = catalogue.records(), bool(answer.basis.calibrated_on)
    keys = record_keys(catalogue, names, measured)
    records = [record for key in keys for record in every if record.key.startswith(f"{key}.")]
    if measured:
        records += calibrated_records(catalogue, names.gpu, names.engine)
    if as_json:
        show_json(of_answer(answer) | {"parameters": records, "steps": runs})
        return
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
        print(f"   {run.meaning}" + (f" [{run.source}]" if run.source else ""))
    show_answer(answer, False)


def record_keys(catalogue: "Catalogue", names: "DeploymentNames", measured: bool) -> list[str]:
    """Keys of the records that a point rests on, beside those that are calibrated."""
    engine = [f"engines.{names.engine}"] if measured else ["engine", "fractions"]
    described = [f"precisions.{names.precision_in(catalogue)}", *engine]
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
