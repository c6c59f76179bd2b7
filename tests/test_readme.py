"""What the README says is so."""

import contextlib
import io
import re

import yaml
from conftest import ROOT
from rattler import MatchSpec

README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_python_lines_print_what_their_comments_say(monkeypatch):
    monkeypatch.chdir(ROOT)
    code = re.search(r"```python\n(.*?)```", README, re.DOTALL)[1]
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, "README.md", "exec"), {})
    assert printed.getvalue().splitlines() == [
        line.split("  # ")[1] for line in code.splitlines() if "  # " in line
    ]


def test_every_file_it_names_is_there():
    tracked = re.findall(r"\]\(((?!http)[^)]+)\)", README) + re.findall(
        r"`(params/[\w.]+|src/[\w/]+)`", README
    )
    assert [name for name in tracked if not (ROOT / name).exists()] == []


def test_conda_gets_a_python_that_the_package_allows_and_the_lock():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    *specs, pip = environment["dependencies"]
    python = MatchSpec(next(spec for spec in specs if spec.startswith("python")))
    assert str(python.version) == ">=3.11,<3.14"
    assert pip == {"pip": ["-r requirements.txt"]}


def test_the_lock_holds_no_address_and_hashes_everything():
    lock = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    assert not re.search(r"https?:|file:|/opt|/work|/home", lock)
    packages = re.findall(r"^[\w.-]+==.*(?:\n .*)*", lock, re.MULTILINE)
    assert packages
    assert [package for package in packages if "--hash=sha256:" not in package] == []
