"""Scripts of the explorer as V8 runs them, to be held against the package."""

import json
import re
from importlib.resources import files

from tokwatt.accounts.explorer import data_of

FLEET = {
    "instances": "instances",
    "power": "power",
    "median": "inter_token_latency",
    "late": "inter_token_latency_p99",
    "medianFirstToken": "first_token",
    "firstToken": "first_token_p99",
}
"""Numbers of a fleet in the explorer, and in an answer; latencies are the slowest pool's."""


def loaded(engine):
    """What the page loads before its numbers, in its order: all that computes and draws nothing."""
    context, site = engine.MiniRacer(), files("tokwatt.reports.site")
    page = (site / "templates" / "explorer.html").read_text(encoding="utf-8")
    for name in re.findall('<script src="(.*?)"', page.partition("explorer-data.js")[0]):
        context.eval((site / "static" / name).read_text(encoding="utf-8"))
    return context


def context_of(engine, explorer, keys):
    """The scripts that compute, and the numbers of some instances as `DATA`."""
    context = loaded(engine)
    context.eval(f"const DATA = {json.dumps(data_of(explorer, keys), allow_nan=False)}")
    return context


def call(context, function, *arguments):
    """What a function returns."""
    given = ", ".join(map(json.dumps, arguments))
    return json.loads(context.eval(f"JSON.stringify({function}({given}))"))
