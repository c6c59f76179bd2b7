"""Figures: entries match modules, what is drawn is what is written, and twice is the same."""

import hashlib
import html
import io
import itertools
import re
import shutil

import matplotlib.style
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from conftest import ROOT
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.colors import to_rgb
from PIL import Image

from tokwatt import __version__, stores
from tokwatt.params.errors import ParameterError
from tokwatt.reports.datasets import dataset_path
from tokwatt.reports.drawing import gallery, plotting
from tokwatt.reports.drawing.crowding import texts_of
from tokwatt.reports.figures.common import looks
from tokwatt.reports.figures.common.frames import drawn as rounded
from tokwatt.reports.figures.common.frames import six_digits

each_figure = pytest.mark.parametrize("name", gallery.entries(ROOT / "params"))


def opened(name, entries, data):
    """The datasets of a figure."""
    entry = entries[name].entry
    grids = {grid: xr.load_dataset(dataset_path(data.grids, grid)) for grid in entry.grids}
    study = entry.study
    return grids | ({study: stores.open(study, data.stores).load()} if study else {})


def test_every_entry_has_a_module_and_every_module_an_entry(entries):
    described = [name for name, figure in entries.items() if figure.plot]
    assert sorted(entries) == sorted([*gallery.NAMES, *described])


@each_figure
def test_a_figure_comes_in_four_formats(name, drawn):
    assert sorted(path.suffix for path in drawn.glob(f"{name}.*")) == [
        ".csv",
        ".pdf",
        ".png",
        ".svg",
    ]


@pytest.mark.parametrize("name", ["context_window", "fleets", "split"])
def test_drawn_again_it_is_the_same_to_the_byte(name, entries, data, label, drawn, tmp_path):
    """In every format; that each figure draws the same lines again is the next test."""
    plotting.render(name, entries[name], data, tmp_path, label)
    for path in tmp_path.iterdir():
        assert path.read_bytes() == (drawn / path.name).read_bytes(), path.name


@pytest.fixture(scope="module", params=gallery.entries(ROOT / "params"))
def settled(request, canvas_of, label, drawn):
    """A figure's name, and its drawing from what is read back from its CSV."""
    name = request.param
    canvas = canvas_of(name, pd.read_csv(drawn / f"{name}.csv"), label)
    with matplotlib.style.context(plotting.STYLE, after_reset=True):
        plotting.settle(canvas)
    return name, canvas


def test_the_written_numbers_alone_make_the_drawing(settled, drawn):
    """It has the same paths as what was drawn."""
    name, canvas = settled
    text = io.BytesIO()
    with matplotlib.style.context(plotting.STYLE, after_reset=True):
        canvas.savefig(text, format="svg", metadata={"Date": None})
    body = text.getvalue().partition(b"</metadata>")[2]
    assert body == (drawn / f"{name}.svg").read_bytes().partition(b"</metadata>")[2]


def test_a_panel_that_another_processor_lays_out_a_little_elsewhere_is_drawn_the_same(
    canvas_of, label, drawn
):
    canvas = canvas_of("waterfall", pd.read_csv(drawn / "waterfall.csv"), label)
    written = []
    with matplotlib.style.context(plotting.STYLE, after_reset=True):
        canvas.draw_without_rendering()
        canvas.set_layout_engine("none")
        places = [np.array(panel.get_position().bounds) for panel in canvas.axes]
        for noise in (0.0, NOISE, -NOISE):
            for panel, place in zip(canvas.axes, places, strict=True):
                panel.set_position(place * (1 + noise))
            written.append(io.BytesIO())
            plotting.settle(canvas)
            canvas.savefig(written[-1], format="svg", metadata={"Date": None})
    assert written[0].getvalue() == written[1].getvalue() == written[2].getvalue()


