"""What was read of a trace, in a few numbers."""

from dataclasses import dataclass

import numpy as np

from tokwatt.params.traces.traces import Trace
from tokwatt.units import (
    Dimensionless,
    DimensionlessAxis,
    Requests,
    RequestsPerSecond,
    Seconds,
    Tokens,
    TokensAxis,
)

QUANTILES = (0.1, 0.5, 0.9, 0.99)


@dataclass(frozen=True)
class Lengths:
    """How long prompts or outputs are [tok].

    Attributes:
        mean: their mean.
        quantiles: by the share of requests that are at most as long.
        longest: the longest.
    """

    mean: Tokens
    quantiles: dict[str, Tokens]
    longest: Tokens


@dataclass(frozen=True)
class TraceSummary:
    """What was read of a trace.

    Attributes:
        name: of the file.
        requests: how many were served [req].
        span: time between the first and the last arrival [s]; None where the file does not say.
        arrival_rate: mean over the trace [req/s].
        burstiness: squared coefficient of variation of the gaps between arrivals; 1 where they
            arrive at random, more where they come in bursts.
        prompt: lengths of prompts, cached tokens among them.
        output: lengths of outputs.
        output_share: share of all tokens that are output.
        cached_share: share of prompt tokens that were found in a cache.
        left_out: rows that are no served request, by why.
        notes: how the file was understood.
    """

    name: str
    requests: Requests
    span: Seconds | None
    arrival_rate: RequestsPerSecond | None
    burstiness: Dimensionless | None
    prompt: Lengths
    output: Lengths
    output_share: Dimensionless
    cached_share: Dimensionless | None
    left_out: dict[str, int]
    notes: tuple[str, ...]


def summary_of(trace: Trace) -> TraceSummary:
    """What was read of a trace."""
    return TraceSummary(
        name=trace.name,
        requests=trace.requests,
        span=trace.span,
        arrival_rate=trace.arrival_rate,
        burstiness=_burstiness(trace),
        prompt=_lengths(trace.prompt, trace.weights),
        output=_lengths(trace.output, trace.weights),
        output_share=trace.output_share,
        cached_share=trace.cached_share,
        left_out=dict(trace.left_out),
        notes=trace.notes,
    )


def _burstiness(trace: Trace) -> Dimensionless | None:
    """None for sums over a time, which do not say when their requests came."""
    if trace.arrivals is None or trace.counts is not None or not trace.span:
        return None
    gaps = np.diff(trace.arrivals)
    return round(float(gaps.var() / gaps.mean() ** 2), 12)


def _lengths(tokens: TokensAxis, weights: DimensionlessAxis) -> Lengths:
    order = np.argsort(tokens)
    upto = np.cumsum(weights[order])
    places = np.searchsorted(upto, np.array(QUANTILES) * upto[-1] * (1 - 1e-12))
    quantiles = {
        f"{share:g}": float(tokens[order[place]])
        for share, place in zip(QUANTILES, places, strict=True)
    }
    return Lengths(float(tokens @ weights), quantiles, float(tokens.max()))
