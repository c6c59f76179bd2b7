"""What a part of a configuration becomes."""

from collections.abc import Callable

from tokwatt.params.llms.configuration import Configuration

Fields = dict[str, float]
"""Fields of `specs.Llm` by name."""
Part = Callable[[Configuration], Fields]
