"""Figures that studies' files describe: mistakes are one sentence, what is drawn is the data."""

import matplotlib.style
import msgspec
import numpy as np
import pytest
import quick_yaml
import xarray as xr
from conftest import GONE, ROOT, damage
from matplotlib.collections import QuadMesh

from tokwatt.params.errors import ParameterError
from tokwatt.params.records.plots import KINDS, Plot
from tokwatt.reports.drawing import gallery, plotting
from tokwatt.reports.drawing.crowding import overlaps
from tokwatt.reports.figures.common.frames import drawn as rounded
from tokwatt.reports.figures.common.kinds import LOOKS
from tokwatt.reports.figures.common.standard import Standard
from tokwatt.reports.labels import Labels
from tokwatt.serving.catalogue import Catalogue
from tokwatt.studies import plotted, study

NAME = "long_windows"
TREE = quick_yaml.load((ROOT / f"params/studies/{NAME}.yaml").read_text(encoding="utf-8"))
AT = {"llm": "gpt-oss-120b"}
HEAT = {**TREE["plot"], "kind": "heat", "y": "llm", "color": "tokens_per_joule", "log": ["color"]}
del HEAT["series"]

DAMAGES = {
    "an unknown key": (["kidn"], "line", "plot.kidn is not a known key", "did you mean 'kind'?"),
    "no kind": (["kind"], GONE, "plot.kind is missing", "a value"),
    "an unknown kind": (["kind"], "lines", "plot.kind is 'lines'", "line, bar, heat"),
    "an axis as quantity": (["y"], "gpu", "plot.y is 'gpu'", "tokens_per_joule"),
    "a quantity as axis": (["x"], "power", "plot.x is 'power'", "gpu, llm, context_window"),
    "an axis twice": (["series"], "gpu", "plot.series is 'gpu', which is drawn already", "another"),
    "an axis left": (["panels"], GONE, "plot.at.gpu is missing", "one of its values"),
    "an axis drawn": (["at"], AT, "plot.at.llm is no axis that is left", "none: every axis"),
    "a colour": (["color"], "tokens_per_joule", "plot.color is no part of kind: line", "none"),
    "a scale": (["log"], ["color"], "plot.log is 'color'", "one of x, y"),
    "no mapping": ([], 3, "plot is 3", "a mapping"),
    "a caption of numbers": (["caption"], 3, "plot.caption is 3", "text"),
}


def complaint(params, tree, read):
    path = params / "studies" / "mine.yaml"
    path.write_text(quick_yaml.dump(tree), encoding="utf-8")
    with pytest.raises(ParameterError) as caught:
        read(params)
    sentence = str(caught.value)
    assert sentence.startswith(f"{path}: ") and "\n" not in sentence
    return sentence.removeprefix(f"{path}: ")


@pytest.fixture
def folder(damaged):
    """A parameter folder to add a study to."""
    return damaged("paper", ["parts"], 0)


@pytest.mark.parametrize("case", DAMAGES)
def test_a_wrong_description_is_one_sentence(case, folder):
    path, value, found, wanted = DAMAGES[case]
    sentence = complaint(folder, damage(TREE, ["plot", *path], value), gallery.entries)
    assert sentence.startswith(found) and wanted in sentence.partition("wanted ")[2]


def test_a_plot_stands_last_and_makes_no_second_figure(folder):
    """What stands above it in the file is what the workflow takes for the study."""
    first = {"plot": TREE["plot"]} | {key: TREE[key] for key in TREE if key != "plot"}
    assert "plot stands above other keys" in complaint(folder, first, gallery.entries)
    (folder / "studies" / "mine.yaml").unlink()
    (folder / "studies" / "fleets.yaml").write_text(quick_yaml.dump(TREE))
    with pytest.raises(ParameterError, match="makes a second figure 'fleets', wanted another name"):
        gallery.entries(folder)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"x": "gpu", "panels": "context_window"}, "plot.x is 'gpu', an axis of names"),
        ({"series": "context_window", "x": "llm"}, "plot.x is 'llm', an axis of names"),
        (
            {"kind": "bar", "x": "llm", "series": "context_window", "log": []},
            "which has 19, wanted",
        ),
        ({"series": None, "at": {"llm": "gpt-oss-12b"}}, "plot.at.llm is 'gpt-oss-12b', wanted"),
        (
            {"kind": "bar", "x": "llm", "series": None, "log": []}
            | {"at": {"context_window": {"value": 9000, "unit": "tok"}}},
            "plot.at.context_window is 9000 tok, wanted a value of the axis, such as 8192",
        ),
        (
            {"kind": "bar", "x": "llm", "series": None, "log": []}
            | {"at": {"context_window": {"value": 8192, "unit": "W"}}},
            "plot.at.context_window.unit is 'W', wanted a unit that converts to 'tok'",
        ),
    ],
)
def test_a_figure_has_room_for_its_axes_and_stands_at_values_that_they_have(
    change, sentence, folder
):
    catalogue = Catalogue(folder)
    plot = {key: value for key, value in {**TREE["plot"], **change}.items() if value is not None}
    found = complaint(
        folder, TREE | {"plot": plot}, lambda params: study.load_study(params, "mine", catalogue)
    )
    assert sentence in found


