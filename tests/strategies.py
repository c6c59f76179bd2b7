"""What the property tests draw from, in SI units."""

from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st


def between(low, high):
    return st.floats(low, high, allow_subnormal=False)


def whole(low, high):
    return st.integers(low, high).map(float)


# Power
batches = between(1, 1e4)
steepnesses = between(0.3, 3)
log2_midpoints = between(0, 10)
shares = between(0, 1)
activities = between(0, 3)


@st.composite
def power_curves(draw):
    """Arguments of the logistic curve but the batch."""
    idle = draw(between(20, 600))
    return {
        "idle": idle,
        "nominal": idle + draw(between(10, 1000)),
        "steepness": draw(steepnesses),
        "log2_midpoint": draw(log2_midpoints),
    }


# Memory: whole bytes, as hardware has them, keep the divisions exact
capacities = whole(8 * 10**9, 400 * 10**9)
budgets = whole(0, 400 * 10**9)
kv_bytes = whole(1_000, 2_000_000)
block_sizes = st.sampled_from([1.0, 8.0, 16.0, 32.0, 128.0])
block_counts = whole(0, 500_000)
windows = whole(1, 2**20)
heads = whole(1, 128)
layer_counts = whole(1, 130)

# Weights
widths = st.integers(0, 60_000)
hidden_sizes = st.integers(1, 20_000)
head_counts = st.integers(1, 128)
head_dims = st.integers(1, 256)
vocabularies = st.integers(1, 300_000)
expert_counts = st.integers(1, 512)

# Roofline
bandwidths = between(1e11, 2e13)
byte_counts = between(1e6, 2e12)
step_times = between(1e-6, 1.0)
chunks = between(1, 32_768)
histories = between(0, 1e6)
arithmetic_rates = between(1e12, 1e16)
operations = between(1e6, 1e18)

# Queues
server_counts = whole(1, 3_000)
utilizations = between(0.05, 0.98)
variabilities = between(0, 20)
service_rates = between(0.01, 100)
arrival_rates = between(0.01, 5_000)
concurrencies = whole(1, 700)
latency_targets = between(0, 5)
utilization_bounds = between(0.2, 0.99)


@dataclass(frozen=True)
class Law:
    """Knots of a distribution of lengths."""

    knots: np.ndarray
    fractions: np.ndarray

    @property
    def pairs(self):
        return list(zip(self.knots.tolist(), self.fractions.tolist(), strict=True))


LONGEST = 3_000


@st.composite
def length_laws(draw):
    """Laws over whole lengths up to LONGEST; bins without requests occur."""
    knots = draw(st.lists(st.integers(1, LONGEST), min_size=1, max_size=6, unique=True).map(sorted))
    counts = draw(st.lists(st.integers(0, 1000), min_size=len(knots), max_size=len(knots)))
    counts[-1] += 1 if sum(counts) == 0 else 0
    total = np.cumsum(counts)
    return Law(np.array(knots, float), total / total[-1])
