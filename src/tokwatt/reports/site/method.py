"""Every equation with its mathematics, read from the docstrings of the code without running it."""

import ast
import inspect
import re
from dataclasses import dataclass, field
from pathlib import Path

from markupsafe import Markup

from tokwatt.reports.site.markup import documentation, mathematics

DISPLAYED = ".. math::"
"""How a displayed formula begins in a docstring."""
_HEADS = re.compile(r"^(Args|Returns|Raises|Yields|Source|Attributes):[ ]*", re.MULTILINE)


@dataclass
class Equation:
    """One function as documented.

    Attributes:
        name: of the function.
        line: where it begins in its file.
        summary: the first sentence.
        formulas: displayed mathematics.
        remarks: other paragraphs.
        arguments: name, unit and meaning of each argument.
        returned: unit and meaning of the result.
        source: where the equation comes from.
    """

    name: str
    line: int
    summary: Markup
    formulas: list[Markup]
    remarks: list[Markup]
    arguments: list[tuple[str, str, Markup]]
    returned: tuple[str, Markup]
    source: Markup


@dataclass
class Module:
    """A file of equations.

    Attributes:
        path: below the package.
        meaning: the first paragraph of its docstring.
        equations: its functions with a source.
    """

    path: str
    meaning: Markup
    equations: list[Equation] = field(default_factory=list)

    @property
    def name(self) -> str:
        """Its name without folders."""
        return Path(self.path).stem


def modules(package: Path) -> list[Module]:
    """The modules of a package that hold functions with a source, in the order of their paths."""
    files = (_module(path, package) for path in sorted(package.rglob("*.py")))
    return [module for module in files if module.equations]


def addresses(modules: list[Module]) -> dict[str, str]:
    """Where the page has an equation, by the name that documents call it."""
    names = (
        f"{module.name}.{equation.name}" for module in modules for equation in module.equations
    )
    return {name: f"method.html#{name}" for name in names}


def _module(path: Path, package: Path) -> Module:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    meaning = (ast.get_docstring(tree) or "").split("\n\n")[0]
    module = Module(path.relative_to(package).as_posix(), documentation(_joined(meaning)))
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and "\nSource:" in (ast.get_docstring(node) or ""):
            module.equations.append(_equation(node))
    return module


def _equation(node: ast.FunctionDef) -> Equation:
    sections = _sections(ast.get_docstring(node) or "")
    summary, *paragraphs = re.split(r"\n\n(?!\s)", sections[""].strip())
    displayed = [text for text in paragraphs if text.startswith(DISPLAYED)]
    arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    units = {argument.arg: _annotation(argument.annotation) for argument in arguments}
    return Equation(
        name=node.name,
        line=node.lineno,
        summary=documentation(_joined(summary)),
        formulas=[
            mathematics(_joined(text.removeprefix(DISPLAYED)), "block") for text in displayed
        ],
        remarks=[documentation(_joined(text)) for text in paragraphs if text not in displayed],
        arguments=[
            (name, units.get(name, ""), documentation(text))
            for name, text in _listed(sections.get("Args", ""))
        ],
        returned=(_annotation(node.returns), documentation(_joined(sections.get("Returns", "")))),
        source=documentation(_joined(sections["Source"])),
    )


def _annotation(expression: ast.expr | None) -> str:
    return ast.unparse(expression) if expression else ""


def _sections(document: str) -> dict[str, str]:
    """The parts of a docstring in Google's style; the one before the first head has no name."""
    first, *rest = _HEADS.split(document)
    return {"": first} | {
        head: inspect.cleandoc(body) if "\n" in body else body
        for head, body in zip(rest[::2], rest[1::2], strict=True)
    }


def _listed(text: str) -> list[tuple[str, str]]:
    """Arguments and their meanings."""
    parts = re.split(r"^\*{0,2}(\w+): ", text, flags=re.MULTILINE)[1:]
    return [(name, _joined(text)) for name, text in zip(parts[::2], parts[1::2], strict=True)]


def _joined(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()
