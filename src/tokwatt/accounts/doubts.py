"""Which percentiles of a fleet its formula cannot tell, and why: those must be simulated."""

import math
from collections.abc import Iterator, Mapping

from tokwatt.params.traces.trace_summary import summary_of
from tokwatt.params.traces.traces import Trace
from tokwatt.serving.pools.pool import Pool
from tokwatt.units import Dimensionless

MOST_USED = 0.9
"""Use of the chunks by prompts beyond which their queue depends on all moments of prompts."""
EXPONENTIAL = 1 / math.log(100)
"""Mean time that an exponential service still takes over its 99th percentile."""
HEAVIER, OFTEN = 1.5, 0.2
"""Times that of a prompt in progress beyond which rare prompts hold up others, and the use of the
chunks from which on those are more than one in a hundred."""
UNEVEN, SELDOM = 2.0, 0.1
"""Times the first token of the median prompt alone beyond which what a prompt in progress still
takes decides the median, and the use of the chunks below which prompts seldom find one before them.
Simulated with 70B on eight H100, prompts of two lengths or lognormal: below formulas are 0.8 to 1.3
times the median, above 0.4 to 3 times."""
BUSY = 0.6
"""Utilization from which on such prompts keep back requests that pile up while they are taken in,
so that the tail is longer too: simulated up to three times, with 8B on one H100."""
MOST_KV = 0.5
"""Use of the KV cache pool by the 99th percentile beyond which a few long requests fill it: their
tokens spread wider than a normal law."""
PILED, HELD = 1.1, 0.05
"""Mean inter-token latency over the mean iteration beyond which requests pile up behind prompts, so
that more run than a formula has, more slowly; and the share of tokens that come of iterations with
prompts beyond which these decide the median. Simulated with 8B and 70B and prompts of two lengths
or lognormal: beyond both, medians are up to 25 times as long as by formula."""
MIXED = (0.3, 0.99)
"""Shares between which the median is neither kind's: more tokens than the first come of iterations
with prompts, and fewer iterations than the second are such."""
SOME = (0.004, 0.03)
"""The same for the 99th percentile."""
BURSTY = 1.5
"""Squared variation of gaps between arrivals beyond which they are no Poisson process."""
FIRST_TOKEN = ("first_token", "first_token_p99")
INTER_TOKEN = ("inter_token_latency", "inter_token_latency_p99")


def doubts(pool: Pool, burstiness: Dimensionless) -> Iterator[tuple[str, str]]:
    """Percentiles of a pool that must be simulated, and the reason of each.

    Args:
        pool: the pool.
        burstiness: squared variation of the gaps between arrivals, 1 where they come at random.
    """
    if burstiness > BURSTY:
        reason = f"arrivals come in bursts, whose gaps vary {burstiness:.3g} times as at random"
        yield from ((name, reason) for name in (*FIRST_TOKEN, INTER_TOKEN[1]))
    if pool.kv_peak > MOST_KV:
        reason = f"running requests at times hold {pool.kv_peak:.0%} of the KV cache pool"
        yield from ((name, reason) for name in (*FIRST_TOKEN, *INTER_TOKEN))
    if pool.prefill_utilization > MOST_USED:
        reason = f"prompts use {pool.prefill_utilization:.0%} of the chunks"
        yield from ((name, reason) for name in FIRST_TOKEN)
    if pool.blocking > HEAVIER * EXPONENTIAL and pool.prefill_utilization > OFTEN:
        yield FIRST_TOKEN[1], "prompts in progress hold up all others"
    if pool.median_blocking > UNEVEN and pool.prefill_utilization > SELDOM:
        longer = f"{pool.median_blocking:.3g} times as long as the median prompt alone"
        doubted = FIRST_TOKEN if pool.utilization > BUSY else FIRST_TOKEN[:1]
        reason = f"prompts differ, and those in progress still take {longer}"
        yield from ((name, reason) for name in doubted)
    decodes = pool.late_latency > 0
    if decodes and pool.latency_ratio > PILED:
        ratio = f"{pool.latency_ratio:.3g} times the mean iteration"
        reason = f"prompts follow upon one another, so that tokens take {ratio}"
        held = (INTER_TOKEN[0], FIRST_TOKEN[1]) if pool.token_share > HELD else ()
        yield from ((name, reason) for name in (FIRST_TOKEN[0], *held))
    for name, (least, most) in zip(INTER_TOKEN, (MIXED, SOME), strict=True):
        if decodes and least < pool.token_share and pool.prefill_share < most:
            share = f"{pool.prefill_share:.1%}"
            yield name, f"{share} of the iterations take in prompts, and the others are shorter"


def burstiness_of(requests: str | Trace) -> Dimensionless:
    """Squared variation of the gaps between the arrivals of a trace; 1 where nothing is known."""
    known = summary_of(requests).burstiness if isinstance(requests, Trace) else None
    return 1.0 if known is None else known


def simulate_first(pools: Mapping[str, Pool], requests: str | Trace) -> tuple[str, ...]:
    """What of a fleet's answer must be simulated, in words.

    Args:
        pools: by what they are called; a reason that is not that of all says whose it is.
        requests: what arrives.
    """
    reasons: dict[str, dict[str, dict[str, None]]] = {}
    burstiness = burstiness_of(requests)
    for called, pool in pools.items():
        for name, reason in doubts(pool, burstiness):
            reasons.setdefault(reason, {}).setdefault(called, {})[name.replace("_", " ")] = None
    return tuple(
        f"{', '.join(dict.fromkeys(name for names in of.values() for name in names))}"
        f"{'' if len(of) == len(pools) else ' ' + ' and '.join(of)}: {reason}"
        for reason, of in reasons.items()
    )
