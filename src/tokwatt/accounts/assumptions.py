"""The choices of an account read from `params/assumptions.yaml`: explained, mixed, and refused where they contradict each other."""

from typing import Any

from tokwatt.params.section import Section
from tokwatt.serving.choices import Assumptions, alternatives, names, switched


def presets(section: Section) -> dict[str, Assumptions]:
    """The named mixtures of a file of assumptions, with every choice of the file documented.

    Args:
        section: `assumptions.yaml`.

    Returns:
        Assumptions by the name of the preset.

    Raises:
        ParameterError: for a choice or alternative that is unknown, missing, or not explained.
    """
    choices = section.child("choices").only(*names())
    for name in names():
        choice = choices.child(name).only("meaning", "label", "alternatives")
        _text(choice, "meaning"), _text(choice, "label")
        given = choice.child("alternatives").only(*alternatives(name))
        for alternative in alternatives(name):
            described = given.child(alternative).only("meaning", "source")
            _text(described, "meaning"), _text(described, "source")
    entries = section.child("presets")
    return {
        name: mixture(section, Assumptions(**_complete(entries.child(name))))
        for name in entries.raw
    }


def labels(section: Section) -> dict[str, str]:
    """What each choice is called where it is corrected, in a few words."""
    choices = section.child("choices")
    return {name: _text(choices.child(name), "label") for name in names()}


def changed(section: Section, base: Assumptions, changes: Section) -> Assumptions:
    """A mixture that differs from another in what a section of a file says.

    Args:
        section: `assumptions.yaml`, which says what is impossible.
        base: where to start.
        changes: choice to alternative.

    Returns:
        The mixture.

    Raises:
        ParameterError: where a choice or alternative is unknown, or the mixture makes no sense.
    """
    return mixture(section, switched(base, chosen(changes)), changes)


def mixture(section: Section, wanted: Assumptions, where: Section | None = None) -> Assumptions:
    """The assumptions themselves, refused with the reason where they contradict each other."""
    for number, rule in enumerate(section.raw.get("impossible") or []):
        entry = section.at(f"impossible[{number}]", rule).only("when", "reason")
        _text(entry, "reason")
        if all(
            getattr(wanted, name) in found for name, found in _sets(entry.child("when")).items()
        ):
            met = ", ".join(f"{name} {getattr(wanted, name)}" for name in rule["when"])
            raise (where or section).fail(
                f"mixes {met}", f"a mixture that makes sense: {rule['reason']}"
            )
    return wanted


def _complete(section: Section) -> dict[str, Any]:
    complete = chosen(section)
    for name in names():
        if name not in complete:
            raise section.fail("is missing", f"one of {', '.join(alternatives(name))}", name)
    return complete


def chosen(section: Section) -> dict[str, str]:
    """Alternatives by choice, refused where one is unknown."""
    section.only(*names())
    return {
        name: section.pick(name, str(value), {one: one for one in alternatives(name)})
        for name, value in section.raw.items()
    }


def _sets(section: Section) -> dict[str, list[str]]:
    """Each choice of a rule with the alternatives it speaks of, one or a list of them."""
    section.only(*names())
    listed = {
        name: value if isinstance(value, list) else [value] for name, value in section.raw.items()
    }
    return {
        name: [
            section.pick(name, str(one), {each: each for each in alternatives(name)})
            for one in found
        ]
        for name, found in listed.items()
    }


def _text(section: Section, key: str) -> str:
    value = section.raw.get(key)
    if not isinstance(value, str) or not value.strip():
        raise section.fail("is missing" if key not in section.raw else f"is {value!r}", "text", key)
    return value
