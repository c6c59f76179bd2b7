"""Figures in the dark: each colour is told apart and read as well as in the published drawing."""

import re
from itertools import combinations
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pytest
from conftest import ROOT
from matplotlib.colors import to_hex, to_rgb

from tokwatt.reports.drawing import gallery
from tokwatt.reports.site.palette import GROUND, INK, SERIES, dark, in_both_palettes

# What is left of linear red, green and blue without one kind of cone: Machado, Oliveira and
# Fernandes 2009, doi:10.1109/TVCG.2009.113, severity 1.
SIGHTS = {
    "all cones": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}
# Linear sRGB to CIE XYZ, IEC 61966-2-1, over the white D65.
XYZ = [
    [0.412456, 0.357576, 0.180438],
    [0.212673, 0.715152, 0.072175],
    [0.019334, 0.119192, 0.950304],
]
WHITE = [0.950470, 1, 1.088830]
SCALE = [to_hex(color) for color in matplotlib.colormaps["cividis"](np.linspace(0, 1, 256))]
each_figure = pytest.mark.parametrize("name", gallery.NAMES)


def linear(color):
    channels = np.array(to_rgb(color))
    return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)


def luminance(color):
    return linear(color) @ XYZ[1]


def contrast(one, other):
    """Between two colours: Web Content Accessibility Guidelines 2.2, relative luminance."""
    low, high = sorted([luminance(one), luminance(other)])
    return (high + 0.05) / (low + 0.05)


def cielab(color, sight):
    x, y, z = np.cbrt(XYZ @ np.clip(SIGHTS[sight] @ linear(color), 0.001, 1) / np.array(WHITE))
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def nearest(colors, sight):
    """The smallest difference between two of some colours, CIE 1976."""
    places = [cielab(color, sight) for color in colors]
    return min(np.linalg.norm(one - other) for one, other in combinations(places, 2))


@pytest.mark.parametrize("sight", SIGHTS)
def test_series_are_told_apart_as_well_as_in_the_published_figures(sight):
    assert nearest(SERIES.values(), sight) > nearest(SERIES, sight)
    assert nearest([*SERIES.values(), INK], sight) > 20


def test_a_line_or_word_in_the_colour_of_a_series_stands_out_from_the_ground():
    assert min(contrast(color, GROUND) for color in SERIES.values()) > 4.5


@pytest.mark.parametrize("grey", ["#000000", "#595959", "#8c8c8c", "#999999"])
def test_grey_is_read_in_the_dark_where_it_was_in_the_light(grey):
    assert contrast(dark(grey), dark("#ffffff")) > min(4.5, contrast(grey, "#ffffff"))


def test_white_and_black_are_the_ground_and_ink_of_the_pages():
    style = (ROOT / "src/tokwatt/reports/site/static/site.css").read_text(encoding="utf-8")
    night = style.partition("@media (prefers-color-scheme: dark)")[2]
    assert f"--ground: {GROUND}; " in night and f"--ink: {INK};" in night
    assert (dark("#ffffff"), dark("#000000")) == (GROUND, INK)


def test_a_scale_runs_from_light_to_dark_where_it_ran_from_dark_to_light():
    coloured = [color for color in SCALE if len(set(to_rgb(color))) > 1]
    assert np.all(np.diff([luminance(color) for color in coloured[::4]]) > 0)
    assert np.all(np.diff([luminance(dark(color)) for color in coloured[::4]]) < 0)


def test_text_on_a_scale_is_read_nearly_as_well_in_the_dark():
    """In white on the darker half, and in black on the lighter one, as figures write it."""
    light = [contrast("#ffffff", color) for color in SCALE[:128]]
    light += [contrast("#000000", color) for color in SCALE[128:]]
    night = [contrast(dark("#ffffff"), dark(color)) for color in SCALE[:128]]
    night += [contrast(dark("#000000"), dark(color)) for color in SCALE[128:]]
    assert min(night) > 0.9 * min(light) > 3.5


def styles_of(tree):
    """What each element looks like, by the classes of the drawing where it has some."""
    text = "".join(each.text or "" for each in tree.iter("{http://www.w3.org/2000/svg}style"))
    light = text.partition("@media")[0]
    classes = dict(re.findall(r"\.(\w+)\{([^}]*)\}", light))
    return [
        classes.get(element.get("class", ""), element.get("style") or fill_of(element))
        for element in tree.iter()
        if element.tag.rpartition("}")[2] not in ("filter", "feColorMatrix")
    ]


def fill_of(element):
    return f"fill: {element.get('fill')}" if element.get("fill") else None


@each_figure
def test_in_the_light_a_figure_is_what_is_published(name):
    published = (ROOT / "figures" / f"{name}.svg").read_text(encoding="utf-8")
    shown = in_both_palettes(published)
    assert styles_of(ElementTree.fromstring(shown)) == styles_of(ElementTree.fromstring(published))
    assert len(shown) < len(published)


@each_figure
def test_in_the_dark_no_colour_of_a_figure_is_as_it_is_published(name):
    shown = in_both_palettes((ROOT / "figures" / f"{name}.svg").read_text(encoding="utf-8"))
    light, _, night = shown.partition("</style>")[0].partition("@media")
    colors = dict(re.findall(r"\.(\w+)\{([^}]*)\}", light))
    darkened = dict(re.findall(r"\.(\w+)\{([^}]*)\}", night))
    assert colors and colors.keys() == darkened.keys()
    for key, style in colors.items():
        found = re.findall(r"#[0-9a-f]{6}", style)
        assert re.findall(r"#[0-9a-f]{6}", darkened[key]) == [dark(color) for color in found]
    assert not re.search(r'(fill|stroke)="#| style=', shown.partition("</style>")[2])
