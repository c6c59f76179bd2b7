"""A run as a row of a data frame, in SI units."""

from typing import NamedTuple

from tokwatt.units import (
    BytesPerParameter,
    Dimensionless,
    Seconds,
    Sequences,
    Tokens,
    TokensPerSecond,
    Watts,
)


class MeasuredRun(NamedTuple):
    """One run; a number that was not measured is NaN.

    Attributes:
        source: who measured it.
        engine: the engine by the name of its deviations.
        release: its version, or the month where none is known, behind the name of the engine.
        llm: the LLM by name.
        gpu: the GPU by name.
        precision: the precision of its weights by name, before the recipe of its checkpoint.
        task: what the requests ask for, by name; empty where lengths are known.
        kv_width: bytes of an element of the KV cache.
        tensor_parallel: GPUs that share every layer.
        data_parallel: ranks of attention that each have requests of their own.
        expert_parallel: ranks that hold whole experts; 1 where every expert is sliced.
        client: 1 where `batch` is what a client keeps in flight and `latency` the mean time per
            output token; 0 where it is running requests and the median inter-token latency.
        odd: 1 where the layout or the workers are not recorded as they were.
        batch: requests in flight.
        prompt: mean prompt tokens of a request; NaN where its task decides.
        output: mean output tokens of a request.
        output_scv: squared coefficient of variation of them.
        latency: between two output tokens of a request.
        throughput: output tokens per second of the instance.
        first_token: time to first token.
        power: board power of one GPU.
    """

    source: str
    engine: str
    release: str
    llm: str
    gpu: str
    precision: str
    task: str
    kv_width: BytesPerParameter
    tensor_parallel: Dimensionless
    data_parallel: Dimensionless
    expert_parallel: Dimensionless
    client: Dimensionless
    odd: Dimensionless
    batch: Sequences
    prompt: Tokens
    output: Tokens
    output_scv: Dimensionless
    latency: Seconds
    throughput: TokensPerSecond
    first_token: Seconds
    power: Watts


COLUMNS = list(MeasuredRun._fields)
"""Columns of rows: names first, then numbers in SI units."""
