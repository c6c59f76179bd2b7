"""Templates filled in: the one place where the site's text becomes HTML."""

from collections.abc import Mapping
from itertools import islice

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from tokwatt.reports import audit
from tokwatt.reports.site import markup
from tokwatt.text import visible

BEFORE = {"index": "Start", "explorer": "Explorer"}
AFTER = {
    "tables": "Tables",
    "figures": "Figures",
    "docs": "Docs",
    "parameters": "Parameters",
    "method": "Method",
}
"""The navigation before and after the reports, of which it has the first."""
AUDIT = {"audit": "Audit"}
"""What stands among the reports; they have a navigation of their own."""
PAGES = BEFORE | AFTER | AUDIT
"""Pages that no report may be named as."""
POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self' file:",
        "style-src 'self' file:",
        "img-src 'self' file: data:",
        "base-uri 'none'",
        "form-action 'none'",
    ]
)
"""What a page may load: its own files, from disk or a server; nothing inline, no other host."""
MANY = 24
"""Numbers of a record that are written out."""


class Renderer:
    """Fills templates; every page has the same navigation, and no text of others is markup.

    Args:
        reports: titles of the reports by name, for the navigation.
    """

    def __init__(self, reports: Mapping[str, str]) -> None:
        self._environment = Environment(
            loader=PackageLoader("tokwatt.reports.site"),
            autoescape=True,
            finalize=_shown,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.filters |= {
            "references": markup.references,
            "verdict_class": markup.verdict_class,
            "as_yaml": markup.as_yaml,
            "printed": audit.printed_value,
            "computed": audit.computed_values,
            "number": _number,
            "listed": _listed,
        }
        self._reports = {**reports, **AUDIT}
        first = dict(islice(self._reports.items(), 1))
        self._navigation = {**BEFORE, **first, **AFTER}

    def __call__(self, template: str, title: str, active: str, **content: object) -> str:
        """A page by its template; `active` is the entry of the navigation that it belongs to."""
        page = self._environment.get_template(f"{template}.html")
        content |= {"title": title, "active": active}
        content |= {"navigation": self._navigation, "reports": self._reports}
        return page.render(**{"accounts": [], "policy": Markup(POLICY)} | content)


def _shown(value: object) -> object:
    """What a template fills in, with nothing unseen in it."""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _number(text: str) -> str:
    """A number of a CSV file, short enough to read."""
    try:
        return f"{float(text):.6g}"
    except ValueError:
        return text


def _listed(value: float | list[float]) -> str:
    """The numbers of a record, or what they range over where they are many."""
    numbers = value if isinstance(value, list) else [value]
    if len(numbers) > MANY:
        return f"{len(numbers)} numbers from {min(numbers)} to {max(numbers)}"
    return ", ".join(map(str, numbers))
