"""Figures: the entries and the modules match, what is drawn is what is written, and twice is the same."""

import io
from importlib import import_module

import matplotlib.style
import numpy as np
import pandas as pd
import pytest
import xarray as xr

from tokwatt import plotting
from tokwatt.records import ParameterError


@pytest.fixture(scope="module")
def entries(params):
    return plotting.entries(params)


@pytest.fixture(scope="module")
def drawn(entries, grids, tmp_path_factory):
    folder = tmp_path_factory.mktemp("figures")
    for name, entry in entries.items():
        plotting.render(name, entry, grids, folder)
    return folder


each_figure = pytest.mark.parametrize("name", plotting.NAMES)


def canvas_of(name, frame):
    with matplotlib.style.context(plotting.STYLE, after_reset=True):
        return import_module(f"tokwatt.figures.{name}").draw(frame)


def test_every_entry_has_a_module_and_every_module_an_entry(entries):
    assert sorted(entries) == sorted(plotting.NAMES)


@each_figure
def test_a_figure_comes_in_four_formats(name, drawn):
    assert sorted(path.suffix for path in drawn.glob(f"{name}.*")) == [".csv", ".pdf", ".png", ".svg"]


@each_figure
def test_drawn_again_it_is_the_same_to_the_byte(name, entries, grids, drawn, tmp_path):
    plotting.render(name, entries[name], grids, tmp_path)
    for path in tmp_path.iterdir():
        assert path.read_bytes() == (drawn / path.name).read_bytes(), path.name


@each_figure
def test_the_written_numbers_alone_make_the_drawing(name, drawn):
    """What is read back from the CSV draws the same paths as what was drawn."""
    text = io.BytesIO()
    with matplotlib.style.context(plotting.STYLE, after_reset=True):
        canvas_of(name, pd.read_csv(drawn / f"{name}.csv")).savefig(text, format="svg", metadata={"Date": None})
    body = text.getvalue().partition(b"</metadata>")[2]
    assert body == (drawn / f"{name}.svg").read_bytes().partition(b"</metadata>")[2]


@each_figure
def test_axes_that_show_a_quantity_name_its_unit(name, drawn):
    canvas = canvas_of(name, pd.read_csv(drawn / f"{name}.csv"))
    labels = [axis.get_label_text() for axes in canvas.axes for axis in (axes.xaxis, axes.yaxis)]
    assert any(labels)
    assert [label for label in labels if label and not label.endswith(")")] == []


def numbers_of(grids, names):
    """Every number of these grids; and ratios of tokens per joule, and products of two such ratios."""
    datasets = [xr.load_dataset(grids / f"{name}.nc") for name in names]
    numbers = np.concatenate([np.ravel(data[name]) for data in datasets for name in data.variables if data[name].dtype.kind in "fi"])
    fleets = [data.tokens_per_joule for data in datasets if "topology" in data.dims and "seed" not in data.dims]
    efficiencies = np.unique(np.concatenate([np.ravel(fleet) for fleet in fleets] or [[]]))
    ratios = np.unique(np.divide.outer(efficiencies, efficiencies))
    return np.unique(np.concatenate([numbers, numbers * 1e3, numbers / 1e6, ratios, np.ravel(np.outer(ratios, ratios))]))


@each_figure
def test_every_number_drawn_follows_from_its_grids(name, entries, grids, drawn):
    known = numbers_of(grids, entries[name].grids)
    known = known[np.isfinite(known)]
    frame = pd.read_csv(drawn / f"{name}.csv")
    for column in frame.select_dtypes("number"):
        for value in frame[column].dropna():
            place = np.searchsorted(known, value)
            near = known[max(place - 1, 0) : place + 2]
            assert np.isclose(near, value, rtol=1e-12, atol=0).any(), (column, value)


def test_bars_of_the_waterfall_join_the_published_value_with_the_consistent_one(grids, drawn):
    """What is left out between two bars changes a value by less than the smallest bar does."""
    values = xr.load_dataset(grids / "waterfall.nc").value
    for headline, rows in pd.read_csv(drawn / "waterfall.csv").groupby("headline"):
        before, after = rows["before [1]"].fillna(rows["after [1]"]).to_numpy(), rows["after [1]"].to_numpy()
        assert [after[0], after[-1]] == values.sel(headline=headline)[[0, -1]].values.tolist()
        assert np.all(abs(np.log(before[1:] / after[:-1])) < np.log(1.02))
        assert np.all(abs(np.log(after / before))[1:-1] >= np.log(1.02))


def test_letters_of_the_slopes_name_the_largest_part_and_misfits_their_missing_bytes(grids, drawn):
    grid = xr.load_dataset(grids / "slopes.nc")
    for row in pd.read_csv(drawn / "slopes.csv").to_dict("records"):
        point = grid.sel(account=row["account"], gpu=row["gpu"], llm=row["llm"], context_window=row["context_window [tok]"])
        parts = {name: float(point[name]) for name in point if name.startswith("by_")}
        assert np.isnan(row["slope [1]"]) == (row["missing [B]"] > 0)
        assert np.isnan(row["slope [1]"]) or row["cause"] == max(parts, key=parts.get)


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        (["figures", "context_window", "grids"], ["context_windw"], "figures.context_window.grids is 'context_windw', wanted one of"),
        (["figures", "context_window", "grids"], [], "figures.context_window.grids is [], wanted"),
        (["figures", "contxt"], {"grids": ["split"]}, "figures.contxt is not a figure, wanted one of"),
        (["figures", "split", "titel"], "A", "figures.split.titel is not a known key, wanted one of"),
    ],
)
def test_a_wrong_entry_is_one_sentence(key, value, sentence, damaged):
    folder = damaged("paper", key, value)
    with pytest.raises(ParameterError) as caught:
        plotting.check(folder)
    assert str(caught.value).startswith(f"{folder}/paper.yaml: {sentence}")
    assert "\n" not in str(caught.value)
