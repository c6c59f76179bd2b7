"""Every equation with its mathematics, source and function, read from the docstrings of the code without running it."""

import ast
import inspect
import re
from dataclasses import dataclass, field
from pathlib import Path

from markupsafe import Markup

from tokwatt.reports.site.markup import linked, mathematics

_HEADS = re.compile(r"^(Args|Returns|Raises|Yields|Source|Attributes):[ ]*", re.MULTILINE)


@dataclass
class Equation:
    """One function as its docstring tells it."""

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
    """A file of equations."""

    path: str
    meaning: Markup
    equations: list[Equation] = field(default_factory=list)

    @property
    def name(self) -> str:
        return Path(self.path).stem


def modules(package: Path) -> list[Module]:
    """The modules of a package that hold functions with a source, in the order of their paths."""
    found = (_module(path, package) for path in sorted(package.rglob("*.py")))
    return [module for module in found if module.equations]


def addresses(modules: list[Module]) -> dict[str, str]:
    """Where the page has an equation, by the name that documents call it."""
    names = (
        f"{module.name}.{equation.name}" for module in modules for equation in module.equations
    )
    return {name: f"method.html#{name}" for name in names}


def _module(path: Path, package: Path) -> Module:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    meaning = (ast.get_docstring(tree) or "").split("\n\n")[0]
    module = Module(path.relative_to(package).as_posix(), linked(_joined(meaning)))
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and "\nSource:" in (ast.get_docstring(node) or ""):
            module.equations.append(_equation(node))
    return module


def _equation(node: ast.FunctionDef) -> Equation:
    sections = _sections(ast.get_docstring(node) or "")
    summary, *paragraphs = re.split(r"\n\n(?!\s)", sections[""].strip())
    arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    units = {
        each.arg: ast.unparse(each.annotation) if each.annotation else "" for each in arguments
    }
    return Equation(
        name=node.name,
        line=node.lineno,
        summary=linked(_joined(summary)),
        formulas=[
            mathematics(_formula(each), "block")
            for each in paragraphs
            if each.startswith(".. math::")
        ],
        remarks=[linked(_joined(each)) for each in paragraphs if not each.startswith(".. math::")],
        arguments=[
            (name, units.get(name, ""), linked(text))
            for name, text in _listed(sections.get("Args", ""))
        ],
        returned=(
            ast.unparse(node.returns) if node.returns else "",
            linked(_joined(sections.get("Returns", ""))),
        ),
        source=linked(_joined(sections["Source"])),
    )


def _sections(document: str) -> dict[str, str]:
    """The parts of a docstring in Google's style, what stands before the first head under an empty name."""
    first, *rest = _HEADS.split(document)
    return {"": first} | {
        head: inspect.cleandoc(body) if "\n" in body else body
        for head, body in zip(rest[::2], rest[1::2], strict=True)
    }


def _listed(text: str) -> list[tuple[str, str]]:
    """Arguments with what is said of them."""
    parts = re.split(r"^\*{0,2}(\w+): ", text, flags=re.MULTILINE)[1:]
    return [(name, _joined(said)) for name, said in zip(parts[::2], parts[1::2], strict=True)]


def _formula(paragraph: str) -> str:
    return _joined(paragraph.removeprefix(".. math::"))


def _joined(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()
