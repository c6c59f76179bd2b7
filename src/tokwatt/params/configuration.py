"""The language model's part of a Hugging Face `config.json`, read key by key."""

from dataclasses import dataclass
from typing import TypeVar

from tokwatt.params.errors import ParameterError, shown
from tokwatt.params.section import Section

T = TypeVar("T")
LARGEST = 2**24
"""Largest number that is believed: vocabularies, widths and windows are smaller."""


@dataclass(frozen=True)
class Configuration:
    """The keys that describe the language model; what is null counts as left out.

    Attributes:
        section: the file and its keys.
    """

    section: Section

    def whole(self, key: str, default: int | None = None, most: int | None = None) -> int:
        """A whole number, above 0 where it has no default."""
        value = self.section.raw.get(key)
        least = 1 if default is None else 0
        most = LARGEST if most is None else most
        wanted = f"a whole number of at least {least} and at most {most}"
        if value is None and default is None:
            raise self.section.fail("is missing", wanted, key)
        number = default if value is None else value
        if type(number) is not int or not least <= number <= most:
            raise self.refused(key, wanted)
        return number

    def positive(self, key: str, default: int) -> int:
        """A whole number above 0, or the default where it is left out or 0."""
        return self.whole(key, default) or default

    def flag(self, key: str) -> bool:
        """A truth value, false where it is left out."""
        value = self.section.raw.get(key)
        if not isinstance(value, bool | None):
            raise self.refused(key, "true or false")
        return bool(value)

    def entries(self, key: str, kind: type[T]) -> list[T]:
        """A list of values of one type, empty where it is left out."""
        value = self.section.raw.get(key)
        values = [] if value is None else value
        if not isinstance(values, list) or any(type(entry) is not kind for entry in values):
            raise self.refused(key, f"a list of {kind.__name__} values")
        return values

    def refused(self, key: str, wanted: str) -> ParameterError:
        """The sentence about a value that is not what is wanted."""
        return self.section.fail(f"is {shown(self.section.raw.get(key))}", wanted, key)

    @property
    def layers(self) -> int:
        """How many layers there are."""
        return self.whole("num_hidden_layers")

    def layers_of(self, kind: str, otherwise: int) -> int:
        """How many layers `layer_types` says are of a kind; another count where it is left out."""
        types = self.entries("layer_types", str)
        if types and len(types) != self.layers:
            wanted = f"{self.layers}, as many as num_hidden_layers"
            raise self.section.fail(f"has {len(types)} entries", wanted, "layer_types")
        for unknown in set(types) - {"full_attention", kind}:
            wanted = f"only full_attention and {kind}"
            raise self.section.fail(f"has {shown(unknown)}", wanted, "layer_types")
        return types.count(kind) if types else otherwise
