"""One parameter file: YAML to typed quantities in SI units, or one sentence about what is wrong."""

import dataclasses
import difflib
import re
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar, get_args, get_origin

import msgspec
import numpy as np
import yaml

from tokwatt.units import In, hints_of, is_many, mark_of

if TYPE_CHECKING:
    import pint

Quality = Literal["measured", "calibrated", "datasheet", "projected", "assumed", "published"]
QUALITIES = get_args(Quality)
CATALOGUES = ("gpus", "llms", "serving", "power", "profiles", "workloads")
"""The files whose every number is a record."""
SIGNED = ("log2_midpoint", "signed")
"""Quantities that may be negative."""
DEEPEST, LONGEST_KEY, MOST_VALUES = 50, 100, 2 * 10**5
"""How much a file may hold: levels of nesting, characters of a key, and values with every alias written out."""
LARGEST = {"tok": 2.0**24, "seeds": 1e4}
"""Largest numbers that are believed, by unit or by name: sums run over every token, and fleets are drawn anew for each seed."""
T = TypeVar("T")
_UNIT = re.compile(r"(1|%|[^\W\d]\w*)(\*\*-?\d)?( ?[*/] ?[^\W\d]\w*(\*\*-?\d)?)*")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")
"""Characters that are no text: all but tabs and line feeds that move the cursor, half characters, marks of byte order."""


class ParameterError(ValueError):
    """One sentence that names the file and the key, what was found and what is wanted."""


class StoreError(RuntimeError):
    """One sentence about a store that cannot be written or read."""


