"""`sweep` and `tabulate`: every point is what a plain call gives, and everything is labelled."""

from typing import NamedTuple

import numpy as np
import pytest
import xarray as xr

from tokwatt import grid
from tokwatt.params.specs import Gpu
from tokwatt.units import Seconds, Tokens, Watts


class Pair(NamedTuple):
    duration: Seconds
    power: Watts


def pair(length: Tokens, scale: Seconds) -> Pair:
    return Pair(length * scale, length + scale)


class Box(NamedTuple):
    size: Seconds


def boxed(length: Tokens, box: Box, scale: Seconds) -> Pair:
    return Pair(length * box.size + scale, length - scale / box.size)


def test_every_point_of_a_sweep_is_a_plain_call():
    lengths, scales = [1.0, 2.0, 5.0], [0.5, 3.0]
    swept = grid.sweep(pair, length=lengths, scale=scales)
    for length in lengths:
        for scale in scales:
            point = swept.sel(length=length, scale=scale)
            assert (point.duration.item(), point.power.item()) == pair(length, scale)


def test_the_order_of_the_axes_is_the_order_of_the_dimensions():
    assert grid.sweep(pair, scale=[1.0, 2.0], length=[1.0]).duration.dims == ("scale", "length")


def test_tabulate_agrees_with_sweep():
    axes = {"length": [1.0, 2.0], "scale": [0.5, 3.0, 4.0]}
    assert grid.tabulate(pair, **axes).identical(grid.sweep(pair, **axes))


@pytest.mark.parametrize("chunk", [1, 3, 4, 7, 100])
def test_points_are_the_same_whatever_is_evaluated_together(monkeypatch, chunk):
    lengths, scales = np.arange(1.0, 8.0), np.array([0.5, 3.0])
    boxes = {str(size): Box(size) for size in (1.0, 2.0, 3.0)}
    whole = grid.sweep(boxed, length=lengths, box=boxes, scale=scales)
    monkeypatch.setattr(grid, "CHUNK", chunk)
    parts = grid.sweep(boxed, length=lengths, box=boxes, scale=scales)
    xr.testing.assert_allclose(parts, whole, rtol=1e-14)


def test_a_single_number_stays_fixed():
    assert grid.sweep(pair, length=[1.0, 2.0], scale=0.5).duration.dims == ("length",)


def powered(gpu: Gpu, length: Tokens) -> Pair:
    return Pair(length * 0.5, 2 * gpu.tdp)


def test_names_of_a_catalogue_become_the_coordinate(parameters):
    swept = grid.sweep(powered, gpu=parameters.gpus, length=[4.0])
    assert swept.gpu.values.tolist() == list(parameters.gpus)
    assert swept.power.sel(gpu="B200").item() == 2 * parameters.gpus["B200"].tdp


def test_variables_and_coordinates_carry_units_and_long_names():
    swept = grid.sweep(pair, length=[1.0], scale=[2.0])
    assert {name: swept[name].attrs["units"] for name in swept.variables} == {
        "duration": "s",
        "power": "W",
        "length": "tok",
        "scale": "s",
    }
    assert all(swept[name].attrs["long_name"] for name in swept.variables)


def test_a_catalogue_keeps_every_number(parameters):
    table = grid.catalogue("gpu", parameters.gpus)
    for name, gpu in parameters.gpus.items():
        assert {
            field: table[field].sel(gpu=name).item() for field in table.data_vars
        } == pytest.approx(vars(gpu))


class Places(NamedTuple):
    length: Tokens
    gpu: str


class Columns(NamedTuple):
    duration: Seconds
    power: Watts
    count: int


COLUMNS = Columns([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], [1.0, 2.0, 3.0], 7)


def test_fields_of_fewer_dimensions_lie_along_the_first_axes():
    made = grid.dataset(Places([8, 16, 32], ["A", "B"]), COLUMNS)
    assert {name: made[name].dims for name in Columns._fields} == {
        "duration": ("length", "gpu"),
        "power": ("length",),
        "count": (),
    }
    assert made.power.values.tolist() == COLUMNS.power
    assert made.gpu.values.tolist() == ["A", "B"]


def test_a_dataset_takes_units_from_fields_and_long_names_where_they_are_given():
    made = grid.dataset(Places([8, 16, 32], ["A", "B"]), COLUMNS, {"power": "power_of_a_board"})
    assert {name: made[name].attrs for name in made.variables} == {
        "duration": {"long_name": "duration", "units": "s"},
        "power": {"long_name": "power of a board", "units": "W"},
        "count": {"long_name": "count"},
        "length": {"long_name": "length", "units": "tok"},
        "gpu": {"long_name": "gpu"},
    }


def test_an_array_with_dimensions_keeps_them_and_gains_units():
    table = grid.dataset({"gpu": ["A", "B"]}, Pair(np.array([1.0, 2.0]), np.array([3.0, 4.0])))
    more = grid.dataset({}, Pair(2 * table.duration, table.power.sum("gpu")))
    assert (more.duration.dims, more.power.dims) == (("gpu",), ())
    assert more.duration.attrs["units"] == "s"
    assert more.duration.sel(gpu="B") == 4
    assert table.duration.attrs == more.duration.attrs


@pytest.mark.parametrize(
    "axes, sentence",
    [
        ({"length": [], "scale": 1.0}, "length: is empty, wanted at least one number or spec."),
        ({"length": np.array([]), "scale": 1.0}, "length: is empty"),
        ({"length": [1.0, -2.0], "scale": 1.0}, "length: is -2, wanted a number that is not"),
        ({"length": [1.0], "scale": float("nan")}, "scale: is nan, wanted a number that is not"),
    ],
)
def test_what_cannot_be_swept_is_refused_in_words(axes, sentence):
    with pytest.raises(ValueError, match=sentence):
        grid.sweep(pair, **axes)


def test_an_empty_catalogue_is_no_axis():
    with pytest.raises(ValueError, match="gpu: is empty"):
        grid.sweep(powered, gpu={}, length=[4.0])
