"""Constants of the package that the explorer computes with too, each by its own name."""

from collections.abc import Mapping
from types import ModuleType

from tokwatt import units
from tokwatt.accounts import doubts, simulated, simulated_fleet
from tokwatt.accounts.answers import simulated as answers
from tokwatt.params.tables import documents, nested, separated, table
from tokwatt.params.traces import columns, names, repeats, requests, status, sums, times, traces
from tokwatt.simulation import arrivals, engine, latencies, limits, run, steps, summary

Constants = Mapping[ModuleType, str]

READING: Constants = {
    documents: "BETWEEN",
    nested: "FAILED LISTS OWN TURNS",
    separated: "BLANK",
    table: "SAMPLE",
    columns: "BUCKETS KNOWN PREFERRED REQUIRED SHOWN UNITS",
    names: "ASIDE NAMES PLAIN TOTALS",
    repeats: "LEAST_LETTERS",
    requests: "WANTED WANTED_TIME",
    status: "FAILURES FLAGS HITS LEAST_HTTP_ERROR NO NOTHING OTHERS REASONS",
    sums: "BESIDE CACHES MUCH",
    times: "BAILIAN EARLIEST LAYOUTS LONGEST MOONCAKE SINCE_1970 SLOW WORDS",
    traces: "SINGLE",
    units: "MOST_TOKENS",
}
"""How `params` reads a trace: names, units and words."""
RUNNING: Constants = {
    arrivals: "BATCH BURSTINESS DAY SWING",
    engine: "STRETCH",
    latencies: "BIN BINS SHORTEST",
    limits: "MOST_SEQUENCES",
    run: "LEFT",
    steps: "ANSWERED DIGITS KNOTS",
    summary: "FEWEST GROWING",
    simulated: "COUNT SETTLED",
    simulated_fleet: "MOST_INSTANCES",
    answers: "BESIDE_SECONDS",
}
"""How a fleet is simulated: sizes and bounds."""
DOUBTS: Constants = {
    doubts: "BURSTY BUSY EXPONENTIAL FIRST_TOKEN HEAVIER HELD INTER_TOKEN MIXED MOST_KV MOST_USED"
    " OFTEN PILED SELDOM SOME UNEVEN"
}
"""By what a fleet must be simulated."""


def constants_of(named: Constants) -> dict[str, object]:
    """Constants by their names in lower case, sets in the order of words."""
    found = {
        name.lower(): getattr(module, name)
        for module, names in named.items()
        for name in names.split()
    }
    return {
        name: sorted(value) if isinstance(value, frozenset) else value
        for name, value in found.items()
    }
