"""What is asked of fleets: request length distributions, and what they must carry."""

import math

from tokwatt.params.specs.record import spec
from tokwatt.units import (
    DimensionlessAxis,
    Instances,
    RequestsPerSecond,
    Seconds,
    SecondsPerToken,
    Share,
    TokensAxis,
)


@spec
class Workload:
    """A request length distribution by knots.

    Attributes:
        lengths: tokens of prompt and output together, shape (knot,), rising.
        fractions: share of requests of at most so many, shape (knot,), the last 1.
    """

    lengths: TokensAxis
    fractions: DimensionlessAxis


@spec
class Demand:
    """What a fleet must carry, and how well.

    Attributes:
        arrival_rate: requests that arrive in a second [req/s].
        latency_target: a percentile of the wait, or of the time to first token [s].
        ttft_quantile: which: 0.5 for the median, 0.99 for the 99th percentile.
        ttft_per_token: how much longer the first token of a request may take for each token of its
            prompt [s/tok].
        itl_target: a percentile of the inter-token latency [s], where that is a target.
        itl_quantile: which, as `ttft_quantile`.
        max_utilization: highest share of its capacity that an instance may be used at.
        output_share: output as a share of a request's tokens.
        spare_instances: instances of each pool beyond those that it needs [instance].
        least_instances: fewest of each pool [instance].
    """

    arrival_rate: RequestsPerSecond
    latency_target: Seconds
    ttft_quantile: Share = 0.99
    ttft_per_token: SecondsPerToken = 0.0
    itl_target: Seconds = math.inf
    itl_quantile: Share = 0.5
    max_utilization: Share
    output_share: Share
    spare_instances: Instances = 0.0
    least_instances: Instances = 0.0