class Quantity(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A number or list of numbers, as written; source and quality may stand on the entry that holds it."""

    value: float | list[float]
    unit: str
    source: str | None = None
    quality: Quality | None = None


@dataclasses.dataclass(frozen=True)
class Record:
    """One number of `params/` with where it comes from."""

    file: str
    key: str
    value: float | list[float]
    unit: str
    source: str
    quality: str


class _UniqueKeys(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """A loader that refuses a key that is written twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        seen: set[Hashable] = set()
        for key in [self.construct_object(key, deep=True) for key, _ in node.value]:
            if isinstance(key, Hashable) and key in seen:
                line = node.start_mark.line + 1
                raise yaml.constructor.ConstructorError(
                    problem=f"the key {key!r} stands twice in the mapping of line {line}"
                )
            seen.update([key] if isinstance(key, Hashable) else [])
        return super().construct_mapping(node, deep)


def read(path: Path) -> dict[str, Any]:
    """Parse a YAML file whose top level is a mapping."""
    try:
        raw = _parsed(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ParameterError(
            f"{path}: cannot be read ({error.strerror}), wanted a YAML file."
        ) from None
    except (
        Exception
    ) as error:  # a value that its tag cannot read makes the loader raise nearly anything
        raise ParameterError(f"{path}: {_yaml_problem(error)}, wanted valid YAML.") from None
    _refuse_what_is_not_plain(Section(path, raw))
    if not isinstance(raw, dict):
        raise ParameterError(f"{path}: the top level is {_shown(raw)}, wanted a mapping.")
    return raw


def _parsed(text: str) -> Any:
    """The tree of a text, refused before it is built where it is so deep that the loader would overflow its stack."""
    depth = 0
    for event in yaml.parse(text, Loader=_UniqueKeys):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(
            event, yaml.CollectionEndEvent
        )
        if depth > DEEPEST:
            mark: Any = event.start_mark
            raise yaml.constructor.ConstructorError(
                problem=f"there are more than {DEEPEST} levels", problem_mark=mark
            )
    return yaml.load(text, Loader=_UniqueKeys)


def _refuse_what_is_not_plain(section: "Section") -> None:
    """Refuse what nobody means: aliases that multiply or hold themselves, dates, endless numbers, text that cannot be printed."""
    left, met = [(section.key, section.raw, 1)], 0
    while left:
        key, value, depth = left.pop()
        met += 1
        if met > MOST_VALUES or depth > DEEPEST:
            raise section.fail(
                "holds too much",
                f"at most {MOST_VALUES} values in {DEEPEST} levels, aliases written out",
                key,
            )
        if isinstance(value, dict):
            if odd := [
                name
                for name in value
                if not (isinstance(name, str) and name.isprintable() and len(name) <= LONGEST_KEY)
            ]:
                wanted = f"printable text of at most {LONGEST_KEY} characters, in quotes where YAML reads something else"
                raise section.fail(f"has the key {_shown(odd[0])}", wanted, key)
            left += [(_join(key, name), inner, depth + 1) for name, inner in value.items()]
        elif isinstance(value, list):
            left += [
                (f"{key}[{place}]", inner, depth + 1)
                for place, inner in enumerate(value)
                if type(inner) is not float
            ]
        elif isinstance(value, str) and not _is_text(value):
            raise section.fail(f"is {_shown(value)}", "printable text", key)
        elif isinstance(value, int) and value.bit_length() > 63:
            raise section.fail("is a whole number of more than 63 bits", "a smaller one", key)
        elif not isinstance(value, str | int | float | None):
            raise section.fail(
                f"is a {type(value).__name__}",
                "a number or text, in quotes where YAML reads something else",
                key,
            )


def _is_text(value: str) -> bool:
    return not _CONTROL.search(value)


def _yaml_problem(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    place = f" at line {mark.line + 1}" if mark else ""
    return f"{getattr(error, 'problem', None) or 'cannot be parsed'}{place}"


@dataclasses.dataclass(frozen=True)
class Section:
    """A part of a parameter file that knows its file and key, so that it can complain well.

    `catalogue` gives what a name may refer to, by the catalogue's name.
    """

    path: Path
    raw: Any
    catalogue: Callable[[str], Mapping[str, Any]] = lambda name: {}
    key: str = ""

    def fail(self, found: str, wanted: str, key: str = "") -> ParameterError:
        """The sentence for something wrong at or below this section."""
        return ParameterError(
            f"{self.path}: {_join(self.key, key) or 'the top level'} {found}, wanted {wanted}."
        )

    def at(self, key: str, raw: Any) -> "Section":
        """A section of this file that stands elsewhere, or comes from outside."""
        return dataclasses.replace(self, raw=raw, key=_join(self.key, key))

    def child(self, name: str) -> "Section":
        """The section under a key, which must be there and hold a mapping."""
        if not isinstance(self.raw, dict) or name not in self.raw:
            raise self.fail("is missing", "a mapping", name)
        if not isinstance(self.raw[name], dict):
            raise self.fail(f"is {_shown(self.raw[name])}", "a mapping", name)
        return dataclasses.replace(self, raw=self.raw[name], key=_join(self.key, str(name)))

    def convert(self, kind: type[T]) -> T:
        """This section as a typed structure."""
        try:
            return msgspec.convert(self.raw, kind)
        except msgspec.ValidationError as error:
            raise self._complaint(str(error), kind) from None

    def only(self, *keys: str) -> "Section":
        """This section, refused where it is no mapping or has other keys than these."""
        if not isinstance(self.raw, dict):
            raise self.fail(f"is {_shown(self.raw)}", "a mapping")
        for key in self.raw:
            if key not in keys:
                raise self.fail(
                    "is not a known key",
                    f"one of {', '.join(keys)}{_nearest(str(key), keys)}",
                    str(key),
                )
        return self

    def specs(self, kind: type[T], common: "Section | None" = None) -> dict[str, T]:
        """Every entry of this section as a spec; what is in `common` holds for each."""
        if common:
            hints = hints_of(kind)  # type: ignore[arg-type]
            common.bind(hints, optional=list(hints))
        return {
            name: self.child(name).spec(kind, common.raw if common else {}) for name in self.raw
        }

    def spec(self, kind: type[T], common: Mapping[str, Any] = {}) -> T:
        """This section as one spec."""
        fields = dataclasses.fields(kind)  # type: ignore[arg-type]
        optional = [field.name for field in fields if field.default is not dataclasses.MISSING]
        merged = dataclasses.replace(self, raw={**common, **self.raw})
        return kind(**merged.bind(hints_of(kind), optional))  # type: ignore[arg-type]

    def bind(self, hints: Mapping[str, Any], optional: Sequence[str] = ()) -> dict[str, Any]:
        """This section as values for typed names: quantities in SI, references looked up, sections inside built."""
        entry: Any = self.convert(
            _entry_of(
                tuple((name, _written_as(hint), name in optional) for name, hint in hints.items())
            )
        )
        given = {name: getattr(entry, name) for name in hints}
        return {
            name: self._value(name, value, hints[name], name not in optional)
            for name, value in given.items()
            if value is not None
        }

    def quantity(self, name: str, hint: Any, positive: bool = True) -> Any:
        """What stands under a key in SI, for keys that are not known beforehand."""
        return self._si(name, self.child(name).convert(Quantity), hint, positive)

    def choose(self, field: str, name: str, catalogue: str) -> Any:
        """What a catalogue holds under a name."""
        return self.pick(field, name, self.catalogue(catalogue))

    def pick(self, field: str, name: str, known: Mapping[str, T]) -> T:
        """What a mapping holds under a name that stands in this section."""
        if name not in known:
            raise self.fail(
                f"is {_shown(name)}", f"one of {', '.join(known)}{_nearest(name, known)}", field
            )
        return known[name]

    def records(self, source: str | None = None, quality: str | None = None) -> Iterator[Record]:
        """Every quantity at or below this section, with the source and quality that hold for it."""
        source, quality = self.raw.get("source", source), self.raw.get("quality", quality)
        if "value" in self.raw:
            found = self.convert(Quantity)
            if not (source and quality):
                raise self.fail(
                    f"has no {'quality' if source else 'source'}",
                    "one here or on the entry that holds it",
                )
            if not isinstance(source, str) or quality not in QUALITIES:
                raise self.fail(
                    f"has source {_shown(source)} and quality {_shown(quality)}",
                    f"a text and one of {', '.join(QUALITIES)}",
                )
            yield Record(self.path.name, self.key, found.value, found.unit, source, quality)
            return
        for name in [name for name, value in self.raw.items() if isinstance(value, dict)]:
            yield from self.child(name).records(source, quality)

    def _value(self, name: str, given: Any, hint: Any, positive: bool) -> Any:
        origin, mark = get_origin(hint), mark_of(hint)
        if isinstance(mark, In):
            many = isinstance(given, list)
            chosen = {
                one: self.choose(name, one, mark.catalogue) for one in (given if many else [given])
            }
            return chosen if many else given if get_args(hint)[0] is str else chosen[given]
        if mark is not None:
            return self._si(name, given, hint, positive)
        if origin is dict:
            return self.child(name).specs(get_args(hint)[1])
        return (
            self.child(name).spec(hint)
            if isinstance(hint, type) and dataclasses.is_dataclass(hint)
            else given
        )

    def _si(self, field: str, quantity: Quantity, hint: Any, positive: bool) -> float | np.ndarray:
        many, unit = is_many(hint), str(mark_of(hint))
        if isinstance(quantity.value, list) != many or quantity.value == []:
            raise self.fail(
                f"is {_shown(quantity.value)}",
                "a list of numbers" if many else "one number",
                f"{field}.value",
            )
        factor = _factor(quantity.unit, unit)
        if factor is None:
            raise self.fail(
                f"is {_shown(quantity.unit)}", f"a unit that converts to {unit!r}", f"{field}.unit"
            )
        with np.errstate(over="ignore"):
            numbers = np.array(quantity.value, float) * factor
        allowed = np.isfinite(numbers) & (
            (numbers > 0) | ((numbers == 0) & (many or not positive)) | (field in SIGNED)
        )
        if not allowed.all():
            wanted = (
                "finite number"
                if field in SIGNED
                else "positive number"
                if positive and not many
                else "number that is not negative"
            )
            found = np.atleast_1d(quantity.value)[~np.atleast_1d(allowed)][0]
            raise self.fail(f"is {found:g} {quantity.unit}", f"a {wanted}", f"{field}.value")
        if (numbers > (most := LARGEST.get(field, LARGEST.get(unit, np.inf)))).any():
            raise self.fail(
                f"is up to {numbers.max():g} {unit}", f"at most {most:g}", f"{field}.value"
            )
        return numbers if many else float(numbers)

    def _complaint(self, message: str, kind: type) -> ParameterError:
        what, _, path = message.partition(" - at `$")
        path = path.rstrip("`").lstrip(".")
        if unknown := re.search(r"unknown field `(.*)`", what):
            valid = _field_names(kind) if not path else sorted(_inner_names(kind))
            return self.fail(
                "is not a known key",
                f"one of {', '.join(valid)}{_nearest(unknown[1], valid)}",
                _join(path, unknown[1]),
            )
        if missing := re.search(r"missing required field `(.*)`", what):
            return self.fail("is missing", "a value", _join(path, missing[1]))
        wanted = (
            f"one of {', '.join(QUALITIES)}"
            if "enum" in what
            else what.removeprefix("Expected ").partition(", got")[0]
        )
        for plain, technical in {
            "a mapping": "object",
            "a number": "float",
            "text": "str",
            "a list": "array",
            "nothing": "null",
        }.items():
            wanted = re.sub(rf"`?\b{technical}\b`?", plain, wanted)
        return self.fail(
            f"is {_shown(_at(self.raw, path))}",
            wanted.replace("`", "").replace(" | ", " or "),
            path,
        )


@contextmanager
def refusing(section: Section, done: str) -> Iterator[None]:
    """Say of a section what could not be done with it, where its numbers are each allowed and do not work together."""
    try:
        yield
    except ParameterError:
        raise
    except (ArithmeticError, LookupError, MemoryError, TypeError, ValueError) as error:
        why = " ".join(f"{type(error).__name__}: {error}".split())
        raise section.fail(
            f"cannot be {done} ({why:.100})", "numbers and names that work together"
        ) from error


def _written_as(hint: Any) -> Any:
    """How a typed name is written in a file."""
    mark = mark_of(hint)
    if isinstance(mark, In):
        return list[str] if get_origin(get_args(hint)[0]) is dict else str
    if mark is not None:
        return Quantity
    return dict if get_origin(hint) is dict or dataclasses.is_dataclass(hint) else hint


@cache
def _entry_of(fields: tuple[tuple[str, Any, bool], ...]) -> type:
    always: list[tuple] = [
        ("name", str | None, None),
        ("source", str | None, None),
        ("quality", Quality | None, None),
    ]
    own = [
        (name, kind | None, None) if optional else (name, kind) for name, kind, optional in fields
    ]
    return msgspec.defstruct("Entry", [*always, *own], kw_only=True, forbid_unknown_fields=True)


@cache
def _factor(found: str, wanted: str) -> float | None:
    """What a number in one unit is multiplied by to be in another; None where the first is no unit of that dimension.

    Only products of names are read, since the registry would work out `9**9**9` for days; and only
    units that multiply, so no decibels.
    """
    if not (_UNIT.fullmatch(found) and len(found) <= LONGEST_KEY):
        return None
    try:
        one, two = (
            float(_registry().Quantity(number, found).to(wanted).magnitude) for number in (1, 2)
        )
    except Exception:
        return None
    return one if two == 2 * one else None


@cache
def _registry() -> "pint.UnitRegistry":
    import pint  # a fifth of a second that only quantities need

    registry: pint.UnitRegistry = pint.UnitRegistry(cache_folder=":auto:")
    for name, symbol in [
        ("token", "tok"),
        ("request", "req"),
        ("sequence", "seq"),
        ("instance", "instance"),
        ("parameter", "param"),
        ("dollar", "USD"),
        ("operation", "FLOP"),
    ]:
        registry.define(f"{name} = [{name}] = {symbol}")
    return registry


def _field_names(kind: type) -> list[str]:
    return [field.name for field in msgspec.structs.fields(kind)]


def _inner_names(kind: type) -> set[str]:
    """Field names of the structures inside a structure."""
    parts = [
        part
        for field in msgspec.structs.fields(kind)
        for part in (field.type, *get_args(field.type))
    ]
    inside = [part for part in parts if isinstance(part, type) and issubclass(part, msgspec.Struct)]
    return {name for part in inside for name in [*_field_names(part), *_inner_names(part)]}


def _nearest(name: str, valid: Any) -> str:
    close = difflib.get_close_matches(name, [str(option) for option in valid], 1)
    return f" (did you mean {close[0]!r}?)" if close else ""


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path and name else path or name


def _at(raw: Any, path: str) -> Any:
    for part in re.findall(r"[^.\[\]]+", path):
        if isinstance(raw, dict):
            raw = raw.get(part, raw)
        elif isinstance(raw, list) and part.isdigit():
            raw = raw[int(part)]
    return raw


def _shown(value: Any) -> str:
    try:
        text = repr(value)
    except ValueError:  # Python refuses to write out thousands of digits
        return "a number of thousands of digits"
    return text if len(text) <= 60 else f"{text[:57]}..."
