"""A part of a parameter file that becomes typed values in SI units, or one sentence about it."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import MISSING
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, get_args, get_origin

import msgspec
import numpy as np

from tokwatt.params.errors import ParameterError, complaint, join, one_of, shown
from tokwatt.params.records import messages
from tokwatt.params.records.names import WANTED, is_name
from tokwatt.params.records.quantity import QUALITIES, Quality, Quantity, Record, factor
from tokwatt.units import In, domain_of, hints_of, is_many, mark_of

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T")
Spec = TypeVar("Spec", bound="DataclassInstance")
Hints = Mapping[str, object]


@dataclasses.dataclass(frozen=True)
class Section:
    """A part of a parameter file that knows its file and key, so that it can complain well.

    Attributes:
        path: the file.
        raw: what stands there, as YAML gives it.
        catalogue: what a name may refer to, by the name of the catalogue.
        key: path of keys in the file, with dots.
    """

    path: Path
    raw: Any
    catalogue: Callable[[str], Mapping[str, Any]] = lambda name: {}
    key: str = ""

    def fail(self, found: str, wanted: str, key: str = "") -> ParameterError:
        """The sentence for something wrong at or below this section."""
        return complaint(self.path, join(self.key, key), found, wanted)

    def at(self, key: str, raw: object) -> "Section":
        """The section of a key below this one that holds something else than the file does."""
        return dataclasses.replace(self, raw=raw, key=join(self.key, key))

    def child(self, name: str) -> "Section":
        """The section under a key, which must be there and hold a mapping."""
        if not isinstance(self.raw, dict) or name not in self.raw:
            raise self.fail("is missing", "a mapping", name)
        if not isinstance(self.raw[name], dict):
            raise self.fail(f"is {shown(self.raw[name])}", "a mapping", name)
        return self.at(name, self.raw[name])

    def names(self) -> list[str]:
        """The keys of this section, which must be names."""
        for name in self.raw:
            if not is_name(name):
                raise self.fail(f"has the key {shown(name)}", WANTED)
        return list(self.raw)

    def convert(self, kind: type[T]) -> T:
        """This section as a typed structure."""
        try:
            return msgspec.convert(self.raw, kind)
        except msgspec.ValidationError as error:
            key, found, wanted = messages.translated(str(error), kind, self.raw)
            raise self.fail(found, wanted, key) from None

    def texts(self, name: str) -> list[str]:
        """The list of texts under a key, which must be there."""
        return self.at(name, self.raw.get(name)).convert(list[str])

    def only(self, *keys: str) -> "Section":
        """This section, refused where it is no mapping or has other keys than these."""
        if not isinstance(self.raw, dict):
            raise self.fail(f"is {shown(self.raw)}", "a mapping")
        for key in self.raw:
            if key not in keys:
                raise self.fail(*messages.unknown_key(key, keys), key)
        return self

    def specs(self, kind: type[Spec], common: "Section | None" = None) -> dict[str, Spec]:
        """Every entry of this section as a spec; what is in `common` holds for each."""
        if common:
            hints = hints_of(kind)
            common.bind(hints, optional=list(hints))
        shared = common.raw if common else None
        return {name: self.child(name).spec(kind, shared) for name in self.raw}

    def spec(self, kind: type[Spec], common: Mapping[str, object] | None = None) -> Spec:
        """This section as one spec; fields with a default may be left out."""
        optional = [
            field.name
            for field in dataclasses.fields(kind)
            if field.default is not MISSING or field.default_factory is not MISSING
        ]
        merged = self.at("", {**(common or {}), **self.raw})
        return kind(**merged.bind(hints_of(kind), optional))

    def bind(self, hints: Hints, optional: Sequence[str] = ()) -> dict[str, Any]:
        """This section as values: quantities in SI, references looked up, sections inside built."""
        fields = [(name, _written_as(hint), name in optional) for name, hint in hints.items()]
        for name, hint in hints.items():
            self._require_unit(name, hint)
        entry: Any = self.convert(_structure(tuple(fields)))
        written = {name: getattr(entry, name) for name in hints}
        return {
            name: self._value(name, value, hints[name], name not in optional)
            for name, value in written.items()
            if value is not None
        }

    def quantity(self, name: str, hint: object, positive: bool = True) -> Any:
        """What stands under a key in SI, for keys that are not known beforehand."""
        self._require_unit(name, hint)
        return self._si(name, self.child(name).convert(Quantity), hint, positive)

    def choose(self, field: str, name: str, catalogue: str) -> Any:
        """What a catalogue holds under a name."""
        return self.pick(field, name, self.catalogue(catalogue))

    def pick(self, field: str, name: str, options: Mapping[str, T]) -> T:
        """What a mapping holds under a name that stands in this section."""
        if name not in options:
            raise self.fail(f"is {shown(name)}", one_of(name, options), field)
        return options[name]

    def records(self, source: object = None, quality: object = None) -> Iterator[Record]:
        """Every quantity at or below this section, with the source and quality that hold for it."""
        source = self.raw.get("source", source)
        quality = self.raw.get("quality", quality)
        if "value" in self.raw:
            yield self._record(source, quality)
        else:
            for name in [name for name, value in self.raw.items() if isinstance(value, dict)]:
                yield from self.child(name).records(source, quality)

    def _record(self, source: object, quality: object) -> Record:
        quantity = self.convert(Quantity)
        if not (source and quality):
            missing = "quality" if source else "source"
            raise self.fail(f"has no {missing}", "one here or on the entry that holds it")
        if not (isinstance(source, str) and isinstance(quality, str) and quality in QUALITIES):
            raise self.fail(
                f"has source {shown(source)} and quality {shown(quality)}",
                f"a text and one of {', '.join(QUALITIES)}",
            )
        return Record(self.path.name, self.key, quantity.value, quantity.unit, source, quality)

    def _value(self, name: str, written: Any, hint: Any, positive: bool) -> object:
        mark = mark_of(hint)
        if isinstance(mark, In):
            names = written if isinstance(written, list) else [written]
            chosen = {name_: self.choose(name, name_, mark.catalogue) for name_ in names}
            if isinstance(written, list):
                return chosen
            return written if get_args(hint)[0] is str else chosen[written]
        if mark is not None:
            return self._si(name, written, hint, positive)
        if get_origin(hint) is dict:
            return self.child(name).specs(get_args(hint)[1])
        return self.child(name).spec(hint) if _is_spec(hint) else written

    def _require_unit(self, name: str, hint: object) -> None:
        """Refuse a number or text where a quantity is wanted, whose unit nobody may guess."""
        written = self.raw.get(name) if isinstance(self.raw, dict) else None
        if isinstance(written, int | float | str) and _written_as(hint) is Quantity:
            wanted = f"a number with its unit, as in {{value: 1, unit: {mark_of(hint)}}}"
            raise self.fail(f"is {shown(written)}", wanted, name)

    def _si(
        self, field: str, quantity: Quantity, hint: object, positive: bool
    ) -> float | np.ndarray:
        many = is_many(hint)
        if isinstance(quantity.value, list) != many or quantity.value == []:
            wanted = "a list of numbers" if many else "one number"
            raise self.fail(f"is {shown(quantity.value)}", wanted, f"{field}.value")
        unit = str(mark_of(hint))
        scale = factor(quantity.unit, unit)
        if scale is None:
            wanted = f"a unit that converts to {unit!r}"
            raise self.fail(f"is {shown(quantity.unit)}", wanted, f"{field}.unit")
        with np.errstate(over="ignore"):
            numbers = np.array(quantity.value, float) * scale
        domain = domain_of(hint)
        zero = many or not positive
        allowed = np.atleast_1d(domain.contains(numbers, zero))
        if not allowed.all():
            wrong = np.atleast_1d(quantity.value)[~allowed][0]
            found = f"is {wrong:g} {quantity.unit}".removesuffix(" 1")
            raise self.fail(found, domain.words(unit, zero), f"{field}.value")
        return numbers if many else float(numbers)


@contextmanager
def refusing(section: Section, done: str) -> Iterator[None]:
    """Say that a section cannot be e.g. computed where its numbers do not work together."""
    try:
        yield
    except ParameterError:
        raise
    except (ArithmeticError, LookupError, MemoryError, TypeError, ValueError) as error:
        why = " ".join(f"{type(error).__name__}: {error}".split())
        raise section.fail(
            f"cannot be {done} ({why:.100})", "numbers and names that work together"
        ) from error


def _is_spec(hint: object) -> bool:
    return isinstance(hint, type) and dataclasses.is_dataclass(hint)


def _written_as(hint: object) -> Any:
    """How a typed name is written in a file."""
    mark = mark_of(hint)
    if isinstance(mark, In):
        return list[str] if get_origin(get_args(hint)[0]) is dict else str
    if mark is not None:
        return Quantity
    return dict if get_origin(hint) is dict or _is_spec(hint) else hint


@cache
def _structure(fields: tuple[tuple[str, Any, bool], ...]) -> type:
    """The structure of an entry with these fields: name, type, and whether it may be left out."""
    always: list[tuple[str, object, object]] = [
        ("name", str | None, None),
        ("source", str | None, None),
        ("quality", Quality | None, None),
    ]
    wanted: list[tuple] = [
        (name, kind | None, None) if optional else (name, kind) for name, kind, optional in fields
    ]
    return msgspec.defstruct("Entry", [*always, *wanted], kw_only=True, forbid_unknown_fields=True)