def test_an_edit_of_the_figure_makes_no_other_store(folder):
    catalogue = Catalogue(folder)
    before = study.load_study(folder, NAME, catalogue).provenance
    path = folder / "studies" / f"{NAME}.yaml"
    path.write_text(quick_yaml.dump(TREE | {"plot": HEAT}), encoding="utf-8")
    assert study.load_study(folder, NAME, catalogue).provenance["study"] == before["study"]


@pytest.fixture(scope="module")
def grid():
    """Any numbers, two of which do not fit."""
    axes = {
        "gpu": ["H100", "A100"],
        "llm": ["small", "large", "larger", "largest"],
        "context_window": 2.0 ** np.arange(11, 21),
        "arrival_rate": [1.0, 30.0],
    }
    shape = [len(axis) for axis in axes.values()]
    values = np.random.default_rng(1).uniform(1, 2000, shape)
    values[:, 3, -2:] = np.nan
    dataset = xr.Dataset({"tokens_per_joule": (list(axes), values)}, axes)
    dataset.tokens_per_joule.attrs["units"] = "tok/J"
    dataset.context_window.attrs["units"] = "tok"
    dataset.arrival_rate.attrs["units"] = "req/s"
    return dataset


RATE = {"arrival_rate": {"value": 1800, "unit": "req/min"}}
PLOTS = {
    "lines": {"kind": "line", "x": "context_window", "y": "tokens_per_joule"}
    | {"series": "llm", "panels": "gpu", "log": ["x", "y"], "at": RATE},
    "one line": {"kind": "line", "x": "context_window", "y": "tokens_per_joule"}
    | {"at": RATE | {"gpu": "H100", "llm": "small"}},
    "bars": {"kind": "bar", "x": "llm", "y": "tokens_per_joule", "series": "gpu"}
    | {"at": RATE | {"context_window": {"value": 8, "unit": "ktok"}}},
    "bars of numbers": {"kind": "bar", "x": "context_window", "y": "tokens_per_joule"}
    | {"series": "arrival_rate", "panels": "gpu", "log": ["y"], "at": {"llm": "large"}},
    "a map": {"kind": "heat", "x": "context_window", "y": "llm", "color": "tokens_per_joule"}
    | {"panels": "gpu", "log": ["color"], "at": RATE},
}


def standard(case):
    about = {"caption": "", "category": ""}
    return Standard(NAME, msgspec.convert(PLOTS[case] | about, Plot))


def canvas(case, grid):
    plot = standard(case)
    with matplotlib.style.context(plotting.STYLE, after_reset=True):
        return plot.draw(rounded(plot.data({NAME: grid})), Labels({}))


@pytest.mark.parametrize("case", PLOTS)
def test_no_text_lies_over_another_and_every_quantity_names_the_unit_of_its_dataset(case, grid):
    figure = canvas(case, grid)
    titles = {axis.get_label_text() for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)}
    assert "Tokens per joule (tok/J)" in titles
    assert [title for title in titles if title and not title.endswith(")")] == []
    with matplotlib.style.context(plotting.STYLE, after_reset=True):
        assert overlaps(figure) == 0


def test_lines_and_bars_are_the_numbers_of_the_dataset_without_what_does_not_fit(grid):
    frame = standard("lines").data({NAME: grid})
    chosen = grid.tokens_per_joule.sel(arrival_rate=30)
    assert list(frame) == ["gpu", "llm", "context_window [tok]", "tokens_per_joule [tok/J]"]
    assert len(frame) == int(chosen.notnull().sum())
    for row in frame.itertuples(index=False):
        assert row[3] == chosen.sel(gpu=row[0], llm=row[1], context_window=row[2])
    panel = canvas("lines", grid).axes[1]
    assert [line.get_label() for line in panel.get_lines()] == [
        "small",
        "large",
        "larger",
        "largest",
    ]
    np.testing.assert_allclose(
        panel.get_lines()[1].get_ydata(), chosen.sel(gpu="A100", llm="large"), rtol=1e-5
    )


def test_cells_of_a_map_that_do_not_fit_have_no_colour(grid):
    panel = canvas("a map", grid).axes[0]
    mesh = next(child for child in panel.get_children() if isinstance(child, QuadMesh))
    assert np.argwhere(np.ma.getmaskarray(mesh.get_array())).tolist() == [[3, 8], [3, 9]]


def test_series_are_told_apart_with_and_without_colour():
    assert len(LOOKS) == plotted.MOST["series"]
    for key in ("color", "marker", "linestyle", "hatch"):
        assert len({str(look[key]) for look in LOOKS}) >= len(LOOKS) - 2 * (key == "linestyle")


def test_every_kind_is_tried():
    assert {entry["kind"] for entry in PLOTS.values()} == set(KINDS)