def test_axes_that_show_a_quantity_name_its_unit(settled):
    _, canvas = settled
    titles = [axis.get_label_text() for axes in canvas.axes for axis in (axes.xaxis, axes.yaxis)]
    assert any(titles)
    assert [title for title in titles if title and not title.endswith(")")] == []


def test_no_number_is_written_with_an_exponent(settled):
    said = [text.get_text() for text in texts_of(settled[1])]
    assert [text for text in said if re.search(r"\de[+-]?\d", text)] == []


def test_a_narrow_screen_is_told_every_panel_with_its_scales(settled, drawn):
    """Each lies in a crop of its own, as wide and as high as it is, every text in some crop, and
    nothing beyond the page."""
    name, canvas = settled
    svg = (drawn / f"{name}.svg").read_text(encoding="utf-8")
    [written] = re.findall(r"<dc:coverage>(.*?)</dc:coverage>", svg)
    crops = [[[*map(float, it.split())] for it in own.split(",")] for own in written.split(";")]
    with matplotlib.style.context(plotting.STYLE, after_reset=True):
        canvas.draw_without_rendering()
        texts = [it.get_window_extent().shrunk(0.95, 0.7).bounds for it in texts_of(canvas)]
    width, height = 72 * canvas.get_size_inches()
    bars = [panel for panel in canvas.axes if panel.get_label() == "<colorbar>"]
    places = {tuple(it.get_position().bounds) for it in canvas.axes if it not in bars}
    assert len(crops) == len(places) + len(canvas.texts) + len(canvas.legends) + len(bars)
    scale = 72 / canvas.dpi / np.array([width, height, width, height])
    for left, low, wide, high in [*places, *(scale * np.array(box) for box in texts)]:
        frame = np.array([left * width, (1 - low - high) * height, wide * width, high * height])
        assert any(
            (own[:2] <= frame[:2] + 0.1).all()
            and (own[:2] + own[2:4] >= frame[:2] + frame[2:] - 0.1).all()
            for panel in crops
            for own in map(np.array, panel)
        )
    for x, y, wide, high, *_ in itertools.chain(*crops):
        assert -3 <= x <= x + wide <= width + 3 and -3 <= y <= y + high <= height + 3


NOISE = 1e-13
"""What processors differ by."""
COMPUTED = ("batch", "dispatch_time")
"""Coordinates that are computed, not written down."""


def noisy(dataset, seed):
    """A dataset as another processor may compute it."""
    generator = np.random.default_rng(seed)
    computed = [*dataset.data_vars, *(name for name in COMPUTED if name in dataset.coords)]
    for name in computed:
        variable = dataset[name].variable
        if variable.dtype.kind == "f":
            factors = 1 + NOISE * generator.uniform(-1, 1, variable.shape)
            changed = {name: variable.copy(data=variable.values * factors)}
            axis = name in dataset.coords
            dataset = dataset.assign_coords(changed) if axis else dataset.assign(changed)
    return dataset


@each_figure
def test_another_processor_draws_the_same_numbers(name, entries, data, label, drawn):
    """The CSV has the same bytes; that a drawing is made from the CSV alone is tested above."""
    datasets = opened(name, entries, data)
    table = (drawn / f"{name}.csv").read_text(encoding="utf-8")
    for seed in range(3):
        others = {key: noisy(dataset, seed) for key, dataset in datasets.items()}
        plot = plotting.plot_of(name, entries[name], others, label)
        assert plot.frame.to_csv(index=False) == table


@pytest.mark.parametrize("name", ["generations"])
def test_another_processor_draws_the_same_bytes(name, entries, data, label, drawn, tmp_path):
    """In every format."""
    for grid in entries[name].entry.grids:
        noisy(xr.load_dataset(dataset_path(data.grids, grid)), 0).to_netcdf(tmp_path / f"{grid}.nc")
    other = plotting.Data(tmp_path, data.stores)
    plotting.render(name, entries[name], other, tmp_path / "figures", label)
    for path in (tmp_path / "figures").iterdir():
        assert path.read_bytes() == (drawn / path.name).read_bytes(), path.name


