"""What a terminal is sent: nothing in it moves a cursor, hides, or turns text around."""

import json
import re
import sys

import hostile
import pytest
from conftest import ROOT

from tokwatt.commands import workflow

UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")
ODD = "a\x1b[31m\x9bm\u202eb\u200b"


@pytest.fixture
def said(monkeypatch, capsys):
    """Everything that a command prints, and its exit code."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["tokwatt", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            workflow.main()
        printed = capsys.readouterr()
        code = ended.value.code
        return printed.out + printed.err + (code if isinstance(code, str) else ""), code

    return run


@pytest.fixture(scope="module")
def infected_params(tmp_path_factory):
    folder = tmp_path_factory.mktemp("infected") / "params"
    hostile.infected_params(ROOT / "params", folder)
    return folder


@pytest.mark.parametrize(
    "arguments",
    [
        ["check", "--params", ODD],
        ["audit", "--params", ROOT / "params", "--grids", ODD],
        ["figure", ODD],
        ["grids", ODD],
        ["table", ODD],
        ["study", ODD],
        ["point", "--llm", ODD],
        ["score", ODD],
        ["llm", "import", ODD],
        ["fleet", "--trace", ODD],
        ["headline", ODD],
        ["headline", "--set", f"basis={ODD}"],
        ["verify", "--record", ODD],
    ],
    ids=lambda arguments: arguments[0],
)
def test_a_name_that_is_none_is_repeated_without_controls(arguments, said):
    text, code = said(*arguments)
    assert code not in (0, None)
    assert text and not UNSEEN.search(text)


def test_names_of_changed_files_are_shown_without_controls(said, tmp_path):
    record = tmp_path / "record.json"
    graph = [{"@id": ODD, "sha256": "0"}]
    record.write_text(json.dumps({"@graph": graph}), encoding="utf-8")
    text, code = said("verify", "--record", record)
    assert code == 1 and text.startswith("missing a") and not UNSEEN.search(text)


@pytest.mark.parametrize("command", [["check"], ["studies"], ["headline"], ["headline", "--json"]])
def test_hostile_texts_of_records_are_shown_without_controls(command, infected_params, said):
    text, code = said(*command, "--params", infected_params)
    assert code in (0, None) and not UNSEEN.search(text)
