"""Figures and tables of grids that are longer than the paper's."""

import shutil

import matplotlib.style
import pytest
import xarray as xr
import yaml

from tokwatt import studies
from tokwatt.reports import gallery, labels, plotting, tables
from tokwatt.reports.crowding import overlaps
from tokwatt.serving import catalogue

WINDOWS = {"1M": 20, "no fit": 24}
"""Logarithms of the longest context window: as many models offer, and more than fits."""


@pytest.fixture(scope="module", params=WINDOWS.values(), ids=WINDOWS)
def longer(request, params, grids, tmp_path_factory):
    """A parameter folder whose Table 1 goes on to longer windows, and its grids."""
    folder = shutil.copytree(params, tmp_path_factory.mktemp("longer") / "params")
    paper = yaml.safe_load((folder / "paper.yaml").read_text(encoding="utf-8"))
    windows = [2**power for power in range(11, request.param + 1)]
    paper["grids"]["context_window"]["context_window"]["value"] = windows
    text = yaml.safe_dump(paper, sort_keys=False)
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


@pytest.mark.parametrize(
    ("tokens", "name"),
    [(256, "0.25K"), (1536, "1.5K"), (131072, "128K"), (11585, "11.31K"), (2**20, "1M")],
)
def test_a_context_window_is_named_in_binary_thousands_and_millions(tokens, name):
    assert labels.context_window(tokens) == name
