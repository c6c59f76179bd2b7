"""What the paper concludes, as published and under any assumption set."""

import math
from pathlib import Path
from typing import Annotated

import typer

from tokwatt.commands.options import PARAMS, Changes, Json, Params, TraceFile, changes_of
from tokwatt.commands.printing import digits, show
from tokwatt.params.section import Section

Name = Annotated[
    str | None, typer.Argument(help="A headline of assumptions.yaml; all of them where not given.")
]
Start = Annotated[
    str,
    typer.Option(
        "--account",
        help="The account to start from; with paper, the one its number stands on.",
    ),
]


def headline(
    name: Name = None,
    account: Start = "consistent",
    changes: Changes = None,
    trace: TraceFile = None,
    params: Params = PARAMS,
    as_json: Json = False,
) -> None:
    """What the paper concludes; a trace's rows count with `--set lengths=pairs`."""
    from tokwatt.accounts.headlines import Headlines
    from tokwatt.params.traces import read_trace
    from tokwatt.serving.catalogue import load

    headlines = Headlines(load(params), read_trace(trace) if trace else None)
    section = Section(Path(params, "assumptions.yaml"), {})
    claims = list(headlines.headlines.values())
    if name:
        claims = [section.pick("the headline asked for", name, headlines.headlines)]
    presets = headlines.presets
    start = {} if account == "paper" else vars(section.pick("--account", account, presets))
    switches = {**start, **headlines.switches(changes_of(changes))}
    rows = []
    for claim in claims:
        value = headlines.value(claim, switches)
        # What does not fit is NaN; a fleet that misses its target has no end of instances.
        served = math.isfinite(value) and value > 0
        shown = value if as_json else digits(value)
        unserved = None if as_json else "cannot be served"
        rows.append(
            {
                "claim": claim.claim,
                "published": claim.published,
                "value": shown if served else unserved,
            }
        )
    show(rows, as_json)
