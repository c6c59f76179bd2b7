"""The language model's part of a Hugging Face `config.json`, read key by key."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

from tokwatt.params.errors import ParameterError, shown
from tokwatt.params.records.section import Section

T = TypeVar("T")
LARGEST = 2**24
"""Largest number that is believed: vocabularies, widths and windows are smaller."""


@dataclass(frozen=True)
class Configuration:
    """The keys that describe the language model; what is null counts as left out.

    Attributes:
        section: the file and its keys.
        written: what stands in the file instead of a key, where it has another name.
        seen: keys that were asked for.
    """

    section: Section
    written: Mapping[str, str] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set, compare=False)

    def get(self, key: str) -> object:
        """What stands under a key; None where it is left out."""
        self.seen.update((key, self.written.get(key, key)))
        return self.section.raw.get(key)

    def whole(self, key: str, default: int | None = None, most: int | None = None) -> int:
        """A whole number, above 0 where it has no default."""
        value = self.get(key)
        least = 1 if default is None else 0
        most = LARGEST if most is None else most
        wanted = f"a whole number of at least {least} and at most {most}"
        if value is None and default is None:
            raise self.section.fail("is missing", wanted, key)
        number = default if value is None else value
        if type(number) is not int or not least <= number <= most:
            raise self.refused(key, wanted)
        return number

    def changed(self, keys: Mapping[str, object]) -> "Configuration":
        """The same configuration with other values under some keys."""
        return replace(self, section=self.section.at("", {**self.section.raw, **keys}))

    def alike(self, key: str, otherwise: str | None = None) -> int:
        """A whole number above 0, or a list of the same one; of another key where it is missing."""
        value = self.get(key)
        if value is None and otherwise:
            return self.whole(otherwise)
        if not isinstance(value, list) or len(set(map(str, value))) != 1:
            return self.whole(key)
        return self.changed({key: value[0]}).whole(key)

    def positive(self, key: str, default: int) -> int:
        """A whole number above 0, or the default where it is left out or 0."""
        return self.whole(key, default) or default

    def period(self, key: str, most: int | None = None) -> int:
        """Every how many layers something comes: above 0, and 1 where it is left out."""
        return 1 if self.get(key) is None else self.whole(key, most=most)

    def marks(self, key: str) -> list[int]:
        """A mark of each layer, 0 or 1."""
        marks = self.entries(key, int)
        if len(marks) != self.layers or set(marks) - {0, 1}:
            raise self.refused(key, f"{self.layers} numbers, 0 or 1")
        return marks

    def number(self, key: str, default: float | None = None) -> float:
        """A positive number, whole or not."""
        value = self.get(key)
        value = default if value is None else value
        if (
            isinstance(value, bool)
            or not isinstance(value, int | float)
            or not 0 < value <= LARGEST
        ):
            raise self.refused(key, f"a number above 0 and at most {LARGEST}")
        return float(value)

    def flag(self, key: str) -> bool:
        """A truth value, false where it is left out."""
        value = self.get(key)
        if not isinstance(value, bool | None):
            raise self.refused(key, "true or false")
        return bool(value)

    def entries(self, key: str, kind: type[T]) -> list[T]:
        """A list of values of one type, empty where it is left out."""
        value = self.get(key)
        values = [] if value is None else value
        if not isinstance(values, list) or any(type(entry) is not kind for entry in values):
            raise self.refused(key, f"a list of {kind.__name__} values")
        return values

    def inner(self, key: str) -> "Configuration | None":
        """A mapping below a key; None where it is left out."""
        value = self.get(key)
        return None if value is None else Configuration(self.section.child(key))

    def required(self, key: str) -> "Configuration":
        """A mapping below a key."""
        self.seen.add(key)
        return Configuration(self.section.child(key))

    def sections(self, key: str) -> "list[Configuration]":
        """Mappings in a list."""
        entries = self.entries(key, dict)
        return [
            Configuration(self.section.at(f"{key}[{place}]", entry))
            for place, entry in enumerate(entries)
        ]

    def refused(self, key: str, wanted: str) -> ParameterError:
        """The sentence about a value that is not what is wanted."""
        written = self.written.get(key, key)
        return self.section.fail(f"is {shown(self.get(key))}", wanted, written)

    @property
    def layers(self) -> int:
        """How many layers there are."""
        types = self.get("layers_block_type")
        if isinstance(types, list) and self.get("num_hidden_layers") is None:
            return len(types)
        return self.whole("num_hidden_layers")

    def layers_of(self, kind: str, otherwise: int) -> int:
        """How many layers `layer_types` says are of a kind; another count where it is left out.

        What it says of layers that predict further tokens is left out.
        """
        types = self.entries("layer_types", str)
        if len(types) == self.layers + self.whole("num_nextn_predict_layers", 0):
            types = types[: self.layers]
        if types and len(types) != self.layers:
            wanted = f"{self.layers}, as many as num_hidden_layers"
            raise self.section.fail(f"has {len(types)} entries", wanted, "layer_types")
        for unknown in set(types) - {"full_attention", kind}:
            wanted = f"only full_attention and {kind}"
            raise self.section.fail(f"has {shown(unknown)}", wanted, "layer_types")
        return types.count(kind) if types else otherwise


Fields = dict[str, float]
"""Fields of `specs.Llm` by name."""
Part = Callable[[Configuration], Fields]
