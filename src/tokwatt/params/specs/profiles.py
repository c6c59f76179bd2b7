"""Hand-calibrated instances of the paper."""

from typing import Annotated

from tokwatt.params.specs.boards import Board, LogisticPower
from tokwatt.params.specs.llms import LlmRecord, Precision
from tokwatt.params.specs.record import spec
from tokwatt.units import Dimensionless, DollarsPerSecond, In, Seconds, Sequences, Tokens


@spec
class Profile:
    """A hand-calibrated instance.

    Attributes:
        board: its GPUs.
        llm: its LLM.
        precision: widths of weights and KV cache.
        gpus: GPUs that share the LLM.
        weight_time: time of a step beside the scan of the KV cache.
        scan_time: time that one more sequence of `calibration_length` tokens adds to a step.
        calibration_length: tokens that `scan_time` and `max_sequences` hold at.
        prefill_chunk: prompt tokens that a step takes in.
        block_size: tokens of a block of the KV cache.
        kv_blocks: blocks of the KV cache.
        max_sequences: most running requests.
        price: rent of the instance.
        power: board power of one GPU by batch size.
    """

    board: Annotated[Board, In("boards")]
    llm: Annotated[LlmRecord, In("llms")]
    precision: Annotated[Precision, In("precisions")]
    gpus: Dimensionless
    weight_time: Seconds
    scan_time: Seconds
    calibration_length: Tokens
    prefill_chunk: Tokens
    block_size: Tokens
    kv_blocks: Dimensionless
    max_sequences: Sequences
    price: DollarsPerSecond
    power: Annotated[LogisticPower, In("power_curves")]


@spec
class Scaling:
    """How a hand-calibrated profile is carried to another GPU.

    Attributes:
        base: the profile.
        board: the other GPU.
        prefill_chunk: prompt tokens that a step takes in there.
        price: rent of an instance there.
    """

    base: Annotated[Profile, In("calibrated_profiles")]
    board: Annotated[Board, In("boards")]
    prefill_chunk: Tokens
    price: DollarsPerSecond