@given(
    digits=st.integers(10**6, 10**7 - 1),
    power=st.integers(-20, 20),
    noise=st.lists(st.floats(-NOISE, NOISE), min_size=2, max_size=2),
)
def test_numbers_on_the_edge_of_six_digits_are_rounded_the_same_way(digits, power, noise):
    """Seven digits, among them those that end in 5."""
    value = float(f"{digits}e{power}")
    first, second = (six_digits([value * (1 + part)])[0] for part in noise)
    assert first == second == pytest.approx(value, rel=5.1e-6)
    assert six_digits([first])[0] == first


def test_whole_numbers_stay_whole_and_what_is_only_rounding_is_zero():
    windows = [1048576.0, 1048576 * (1 + NOISE), 3.0 - 1e-13]
    assert six_digits(windows).tolist() == [1048576.0, 1048576.0, 3.0]
    assert six_digits([1.0, 3e-16, -2e-17, np.nan, np.inf]).tolist()[:3] == [1.0, 0.0, 0.0]
    assert np.isnan(six_digits([np.nan])[0])


def test_only_numbers_are_rounded_and_texts_are_put_on_one_line():
    frame = pd.DataFrame(
        {"name": ["a\n b\u202e"], "count": [1234567], "value": [1.23456789], "holds": [True]}
    )
    assert rounded(frame).to_dict("records") == [
        {"name": "a b\\u202e", "count": 1234567, "value": 1.23457, "holds": True}
    ]


def numbers_of(datasets):
    """Every number of these datasets, ratios of tokens per joule, and products of two ratios."""
    numbers = np.concatenate(
        [
            np.ravel(data[name])
            for data in datasets
            for name in data.variables
            if data[name].dtype.kind in "fi"
        ]
    )
    fleets = [
        data.tokens_per_joule
        for data in datasets
        if "topology" in data.dims and "seed" not in data.dims
    ]
    efficiencies = np.unique(np.concatenate([np.ravel(fleet) for fleet in fleets] or [[]]))
    ratios = np.unique(np.divide.outer(efficiencies, efficiencies))
    return np.unique(
        np.concatenate(
            [numbers, numbers * 1e3, numbers / 1e6, ratios, np.ravel(np.outer(ratios, ratios))]
        )
    )


@each_figure
def test_every_number_drawn_follows_from_its_datasets(name, entries, data, drawn):
    known = numbers_of(opened(name, entries, data).values())
    known = known[np.isfinite(known)]
    frame = pd.read_csv(drawn / f"{name}.csv")
    for column in frame.select_dtypes("number"):
        largest = frame[column].abs().max()
        for value in frame[column].dropna():
            margin = 6e-6 * abs(value) if value else 1e-12 * largest
            near = known[slice(*np.searchsorted(known, [value - margin, value + margin]))]
            assert value in (six_digits(near) if value else near * 0), (column, value)


PAGE = plotting.Print(width=89 / 25.4, height=4.0, dpi=200)
FITTING = ["context_window", "gains", "generations", "power_curve"]


@pytest.fixture(scope="module")
def printed(entries, data, label, tmp_path_factory):
    """Figures at the width of a column of another journal."""
    folder = tmp_path_factory.mktemp("printed")
    for name in FITTING:
        plotting.render(name, entries[name], data, folder, label, PAGE)
    return folder


@pytest.mark.parametrize("name", FITTING)
def test_a_page_is_as_wide_and_high_as_asked(name, printed):
    box = re.search(
        rb"/MediaBox \[ ?0 0 ([0-9.]+) ([0-9.]+) ?\]", (printed / f"{name}.pdf").read_bytes()
    )
    assert [float(points) / 72 for points in box.groups()] == pytest.approx(
        [PAGE.width, PAGE.height], abs=1e-3
    )
    size = re.search(
        r'<svg [^>]*width="([0-9.]+)pt" height="([0-9.]+)pt"',
        (printed / f"{name}.svg").read_text(encoding="utf-8"),
    )
    assert [float(points) / 72 for points in size.groups()] == pytest.approx(
        [PAGE.width, PAGE.height], abs=1e-3
    )
    pixels = image(printed / f"{name}.png").size
    assert pixels == (int(PAGE.width * 200), 800)


