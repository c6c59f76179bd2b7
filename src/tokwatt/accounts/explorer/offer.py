"""What `params/views.yaml` says of the explorer, as specs and structures."""

from typing import NamedTuple

import msgspec

from tokwatt.params.specs import spec
from tokwatt.serving.instance import Instance
from tokwatt.units import Dimensionless, DimensionlessAxis, Parameters, Tokens


@spec
class Offer:
    """Numbers that the explorer offers, takes for granted or starts from."""

    tensor_parallel: DimensionlessAxis
    mean_fill: Dimensionless
    context_window: Tokens
    longest_window: Tokens
    split_length: Tokens
    overflow_factor: Dimensionless


@spec
class Printed:
    """What the paper prints of an LLM and then computes with."""

    active_parameters: Parameters


class View(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An account as `views.yaml` names it."""

    meaning: str
    start: str
    changes: dict[str, str] = {}
    uncalibrated: dict[str, str] = {}


class Start(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whose instances the calibrated profiles are."""

    llm: str
    precision: str
    tensor_parallel: int


class Machine(NamedTuple):
    """An instance as the explorer computes with it.

    Attributes:
        assumed: its assumption set by name.
        chunk: prompt tokens that a step takes in where prefill is not chunked.
        instance: its numbers.
    """

    assumed: str
    chunk: Tokens
    instance: Instance


class InstanceKey(NamedTuple):
    """One instance by the names of its parts."""

    account: str
    gpu: str
    llm: str
    precision: str
    tensor_parallel: int
