"""How `params` reads a trace, for the explorer to read the same: names, units and words."""

from tokwatt.params.tables.separated import BLANK
from tokwatt.params.tables.table import SAMPLE
from tokwatt.params.traces.columns import BUCKETS, NAMES, PREFERRED, REQUIRED, SHOWN, UNITS
from tokwatt.params.traces.requests import WANTED, WANTED_TIME, is_beside
from tokwatt.params.traces.status import FAILURES, FLAGS, LEAST_HTTP_ERROR, NO, NOTHING
from tokwatt.params.traces.times import BAILIAN, LONGEST, MOONCAKE, SINCE_1970, WORDS
from tokwatt.units import MOST_TOKENS


def trace_reading() -> dict[str, object]:
    """All of it by name; `beside` are caches whose tokens are not among those of the prompt."""
    caches = [*NAMES["cached"], *NAMES["written"]]
    return {
        "names": NAMES,
        "required": REQUIRED,
        "buckets": BUCKETS,
        "preferred": PREFERRED,
        "beside": {
            prompt: [cache for cache in caches if is_beside(prompt, cache)]
            for prompt in NAMES["prompt"]
        },
        "units": UNITS,
        "since_1970": SINCE_1970,
        "unit_words": WORDS,
        "longest": LONGEST,
        "mooncake": MOONCAKE,
        "bailian": BAILIAN,
        "blank": BLANK,
        "nothing": sorted(NOTHING),
        "no": NO,
        "flags": FLAGS,
        "failures": sorted(FAILURES),
        "least_http_error": LEAST_HTTP_ERROR,
        "most_tokens": MOST_TOKENS,
        "wanted": WANTED,
        "wanted_time": WANTED_TIME,
        "sample": SAMPLE,
        "shown": SHOWN,
    }
