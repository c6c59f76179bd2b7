"""The run record: complete, the same each time, free of this machine; differences are named."""

import json
import shutil
import sys
from pathlib import Path

import pytest
from conftest import ROOT
from rocrate.rocrate import ROCrate

from tokwatt.commands import workflow
from tokwatt.reports import provenance

OUTPUTS = [Path("figures/split.csv"), Path("figures/split.svg")]


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    for name in ["params", "src"]:
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "figures").mkdir()
    for name in [provenance.CITATION, provenance.WORKFLOW, provenance.LOCK, *OUTPUTS]:
        shutil.copy(ROOT / name, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    provenance.write_record(OUTPUTS)
    return tmp_path


def differences():
    return vars(provenance.differences_from())


NONE = {"missing": [], "changed": [], "extra": []}


def test_right_after_a_run_nothing_differs(checkout):
    assert differences() == NONE


def test_every_file_that_went_in_and_came_out_is_there_with_its_hash(checkout):
    graph = json.loads(provenance.RECORD.read_text(encoding="utf-8"))["@graph"]
    hashed = {entity["@id"] for entity in graph if "sha256" in entity}
    tracked = {
        path.relative_to(checkout).as_posix()
        for folder in ["params", "src"]
        for path in (checkout / folder).rglob("*")
        if path.is_file()
    }
    assert hashed == tracked | {"CITATION.cff", "Snakefile", "requirements.txt", *map(str, OUTPUTS)}


def test_the_library_reads_it_back(checkout):
    crate = ROCrate(checkout)
    assert crate.mainEntity.id == "Snakefile"
    action = crate.get("#run")
    assert {made.id for made in action["result"]} == set(map(str, OUTPUTS))
    versions = {
        each["name"]: each["softwareVersion"]
        for each in action["instrument"]["softwareRequirements"]
    }
    assert {"Python", "jax", "matplotlib", "netcdf4", "numpy", "snakemake", "xarray"} <= set(
        versions
    )
    assert crate.license
    assert crate.description


def test_the_same_run_is_the_same_record_wherever_it_lies(checkout, monkeypatch, tmp_path_factory):
    before = provenance.RECORD.read_bytes()
    assert str(checkout).encode() not in before
    assert b"2026-11-22T00:00:00+00:00" in before
    other = shutil.copytree(checkout, tmp_path_factory.mktemp("elsewhere") / "other")
    monkeypatch.chdir(other)
    provenance.write_record(reversed(OUTPUTS))
    assert provenance.RECORD.read_bytes() == before
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    provenance.write_record(OUTPUTS)
    assert b"1970-01-01T00:00:00+00:00" in provenance.RECORD.read_bytes()


def test_what_is_gone_changed_or_added_is_named(checkout):
    (checkout / "figures/split.svg").unlink()
    (checkout / "params/gpus.yaml").write_text("H100: {}\n", encoding="utf-8")
    (checkout / "figures/new.png").touch()
    assert differences() == {
        "missing": ["figures/split.svg"],
        "changed": ["params/gpus.yaml"],
        "extra": ["figures/new.png"],
    }


def test_it_is_read_from_another_folder(checkout, monkeypatch, tmp_path_factory):
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    assert vars(provenance.differences_from(checkout / provenance.RECORD)) == NONE


def command(*arguments):
    with pytest.raises(SystemExit) as ended:
        sys.argv = ["tokwatt", *arguments]
        workflow.main()
    return ended.value.code


def test_the_command_ends_with_1_where_something_differs(checkout, capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", [])
    assert (command("verify"), capsys.readouterr().out) == (0, "")
    assert (command("record", *map(str, OUTPUTS)), capsys.readouterr().out) == (0, "")
    (checkout / "figures/split.csv").write_text("", encoding="utf-8")
    assert (command("verify"), capsys.readouterr().out) == (1, "changed figures/split.csv\n")
    assert command("verify", "--json") == 1
    assert json.loads(capsys.readouterr().out) == NONE | {"changed": ["figures/split.csv"]}


@pytest.mark.parametrize(
    "text", [None, "", "[]", "{}", '{"@graph": 3}', '{"@graph": [{"sha256": "1"}]}']
)
def test_a_record_that_is_none_is_one_sentence(text, checkout, capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", [])
    provenance.RECORD.unlink()
    if text is not None:
        provenance.RECORD.write_text(text, encoding="utf-8")
    sentence = command("verify")
    assert sentence.startswith("ro-crate-metadata.json: ")
    assert sentence.endswith(".")
