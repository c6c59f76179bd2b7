"""What can be swept: frozen records of SI numbers that JAX can stack, map over and differentiate.

A field without a default must be given and be positive; one with a default may be left out or be
zero. Names live outside, in the catalogue that holds the spec, so a catalogue stacks into one spec
of arrays.
"""

from dataclasses import dataclass
from typing import dataclass_transform

import jax

from tokwatt import x64 as x64


@dataclass_transform(frozen_default=True, kw_only_default=True)
def spec(cls: type) -> type:
    """Make `cls` a frozen, keyword-only dataclass and a JAX pytree."""
    return jax.tree_util.register_dataclass(dataclass(frozen=True, kw_only=True)(cls))
