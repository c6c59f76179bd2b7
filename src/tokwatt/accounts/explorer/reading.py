"""How `params` reads a trace, for the explorer to read the same: names, units and words."""

from tokwatt.params.tables import nested
from tokwatt.params.tables.documents import BETWEEN
from tokwatt.params.tables.separated import BLANK
from tokwatt.params.tables.table import SAMPLE
from tokwatt.params.traces.columns import BUCKETS, KNOWN, PREFERRED, REQUIRED, SHOWN, UNITS
from tokwatt.params.traces.names import ASIDE, NAMES, PLAIN, TOTALS
from tokwatt.params.traces.repeats import LEAST_LETTERS
from tokwatt.params.traces.requests import WANTED, WANTED_TIME
from tokwatt.params.traces.status import (
    FAILURES,
    FLAGS,
    HITS,
    LEAST_HTTP_ERROR,
    NO,
    NOTHING,
    OTHERS,
    REASONS,
)
from tokwatt.params.traces.sums import BESIDE, CACHES, MUCH
from tokwatt.params.traces.times import (
    BAILIAN,
    EARLIEST,
    LAYOUTS,
    LONGEST,
    MOONCAKE,
    SINCE_1970,
    SLOW,
    WORDS,
)
from tokwatt.params.traces.traces import SINGLE
from tokwatt.units import MOST_TOKENS


def trace_reading() -> dict[str, object]:
    """All of it by name."""
    return _columns() | _rows() | _times() | _trees()


def _columns() -> dict[str, object]:
    return {
        "names": NAMES,
        "plain": PLAIN,
        "totals": TOTALS,
        "aside": ASIDE,
        "single": SINGLE,
        "required": REQUIRED,
        "buckets": BUCKETS,
        "preferred": PREFERRED,
        "caches": CACHES,
        "beside": BESIDE,
        "much": MUCH,
        "known": KNOWN,
        "sample": SAMPLE,
        "shown": SHOWN,
    }


def _rows() -> dict[str, object]:
    return {
        "blank": BLANK,
        "reasons": REASONS,
        "nothing": sorted(NOTHING),
        "no": NO,
        "flags": FLAGS,
        "failures": FAILURES,
        "least_http_error": LEAST_HTTP_ERROR,
        "others": sorted(OTHERS),
        "hits": HITS,
        "least_letters": LEAST_LETTERS,
        "most_tokens": MOST_TOKENS,
        "wanted": WANTED,
        "wanted_time": WANTED_TIME,
    }


def _times() -> dict[str, object]:
    return {
        "units": UNITS,
        "since_1970": SINCE_1970,
        "unit_words": WORDS,
        "longest": LONGEST,
        "earliest": EARLIEST,
        "slow": SLOW,
        "layouts": LAYOUTS,
        "mooncake": MOONCAKE,
        "bailian": BAILIAN,
    }


def _trees() -> dict[str, object]:
    return {
        "turns": nested.TURNS,
        "failed": nested.FAILED,
        "lists": nested.LISTS,
        "own": nested.OWN,
        "between": BETWEEN,
    }
