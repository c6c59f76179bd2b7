"""The assumption sets of `params/assumptions.yaml`; contradictory mixtures are refused."""

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from tokwatt.params.errors import ParameterError, shown
from tokwatt.params.folder import Checked
from tokwatt.params.records.names import Named
from tokwatt.params.records.section import Section
from tokwatt.params.specs import Demand
from tokwatt.serving.account import Account, Constants
from tokwatt.serving.catalogue import Catalogue
from tokwatt.serving.choices import Assumptions, alternatives, choice_names, switched

KEYS = (
    "choices",
    "order",
    "presets",
    "impossible",
    "constants",
    "output_shares",
    "demand",
    "cases",
    "headlines",
    "readings",
    "uncertain",
)


class AssumptionSets(Checked):
    """Choices, presets and constants of a parameter folder.

    Args:
        catalogue: the parameter folder.

    Raises:
        ParameterError: for a choice or alternative that is unknown, missing or not explained, when
            it is needed.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        if not isinstance(catalogue, Catalogue):
            found = f"is {shown(catalogue)}"
            raise ParameterError(f"catalogue: {found}, wanted a folder that tokwatt.load read.")
        self.catalogue = catalogue
        self.section = catalogue.section("assumptions").only(*KEYS)

    @cached_property
    def labels(self) -> dict[str, str]:
        """What each choice is called where it is corrected; every choice is explained."""
        choices = self.section.child("choices").only(*choice_names())
        return {name: _explained(choices.child(name), name) for name in choice_names()}

    @cached_property
    def presets(self) -> dict[str, Assumptions]:
        """Assumption sets by name."""
        assert self.labels
        entries = self.section.child("presets")
        sets = {name: self.mixture(_complete(entries.child(name))) for name in entries.raw}
        return Named("account", sets)

    @cached_property
    def constants(self) -> Constants:
        """Numbers of an account."""
        return self.section.child("constants").spec(Constants)

    @cached_property
    def demand(self) -> Demand:
        """What fleets must carry."""
        return self.section.child("demand").spec(Demand)

    @cached_property
    def order(self) -> list[str]:
        """The choices that `consistent` corrects, in the order in which it does."""
        order = self.section.raw.get("order")
        paper, consistent = (self.presets[name] for name in ("paper", "consistent"))
        corrected = [it for it in choice_names() if getattr(paper, it) != getattr(consistent, it)]
        if not isinstance(order, list) or sorted(map(str, order)) != sorted(corrected):
            wanted = f"each choice once that differs: {', '.join(corrected)}"
            raise self.section.fail(f"is {order!r:.60}", wanted, "order")
        return order

    def account(self, preset: str, changes: Mapping[str, str] | None = None) -> Account:
        """A preset, with other alternatives for some of its choices."""
        assumed = self.presets[preset]
        return Account(self.asked(switched(assumed, self.switches(changes or {}))), self.constants)

    def asked(self, wanted: Assumptions) -> Assumptions:
        """Assumptions that no file has, refused where they contradict each other."""
        return self.mixture(wanted, Section(Path("changes"), {}, key="the account"))

    def changed(self, preset: str, changes: Mapping[str, str], where: Section) -> Assumptions:
        """A preset with the changes that a section of a file makes to it.

        Raises:
            ParameterError: where a choice or alternative is unknown, or the mixture is impossible.
        """
        start = where.pick("start", preset, self.presets)
        section = where.at("changes", changes)
        return self.mixture(switched(start, alternatives_of(section)), section)

    def switches(self, changes: Mapping[str, str]) -> dict[str, str]:
        """Choices and alternatives from outside, refused where one is unknown."""
        return alternatives_of(Section(Path("changes"), changes))

    def mixture(self, wanted: Assumptions, where: Section | None = None) -> Assumptions:
        """The assumptions themselves, refused with the reason where they contradict each other."""
        for number, rule in enumerate(self.section.raw.get("impossible") or []):
            entry = self.section.at(f"impossible[{number}]", rule).only("when", "reason")
            reason = _text(entry, "reason")
            conditions = _sets(entry.child("when"))
            if all(getattr(wanted, name) in sets for name, sets in conditions.items()):
                mixed = ", ".join(f"{name} {getattr(wanted, name)}" for name in rule["when"])
                wish = f"a mixture that makes sense: {reason}"
                raise (where or self.section).fail(f"mixes {mixed}", wish)
        return wanted


def _explained(choice: Section, name: str) -> str:
    """The label of a choice whose alternatives all have a meaning and a source."""
    choice.only("meaning", "label", "alternatives")
    _text(choice, "meaning")
    entries = choice.child("alternatives").only(*alternatives(name))
    for alternative in alternatives(name):
        described = entries.child(alternative).only("meaning", "source")
        _text(described, "meaning")
        _text(described, "source")
    return _text(choice, "label")


def _complete(section: Section) -> Assumptions:
    complete: Mapping[str, Any] = alternatives_of(section)
    for name in choice_names():
        if name not in complete:
            raise section.fail("is missing", f"one of {', '.join(alternatives(name))}", name)
    return Assumptions(**complete)


def alternatives_of(section: Section) -> dict[str, str]:
    """Alternatives by choice, refused where one is unknown."""
    section.only(*choice_names())
    return {name: _alternative(section, name, value) for name, value in section.raw.items()}


def _alternative(section: Section, name: str, value: object) -> str:
    return section.pick(name, str(value), {known: known for known in alternatives(name)})


def _sets(section: Section) -> dict[str, list[str]]:
    """Each choice of a rule with the alternatives it is about, one or a list of them."""
    section.only(*choice_names())
    listed = {
        name: value if isinstance(value, list) else [value] for name, value in section.raw.items()
    }
    return {
        name: [_alternative(section, name, value) for value in values]
        for name, values in listed.items()
    }


def _text(section: Section, key: str) -> str:
    value = section.raw.get(key)
    if not isinstance(value, str) or not value.strip():
        found = "is missing" if key not in section.raw else f"is {value!r}"
        raise section.fail(found, "text", key)
    return value
