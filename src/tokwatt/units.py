"""Units as types: a quantity's annotation says what it is measured in; its value is a plain SI number.

Importing this module, as every module of equations does, switches JAX to 64-bit floats and keeps compiled
functions between processes.
"""

from collections.abc import Callable
from typing import Annotated, Any, get_type_hints

import jax
from platformdirs import user_cache_dir

from tokwatt.marks import MANY, unit_of

jax.config.update("jax_enable_x64", True)
if jax.config.values["jax_compilation_cache_dir"] is None:
    jax.config.update("jax_compilation_cache_dir", user_cache_dir("tokwatt"))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)

Scalar = Any
"""A float to the caller; an array of any shape while JAX maps. A union of the two would have to be told apart everywhere."""

Bytes = Annotated[Scalar, "B"]
BytesPerSecond = Annotated[Scalar, "B/s"]
BytesPerToken = Annotated[Scalar, "B/tok"]
BytesPerParameter = Annotated[Scalar, "B/param"]
Dimensionless = Annotated[Scalar, "1"]
Dollars = Annotated[Scalar, "USD"]
DollarsPerJoule = Annotated[Scalar, "USD/J"]
DollarsPerSecond = Annotated[Scalar, "USD/s"]
DollarsPerToken = Annotated[Scalar, "USD/tok"]
Flops = Annotated[Scalar, "FLOP"]
FlopsPerSecond = Annotated[Scalar, "FLOP/s"]
FlopsPerToken = Annotated[Scalar, "FLOP/tok"]
Instances = Annotated[Scalar, "instance"]
KilogramsPerJoule = Annotated[Scalar, "kg/J"]
Parameters = Annotated[Scalar, "param"]
Requests = Annotated[Scalar, "req"]
RequestsPerSecond = Annotated[Scalar, "req/s"]
Seconds = Annotated[Scalar, "s"]
Sequences = Annotated[Scalar, "seq"]
Tokens = Annotated[Scalar, "tok"]
TokensPerDollar = Annotated[Scalar, "tok/USD"]
TokensPerJoule = Annotated[Scalar, "tok/J"]
TokensPerSecond = Annotated[Scalar, "tok/s"]
Watts = Annotated[Scalar, "W"]

DimensionlessAxis = Annotated[Scalar, "1", MANY]
BytesAxis = Annotated[Scalar, "B", MANY]
SecondsAxis = Annotated[Scalar, "s", MANY]
SequencesAxis = Annotated[Scalar, "seq", MANY]
TokensAxis = Annotated[Scalar, "tok", MANY]
TokensPerSecondAxis = Annotated[Scalar, "tok/s", MANY]
WattsAxis = Annotated[Scalar, "W", MANY]


def units_of(owner: Callable | type) -> dict[str, str | None]:
    """Units of a function's arguments (and of `return`), or of the fields of a class."""
    return {name: unit_of(hint) for name, hint in get_type_hints(owner, include_extras=True).items()}
