"""Figures and tables of grids that are longer than the paper's."""

import shutil

import matplotlib.style
import pandas as pd
import pytest
import quick_yaml
import xarray as xr
from conftest import ROOT
from matplotlib.figure import Figure
from matplotlib.text import Annotation

from tokwatt import studies
from tokwatt.reports import labels, tables
from tokwatt.reports.drawing import gallery, plotting
from tokwatt.reports.drawing.crowding import overlaps
from tokwatt.serving import catalogue

WINDOWS = {"1M": 20, "no fit": 24}
"""Logarithms of the longest context window: as many models offer, and more than fits."""


@pytest.fixture(scope="module", params=WINDOWS.values(), ids=WINDOWS)
def longer(request, params, grids, tmp_path_factory):
    """A parameter folder whose Table 1 goes on to longer windows, and its grids."""
    folder = shutil.copytree(params, tmp_path_factory.mktemp("longer") / "params")
    paper = quick_yaml.load((folder / "paper.yaml").read_text(encoding="utf-8"))
    windows = [2**power for power in range(11, request.param + 1)]
    paper["grids"]["context_window"]["context_window"]["value"] = windows
    text = quick_yaml.dump(paper)
    (folder / "paper.yaml").write_text(text, encoding="utf-8")
    parameters = catalogue.load(folder)
    entry = parameters.section("paper").child("grids").child("context_window")
    out = folder.parent / "grids"
    out.mkdir()
    with xr.set_options(keep_attrs=True):
        studies.compute(parameters, entry, {}).to_netcdf(out / "context_window.nc")
    shutil.copy(next(grids.rglob("power_curve.nc")), out)
    return folder, out


@pytest.mark.filterwarnings("ignore:divide by zero encountered in log2")
@pytest.mark.parametrize("name", ["context_window", "power_curve"])
def test_no_text_of_a_longer_figure_lies_over_another_or_across_an_axis(name, longer):
    folder, out = longer
    figure = gallery.entries(folder)[name]
    datasets = {grid: xr.load_dataset(out / f"{grid}.nc") for grid in figure.entry.grids}
    plot = plotting.plot_of(name, figure, datasets, labels.read_labels(folder))
    with matplotlib.style.context(plotting.STYLE, after_reset=True):
        assert overlaps(plot.canvas(plotting.Print())) == 0


def test_the_table_has_the_longer_windows_as_they_are_spoken_of(longer, tmp_path):
    folder, out = longer
    tables.write_table("table1", folder, out, tmp_path)
    printed = (tmp_path / "table1.md").read_text(encoding="utf-8")
    windows = [line.split("|")[1].strip() for line in printed.splitlines() if line[:1] == "|"]
    assert windows[2:12] == ["2K", "4K", "8K", "16K", "32K", "64K", "128K", "256K", "512K", "1M"]
    assert windows[12:] in ([], ["2M", "4M", "8M", "16M"])


WINDOW = "context_window [tok]"
SHOWN = ("consistent", "context_window", "long_windows", "measured_slope", "power_curve", "slopes")
"""Figures of context windows."""


def doubled(frame):
    """The numbers of a figure with windows up to 1M, each doubling as far as the last of all."""
    parts, last = [frame], frame[WINDOW].max()
    while last < 2**20:
        far = parts[-1][parts[-1][WINDOW] == last]
        halved = {name: far[name] / 1.9 for name in far if name.startswith(("tokens_per", "batch"))}
        last *= 2
        parts.append(far.assign(**{WINDOW: last, **halved}))
    return pd.concat(parts, ignore_index=True)


@pytest.mark.parametrize("name", SHOWN)
def test_every_figure_of_windows_has_room_for_windows_up_to_1m(name, canvas_of, label):
    frame = pd.read_csv(ROOT / "figures" / f"{name}.csv")
    canvas = canvas_of(name, doubled(frame), label)
    with matplotlib.style.context(plotting.STYLE, after_reset=True):
        assert overlaps(canvas) == 0


def test_names_that_touch_lie_over_each_other():
    with matplotlib.style.context(plotting.STYLE, after_reset=True):
        figure = Figure(figsize=(4, 1))
        figure.add_subplot().set_axis_off()
        first = figure.text(0.1, 0.5, "128K")
        figure.draw_without_rendering()
        end = first.get_window_extent().transformed(figure.transFigure.inverted()).x1
        for gap, touching in ((-0.005, 1), (0.005, 0)):
            second = figure.text(end + gap, 0.5, "256K")
            assert overlaps(figure) == touching
            second.remove()


def test_no_label_of_a_ring_lies_on_a_mark(canvas_of, label):
    canvas = canvas_of("lever", pd.read_csv(ROOT / "figures" / "lever.csv"), label)
    with matplotlib.style.context(plotting.STYLE, after_reset=True):
        canvas.draw_without_rendering()
    for axes in canvas.axes:
        names = [text for text in axes.texts if isinstance(text, Annotation)]
        boxes = [text.get_window_extent().padded(2) for text in names]
        for line in axes.get_lines():
            every = line.get_markevery() or 1
            marks = axes.transData.transform(line.get_xydata()[::every])
            assert not any(box.contains(*mark) for box in boxes for mark in marks)


@pytest.mark.parametrize(
    ("tokens", "name"),
    [(256, "0.25K"), (1536, "1.5K"), (131072, "128K"), (11585, "11.31K"), (2**20, "1M")],
)
def test_a_context_window_is_named_in_binary_thousands_and_millions(tokens, name):
    assert labels.context_window(tokens) == name