@pytest.mark.parametrize("name", ["split", "fleets", "architecture", "sampling_error"])
def test_a_page_on_which_letters_would_lie_over_letters_is_refused(
    name, entries, data, label, tmp_path
):
    found = rf"^{name}: has text over text on a page of 3.35 by [\d.]+ inches, wanted a larger one"
    narrow = plotting.Print(width=3.35)
    with pytest.raises(ParameterError, match=found):
        plotting.render(name, entries[name], data, tmp_path, label, narrow)
    assert list(tmp_path.iterdir()) == []


def image(path):
    """A bitmap with its texts."""
    with Image.open(path) as bitmap:
        bitmap.load()
        return bitmap


@each_figure
def test_every_font_of_a_pdf_is_embedded_as_truetype(name, drawn):
    content = (drawn / f"{name}.pdf").read_bytes()
    assert b"/FontFile2" in content
    assert b"/Type3" not in content
    assert content.count(b"/FontFile2 ") == len(set(re.findall(rb"/FontName /(\S+)", content)))


@each_figure
def test_letters_of_an_svg_need_no_font(name, drawn):
    text = (drawn / f"{name}.svg").read_text(encoding="utf-8")
    assert "<text" not in text
    assert "font-family" not in text


def told(folder, name):
    """What the metadata of each format say, and much else."""
    return {
        "pdf": (folder / f"{name}.pdf").read_bytes().decode("latin-1").replace("\\", ""),
        "svg": html.unescape((folder / f"{name}.svg").read_text(encoding="utf-8")),
        "png": "\n".join(image(folder / f"{name}.png").text.values()),
    }


@each_figure
def test_each_format_says_what_it_shows_and_which_numbers_those_are(name, entries, drawn):
    table = hashlib.sha256((drawn / f"{name}.csv").read_bytes()).hexdigest()
    for kind, text in told(drawn, name).items():
        assert entries[name].entry.title in text, kind
        assert f"tokwatt {__version__}; {name}.csv sha256 {table}" in text, kind
        assert "parameter_hash" not in text, kind


@pytest.mark.parametrize("name", FITTING)
def test_what_is_printed_for_elsewhere_says_the_hash_of_its_parameters(
    name, entries, data, printed
):
    hashes = [
        xr.load_dataset(dataset_path(data.grids, grid)).attrs["parameter_hash"]
        for grid in entries[name].entry.grids
    ]
    assert all(re.fullmatch("[0-9a-f]{16}", each) for each in hashes)
    for kind, text in told(printed, name).items():
        assert [each for each in hashes if each not in text] == [], kind


@pytest.mark.parametrize("name", ["generations"])
def test_a_figure_changes_with_its_numbers_alone(name, entries, data, label, drawn, tmp_path):
    """Other parameters with the same numbers leave every byte; what is printed names them."""
    grids = shutil.copytree(data.grids, tmp_path / "grids")
    for grid in entries[name].entry.grids:
        path = dataset_path(grids, grid)
        xr.load_dataset(path).assign_attrs(parameter_hash="0" * 16).to_netcdf(path)
    other = plotting.Data(grids, data.stores)
    plotting.render(name, entries[name], other, tmp_path / "figures", label)
    assert all(
        path.read_bytes() == (drawn / path.name).read_bytes()
        for path in (tmp_path / "figures").iterdir()
    )
    plotting.render(name, entries[name], other, tmp_path / "print", label, plotting.Print())
    assert all("0" * 16 in text for text in told(tmp_path / "print", name).values())


