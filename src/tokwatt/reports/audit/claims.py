"""What the paper prints, each claim judged against our datasets; no verdict is written by hand."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import msgspec

from tokwatt.params.folder import Folder
from tokwatt.params.records.quantity import Quality
from tokwatt.params.records.reading import read_yaml
from tokwatt.params.records.section import Section
from tokwatt.reports.audit.expressions import ExpressionError, Expressions, Lookup, Value

FILE = "published.yaml"
Verdict = Literal["exact", "approximate", "inconsistent", "not derivable"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
CLOSE = 0.02
"""How far an approximate number may be off, as a share of the printed one."""


class Claim(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One claim as written.

    Attributes:
        claim: what is claimed, in our words.
        printed: the numbers as the paper prints them, digit for digit, in `unit`.
        unit: their unit.
        computed: expressions over the datasets that give them.
        holds: an expression that is true or false, for a statement in words.
        reason: why the paper gives no way to compute it, instead of these two.
        counterexample: what shows that a statement about other things than our datasets is not so,
            instead of all these.
        stated_error: how far off the paper itself says that a number is, as a share of it.
        note: what is true instead, or what an exact number hides.
        headline: a short name, where the paper is known for it.
        consistent: the headline of `assumptions.yaml` that says what it comes to under the
            consistent account.
    """

    claim: str
    printed: str | list[str]
    unit: str
    computed: str | list[str] | None = None
    holds: str | None = None
    reason: str | None = None
    counterexample: str | None = None
    stated_error: float = 0.0
    note: str | None = None
    headline: str | None = None
    consistent: str | None = None


class Heading(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The head of the file, which holds for every claim.

    Attributes:
        source: the paper.
        quality: of its numbers.
        claims: sections of the paper, in them places, in them claims by id.
    """

    source: str
    quality: Quality
    claims: dict[str, dict[str, dict[str, object]]]


@dataclass(frozen=True)
class Placed:
    """A claim and its place.

    Attributes:
        id: its id, unique in the file.
        section: section of the paper.
        location: place in that section, such as a table.
        claim: what is claimed.
        entry: its place in the file.
    """

    id: str
    section: str
    location: str
    claim: Claim
    entry: Section


@dataclass(frozen=True)
class Judged:
    """A claim with its verdict.

    Attributes:
        placed: the claim and its place.
        computed: what its expressions give.
        lookups: what they read.
        verdict: how that compares with what is printed.
    """

    placed: Placed
    computed: list[Value]
    lookups: list[Lookup]
    verdict: Verdict

    @property
    def reason(self) -> str:
        """Why the verdict is not exact, or what an exact number hides."""
        claim = self.placed.claim
        otherwise = "" if self.verdict == "exact" else "the datasets give another number"
        return claim.reason or claim.counterexample or claim.note or otherwise


def claims(params: Path) -> Iterator[Placed]:
    """Every claim of a parameter folder.

    Raises:
        ParameterError: with one sentence, at the first claim that is wrong.
    """
    path = params / FILE
    top = Section(path, read_yaml(path), lambda _: {})
    top.convert(Heading)
    ids: set[str] = set()
    for section, location, name, entry in _entries(top.child("claims")):
        if name in ids:
            raise entry.fail("is the second of its id", "an id that no other claim has")
        ids.add(name)
        yield Placed(name, section, location, _claim(entry), entry)


def headlines_of(params: Path) -> dict[str, str]:
    """The headline of `assumptions.yaml` that a claim is, by the id of the claim.

    Raises:
        ParameterError: with one sentence, where there is no such headline.
    """
    headlines = Folder(params).section("assumptions").child("headlines").raw
    named = {placed.id: placed for placed in claims(params) if placed.claim.consistent}
    for placed in named.values():
        placed.entry.pick("consistent", str(placed.claim.consistent), headlines)
    return {claim: str(placed.claim.consistent) for claim, placed in named.items()}


def judged(params: Path, grids: Path) -> list[Judged]:
    """Every claim of a parameter folder with its verdict, in the order of their ids.

    Raises:
        ParameterError: with one sentence, where a claim or its expression is wrong.
    """
    expressions = Expressions(grids)
    return [
        _judged(placed, expressions)
        for placed in sorted(claims(params), key=lambda placed: placed.id)
    ]


def judge(
    printed: str | Sequence[str], computed: float | Sequence[float], close: float = CLOSE
) -> Verdict:
    """How computed numbers compare with printed ones, the worst of them counting.

    Args:
        printed: as printed, since its decimals say what is claimed; one may stand for several
            computed.
        computed: at full precision.
        close: how far an approximate number may be off, as a share of the printed one.

    Returns:
        *exact* within half a unit of the last printed digit, *approximate* within `close`,
        otherwise *inconsistent*.

    Raises:
        ValueError: where what is printed is no number, or there are not as many printed as
            computed.
    """
    texts = [printed] if isinstance(printed, str) else list(printed)
    numbers = [computed] if isinstance(computed, int | float) else list(computed)
    if len(texts) == 1:
        texts *= len(numbers)
    pairs = zip(texts, numbers, strict=True)
    return max((_judge_one(*pair, close) for pair in pairs), key=VERDICTS.index)


def _judge_one(printed: str, computed: float, close: float) -> Verdict:
    value = float(printed)
    half_unit = 0.5 * 10.0 ** -len(printed.partition(".")[2])
    rounding = 1e-15 * (1 + abs(value))
    distance = abs(computed - value)
    if distance <= half_unit + rounding:
        return "exact"
    return "approximate" if distance <= close * abs(value) + rounding else "inconsistent"


def _entries(sections: Section) -> Iterator[tuple[str, str, str, Section]]:
    for section in sections.raw:
        for location in sections.child(section).raw:
            place = sections.child(section).child(location)
            for name in place.raw:
                yield section, location, name, place.child(name)


def _claim(entry: Section) -> Claim:
    claim = entry.convert(Claim)
    told = claim.reason or claim.counterexample
    if bool(told) == bool(claim.computed or claim.holds):
        words = "both a reason and" if told else "neither a reason nor"
        wanted = "either `reason` or `counterexample`, or `computed` or `holds`"
        raise entry.fail(f"has {words} an expression", wanted)
    return claim


def _judged(placed: Placed, expressions: Expressions) -> Judged:
    claim = placed.claim
    computed, lookups = _values(placed, "computed", expressions)
    if claim.reason:
        return Judged(placed, computed, lookups, "not derivable")
    if claim.counterexample:
        return Judged(placed, computed, lookups, "inconsistent")
    if not claim.holds:
        return Judged(placed, computed, lookups, _verdict(placed, computed))
    truth, more = _values(placed, "holds", expressions)
    if truth not in ([True], [False]):
        raise placed.entry.fail(f"comes to {truth}", "true or false", "holds")
    return Judged(
        placed, computed or truth, lookups + more, "exact" if truth[0] else "inconsistent"
    )


def _values(placed: Placed, key: str, expressions: Expressions) -> tuple[list[Value], list[Lookup]]:
    try:
        return expressions.values(getattr(placed.claim, key) or [])
    except ExpressionError as error:
        raise placed.entry.fail(error.found, error.wanted, key) from None


def _verdict(placed: Placed, computed: list[Value]) -> Verdict:
    printed = placed.claim.printed
    try:
        close = max(CLOSE, placed.claim.stated_error)
        return judge(printed, [float(value) for value in computed], close)
    except ValueError:
        raise placed.entry.fail(
            f"is {printed!r} beside {computed}", "as many numbers, or one for all", "printed"
        ) from None
