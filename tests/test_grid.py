"""`sweep` and `tabulate`: every point is what a plain call gives, and everything is labelled."""

from typing import NamedTuple

import numpy as np
import pytest

from tokwatt import grid
from tokwatt.serving.decode import operating_point
from tokwatt.units import Seconds, Tokens, Watts


class Pair(NamedTuple):
    duration: Seconds
    power: Watts


def pair(length: Tokens, scale: Seconds) -> Pair:
    return Pair(length * scale, length + scale)


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


def test_a_single_number_stays_fixed():
    assert grid.sweep(pair, length=[1.0, 2.0], scale=0.5).duration.dims == ("length",)


def test_names_of_a_catalogue_become_the_coordinate(parameters):
    swept = grid.sweep(operating_point, profile=parameters.profiles, context_window=[4096.0])
    assert swept.profile.values.tolist() == list(parameters.profiles)
    alone = operating_point(parameters.profiles["B200"], 4096.0)
    np.testing.assert_allclose(swept.sel(profile="B200").power.item(), alone.power, rtol=1e-14)


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
