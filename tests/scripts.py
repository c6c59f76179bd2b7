"""Scripts of the explorer as V8 runs them, to be held against the package."""

import json
from importlib.resources import files

from tokwatt.accounts.explorer import data_of

READING = (
    *("nested.js", "tables.js", "columns.js", "sums.js"),
    *("times.js", "rows.js", "traces.js"),
)
"""Scripts that read a trace."""
FLEET = {
    "instances": "instances",
    "power": "power",
    "median": "inter_token_latency",
    "late": "inter_token_latency_p99",
    "medianFirstToken": "first_token",
    "firstToken": "first_token_p99",
}
"""Numbers of a fleet in the explorer, and in an answer; latencies are the slowest pool's."""


def context_of(engine, scripts, explorer, keys):
    """Scripts that are loaded, and the numbers of some instances as `DATA`."""
    context = engine.MiniRacer()
    for name in scripts:
        script = files("tokwatt.reports.site") / "static" / name
        context.eval(script.read_text(encoding="utf-8"))
    context.eval(f"const DATA = {json.dumps(data_of(explorer, keys), allow_nan=False)}")
    return context


def call(context, function, *arguments):
    """What a function returns."""
    given = ", ".join(map(json.dumps, arguments))
    return json.loads(context.eval(f"JSON.stringify({function}({given}))"))
