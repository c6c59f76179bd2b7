"""Servers under load, as they were recorded."""

from dataclasses import field
from typing import Annotated, Any

import numpy as np

from tokwatt.params.specs import spec
from tokwatt.units import (
    MANY,
    Dimensionless,
    DimensionlessAxis,
    RequestsPerSecondAxis,
    SecondsAxis,
    Sequences,
    Tokens,
    TokensAxis,
    TokensPerSecondAxis,
)

InstancesAxis = Annotated[Any, "instance", MANY]


@spec
class Sent:
    """Requests that clients sent.

    Attributes:
        prompt: prompt tokens.
        output: output tokens.
        arrival: when they arrive, in mean gaps; one gap after another if left out.
        reused: prompt tokens that an earlier prompt has; none if left out.
        conversation: of which they are; -1 where it is not known.
    """

    prompt: TokensAxis
    output: TokensAxis
    arrival: DimensionlessAxis = field(default_factory=lambda: np.zeros(0))
    reused: TokensAxis = field(default_factory=lambda: np.zeros(0))
    conversation: DimensionlessAxis = field(default_factory=lambda: np.zeros(0))


@spec
class Server:
    """A server, and what was measured of it at each arrival rate, from the lowest on.

    Attributes:
        llm: an LLM by name.
        gpu: a GPU by name.
        gpus: GPUs of an instance that share every layer.
        data_parallel: ranks of attention.
        engine: a serving engine by name.
        memory_fraction: share of the memory that it may use.
        kv_tokens: tokens of its KV cache pool; as memory has it if left out.
        kv_tokens_seen: the same as requests show it; counts where step times are fitted.
        max_num_batched_tokens: most tokens of a step; its engine's if left out.
        max_num_seqs: most running requests; its engine's if left out.
        workload: what the clients sent.
        cached: where reused tokens are found: in blocks that are still there, always, never.
        cold: whether nothing was cached at the lowest rate.
        runs: names of the runs.
        instances: of each run.
        arrival_rate: of each run.
        throughput: output tokens per second, from the first arrival to the last token.
        first_token: median time to first token.
        first_token_p99: its 99th percentile.
        time_per_output_token: median of requests' mean time between tokens.
        time_per_output_token_p99: its 99th percentile.
    """

    llm: str
    gpu: str
    gpus: Dimensionless
    engine: str
    memory_fraction: Dimensionless
    workload: str
    cached: str
    runs: list[str]
    instances: InstancesAxis
    arrival_rate: RequestsPerSecondAxis
    throughput: TokensPerSecondAxis
    first_token: SecondsAxis
    first_token_p99: SecondsAxis
    time_per_output_token: SecondsAxis
    time_per_output_token_p99: SecondsAxis
    data_parallel: Dimensionless = 1.0
    kv_tokens: Tokens = 0.0
    kv_tokens_seen: Tokens = 0.0
    max_num_batched_tokens: Tokens = 0.0
    max_num_seqs: Sequences = 0.0
    cold: bool = False
