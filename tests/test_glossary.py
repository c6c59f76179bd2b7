"""Public names are made of the words of docs/glossary.md."""

import ast
import importlib
import inspect
import pkgutil
import re
from collections import defaultdict
from functools import cached_property

import pytest
import xarray as xr
from conftest import ROOT

import tokwatt
from tokwatt.reports.drawing.plotting import FigureModule

GLOSSARY = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
COMPUTING = ("equations", "serving", "calibration", "simulation", "accounts", "planning")
ALSO = ("tokwatt.params.specs", "tokwatt.studies.models", "tokwatt.units")
WHERE = (*(f"tokwatt.{folder}" for folder in COMPUTING), *ALSO)
HINT = "write a term of docs/glossary.md, or add the word to its list of other words"


def words_of(name):
    """`kv_bytes` and `KvBytes` are kv and bytes; numbers are no words."""
    return {word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)}


def singular(word):
    """A word without the ending of a plural, well enough to compare two of them."""
    for plural, ending in (("ies", "y"), ("sses", "ss"), ("xes", "x"), ("ches", "ch"), ("s", "")):
        if word.endswith(plural) and not word.endswith("ss"):
            return word.removesuffix(plural) + ending
    return word


TERMS = re.findall(r"^\| ([^|]+) \|", GLOSSARY.partition("## One word")[0], re.MULTILINE)
TEXTS = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md"))


@pytest.fixture(scope="module")
def allowed():
    """Words of the terms, of names in backquotes, and of the list at the end."""
    named = re.findall(r"`([\w.]+)`", GLOSSARY)
    listed = GLOSSARY.partition("```text\n")[2].partition("```")[0]
    return {singular(word) for text in (*TERMS, *named, listed) for word in words_of(text)}


def strange(names, allowed):
    """Names with words that the glossary lacks, each with where it stands."""
    return sorted(
        f"{word!r} in {name} ({where})"
        for name, where in names.items()
        for word in words_of(name)
        if singular(word) not in allowed
    )


def members(owner):
    """Public fields, methods and properties of a class."""
    kinds = (property, cached_property, classmethod, staticmethod)
    methods = {
        name
        for name, value in vars(owner).items()
        if inspect.isfunction(value) or isinstance(value, kinds)
    }
    return methods | set(vars(owner).get("__annotations__", {}))


def public_names():
    """Modules, functions, and classes with their members, of what computes and of specs."""
    names = {}
    for entry in pkgutil.walk_packages(tokwatt.__path__, "tokwatt."):
        where = entry.name.removeprefix("tokwatt.")
        if not f"{entry.name}.".startswith(tuple(f"{place}." for place in WHERE)):
            continue
        module = importlib.import_module(entry.name)
        names[where.rpartition(".")[2]] = where
        for name, value in vars(module).items():
            if getattr(value, "__module__", None) == entry.name and callable(value):
                names[name] = where
                if inspect.isclass(value):
                    names |= dict.fromkeys(members(value), f"{where}.{name}")
    return {name: where for name, where in names.items() if not name.startswith("_")}


def test_public_names_are_made_of_words_of_the_glossary(allowed):
    assert strange(public_names(), allowed) == [], HINT


def test_variables_of_datasets_are_made_of_words_of_the_glossary(allowed, grids):
    names = {
        str(name): path.stem
        for path in grids.rglob("*.nc")
        for name in xr.open_dataset(path).variables
    }
    assert len(names) > 20
    assert strange(names, allowed) == [], HINT


def test_a_term_is_explained_once():
    names = [name.strip().lower() for term in TERMS for name in term.split(",")]
    names = [name for name in names if name not in ("term", "---")]
    assert len(names) > 50
    assert sorted({name for name in names if names.count(name) > 1}) == []


@pytest.mark.parametrize(
    "path", [*TEXTS, *(ROOT / "params").rglob("*.yaml")], ids=lambda path: path.name
)
def test_texts_write_the_term_and_not_a_paraphrase(path):
    table = GLOSSARY.partition("## One word")[2].partition("\n## ")[0]
    avoided = re.findall(r"^\| [^|]+ \| ([^|]+) \|$", table, re.MULTILINE)[1:]
    phrases = [phrase for cell in avoided for phrase in cell.split("; ") if " " in phrase]
    assert len(phrases) > 5
    text = " ".join(path.read_text(encoding="utf-8").replace(table, "").split()).lower()
    assert [phrase for phrase in phrases if phrase in text] == []


def of_a_protocol():
    """Functions that every module of figures has, as `FigureModule` wants them."""
    return {name for name, value in vars(FigureModule).items() if inspect.isfunction(value)}


@pytest.mark.parametrize("kinds", [ast.ClassDef, ast.FunctionDef], ids=["class", "function"])
def test_a_public_name_is_defined_once(kinds):
    """Modules that stand for one another under a protocol define what that wants."""
    folder = ROOT / "src" / "tokwatt"
    defined = defaultdict(list)
    for path in folder.rglob("*.py"):
        exempt = of_a_protocol() if path.parent == folder / "reports" / "figures" else set()
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if not isinstance(node, kinds) or "overload" in map(ast.unparse, node.decorator_list):
                continue
            if node.name[0] != "_" and node.name not in exempt:
                defined[node.name].append(str(path.relative_to(folder)))
    assert len(defined) > 100
    assert {name: places for name, places in defined.items() if len(places) > 1} == {}