@pytest.mark.parametrize("name", ["waterfall"])
def test_bars_of_the_waterfall_join_the_published_value_with_the_consistent_one(name, grids, drawn):
    """What is left out between two bars changes a value by less than the smallest bar does."""
    values = xr.load_dataset(grids / "accounts/waterfall.nc").value
    for headline, rows in pd.read_csv(drawn / "waterfall.csv").groupby("headline"):
        before, after = (
            rows["before [1]"].fillna(rows["after [1]"]).to_numpy(),
            rows["after [1]"].to_numpy(),
        )
        ends = values.sel(headline=headline)[[0, -1]]
        assert [after[0], after[-1]] == six_digits(ends).tolist()
        assert np.all(abs(np.log(before[1:] / after[:-1])) < np.log(1.02))
        assert np.all(abs(np.log(after / before))[1:-1] >= np.log(1.02))


@pytest.mark.parametrize("name", ["slopes"])
def test_letters_of_the_slopes_name_the_largest_part_and_misfits_their_missing_bytes(
    name, grids, drawn
):
    grid = xr.load_dataset(grids / "accounts/slopes.nc")
    for row in pd.read_csv(drawn / "slopes.csv").to_dict("records"):
        point = grid.sel(
            account=row["account"],
            gpu=row["gpu"],
            llm=row["llm"],
            context_window=row["context_window [tok]"],
        )
        parts = {name: float(point[name]) for name in point if name.startswith("by_")}
        assert np.isnan(row["slope [1]"]) == (row["missing [B]"] > 0)
        assert np.isnan(row["slope [1]"]) or row["cause"] == max(parts, key=parts.get)


@pytest.mark.parametrize(
    ("file", "key", "value", "sentence"),
    [
        (
            "paper",
            ["context_window", "grids"],
            ["context_windw"],
            "figures.context_window.grids is 'context_windw', wanted one of",
        ),
        ("paper", ["context_window", "grids"], [], "figures.context_window.grids is empty, wanted"),
        (
            "paper",
            ["contxt"],
            {"grids": ["split"]},
            "figures.contxt is not a figure, wanted one of",
        ),
        ("paper", ["split", "titel"], "A", "figures.split.titel is not a known key, wanted one of"),
        (
            "paper",
            ["fleet_size", "study"],
            "fleet_sise",
            "figures.fleet_size.study is 'fleet_sise', wanted one of",
        ),
        ("paper", ["fleet_size"], None, "figures.fleet_size is None, wanted a mapping"),
    ],
)
def test_a_wrong_entry_is_one_sentence(file, key, value, sentence, damaged):
    folder = damaged(file, ["figures", *key], value)
    with pytest.raises(ParameterError) as caught:
        gallery.entries(folder)
    assert str(caught.value).startswith(f"{folder}/{file}.yaml: {sentence}")
    assert "\n" not in str(caught.value)


# Linear RGB as it is seen without one kind of cone: Machado, Oliveira and Fernandes, 2009, table 1,
# severity 1.
SIGHT = {
    "all cones": np.eye(3),
    "no long": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "no middle": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "no short": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}
TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


def lab(color, sight):
    """A colour as it is seen, in CIELAB."""
    rgb = np.array(to_rgb(color))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    x, y, z = np.cbrt(TO_XYZ @ np.clip(np.array(SIGHT[sight]) @ linear, 0, 1) / TO_XYZ.sum(axis=1))
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("sight", SIGHT)
def test_gpus_are_told_apart_without_seeing_all_colours(sight):
    seen = [lab(color, sight) for color in looks.COLORS.values()]
    assert min(np.linalg.norm(one - other) for one, other in itertools.combinations(seen, 2)) > 15


@pytest.mark.parametrize("look", [looks.MARKERS, looks.LINES, looks.HATCHES])
def test_gpus_are_told_apart_without_colour(look):
    assert len(set(map(str, look.values()))) == len(looks.COLORS)
