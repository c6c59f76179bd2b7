"""What the paper concludes, as published and under any assumption set."""

import math
from typing import Annotated

import typer

from tokwatt.commands import options as opt
from tokwatt.commands.printing import digits, show
from tokwatt.text import visible

Name = Annotated[
    str | None, typer.Argument(help="A headline of assumptions.yaml; all of them where not given.")
]
Start = Annotated[
    str, typer.Option(help="The account to start from; with paper, the one its number stands on.")
]


def headline(
    name: Name = None,
    account: Start = "consistent",
    changes: opt.Changes = None,
    trace: opt.TraceFile = None,
    params: opt.Params = opt.PARAMS,
    as_json: opt.Json = False,
) -> None:
    """What the paper concludes, under any account; a trace's rows replace its workloads."""
    from tokwatt.accounts.answers.support import named_account
    from tokwatt.accounts.deployments import trace_changes
    from tokwatt.accounts.headlines import Headlines
    from tokwatt.params.errors import pick
    from tokwatt.params.traces.traces import read_trace
    from tokwatt.serving.catalogue import Catalogue

    headlines = Headlines(Catalogue(params), read_trace(trace) if trace else None)
    alternatives = opt.parsed_changes(changes)
    claims = [*headlines.headlines.values()]
    if name:
        claims = [pick("headline", name, headlines.headlines)]
    with opt.named_as_options():
        alternatives = trace_changes(alternatives) if trace else alternatives
        preset = pick("account", account, headlines.presets)
        start = {} if account == "paper" else vars(preset)
        switches = {**start, **headlines.switches(alternatives)}
        values = [headlines.value(claim, switches) for claim in claims]
    stands_on = named_account(account, alternatives)
    rows = [
        {
            "claim": claim.claim,
            "published": claim.published,
            "value": _shown(value, as_json),
            **({"account": stands_on} if as_json else {}),
        }
        for claim, value in zip(claims, values, strict=True)
    ]
    if not as_json:
        print(visible(f"{stands_on} account"))
    show(rows, as_json)


def _shown(value: float, as_json: bool) -> float | str | None:
    """A value; what does not fit is NaN, and a fleet that misses its target has no end."""
    served = math.isfinite(value) and value > 0
    if as_json:
        return value if served else None
    return digits(value) if served else "cannot be served"
