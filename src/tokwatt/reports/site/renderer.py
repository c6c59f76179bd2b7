"""Templates filled in: the one place where the site's text becomes HTML."""

from collections.abc import Mapping

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from tokwatt.reports.audit import audit
from tokwatt.reports.site import markup
from tokwatt.reports.site.panels import Panels
from tokwatt.text import visible

MENU: dict[str, dict[str, str]] = {
    "What survives": {"index": "Start"},
    "Explore": {"explorer": "Explorer"},
    "The paper": {"audit": "Audit", "tables": "Tables"},
    "Measured": {},
    "Docs": {"docs": "Overview"},
    "Data": {"figures": "Figures", "parameters": "Parameters", "method": "Method"},
}
"""The entries of the menu, and the pages of each; reports and documents join them."""
PAGES = {"search", *(page for pages in MENU.values() for page in pages)}
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
    """Fills templates; every page has the same menu, and no text of others is markup.

    Args:
        menu: the pages of each entry of the menu, by their names.
        panels: those of each figure, by its address.
    """

    def __init__(self, menu: Mapping[str, Mapping[str, str]], panels: Mapping[str, Panels]) -> None:
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
        self._environment.globals["panels"] = panels
        self._menu = {entry: pages for entry, pages in menu.items() if pages}

    def __call__(self, template: str, title: str, active: str, **content: object) -> str:
        """A page by its template; `active` is the page of the menu that it belongs to."""
        page = self._environment.get_template(f"{template}.html")
        entry = next((entry for entry, pages in self._menu.items() if active in pages), "")
        content |= {"title": title, "active": active, "entry": entry, "menu": self._menu}
        return page.render(**{"accounts": [], "policy": Markup(POLICY)} | content)

    def drawing(self, address: str, title: str) -> Markup:
        """A figure in the text of a page."""
        macros = vars(self._environment.get_template("macros.html").module)
        return macros["drawing"](address, title)


def _shown(value: object) -> object:
    """What a template fills in, with nothing unseen in it."""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _number(text: str) -> str:
    """A number of a CSV file, short enough to read."""
    try:
        number = float(text)
    except ValueError:
        return text
    return f"{number:.0f}" if number.is_integer() else f"{number:.6g}"


def _listed(value: float | list[float]) -> str:
    """The numbers of a record, or what they range over where they are many."""
    numbers = value if isinstance(value, list) else [value]
    if len(numbers) > MANY:
        return f"{len(numbers)} numbers from {min(numbers)} to {max(numbers)}"
    return ", ".join(map(str, numbers))
