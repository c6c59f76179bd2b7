import builtins
import dataclasses
import inspect
import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import jax
import numpy as np
import pytest
from public import COMPUTING, EQUATIONS, public_functions

from tokwatt import units
from tokwatt.units import In, mark_of

FUNCTIONS = public_functions(*EQUATIONS, "equations.batching", "serving.gpu.llm")
OF_EQUATIONS = public_functions(*EQUATIONS)
KNOWN = {units.unit_of(value) for value in vars(units).values()} - {None}
ANY_UNIT = {
    "lengths.running_sums": {"values", "return"},
    "roots.last_within": {"upper", "return"},
}

each_function = pytest.mark.parametrize("name", FUNCTIONS)


def bare(owner, exempt=()):
    """Quantities without a unit, those inside of specs and results included."""
    found = []
    for name, hint in get_type_hints(owner, include_extras=True).items():
        kind = get_args(hint)[0] if get_origin(hint) is Annotated else hint
        if get_origin(hint) is tuple:
            found += [name for part in get_args(hint) if units.unit_of(part) not in KNOWN]
        elif dataclasses.is_dataclass(kind) or hasattr(kind, "_fields"):
            found += [f"{name}.{inner}" for inner in bare(kind)]
        elif (
            units.unit_of(hint) not in KNOWN
            and name not in exempt
            and not isinstance(mark_of(hint), In)
        ):
            found.append(name)
    return found


@each_function
def test_every_quantity_that_goes_in_or_comes_out_has_a_unit(name):
    function = FUNCTIONS[name]
    assert set(get_type_hints(function)) == {*inspect.signature(function).parameters, "return"}
    assert bare(function, ANY_UNIT.get(name, ())) == []


def test_a_quantity_of_any_unit_is_an_array():
    functions = FUNCTIONS | public_functions("equations.roots")
    for name, arguments in ANY_UNIT.items():
        assert {get_type_hints(functions[name])[argument] for argument in arguments} == {jax.Array}


# Modules some of whose public functions have numbers without a unit; take out what is put right.
WITHOUT_UNITS = {
    "accounts.answers.simulated",
    "accounts.simulated",
    "planning.binding",
    "planning.optimum.choice",
    "planning.columns.classes",
    "planning.optimum.constrained",
    "planning.changes.draws",
    "planning.optimum.infeasible",
    "planning.columns.part_columns",
    "planning.plan",
    "planning.question",
    "simulation.arrivals",
    "simulation.recorder",
    "studies.axes",
    "studies.plotted",
}
WITH_UNITS = {
    f"{module}: {name}": function
    for module in COMPUTING
    if module not in WITHOUT_UNITS
    for name, function in public_functions(module).items()
}
TREES = (dict[str, Any], Mapping[str, Any])
"""What a file holds."""
NUMBERS = (float, int, complex, np.ndarray, np.floating, jax.Array, Any)


def unitless(hint):
    """Whether numbers that carry no unit hide in a type."""
    if get_origin(hint) is Annotated:
        return units.unit_of(hint) is None and not isinstance(mark_of(hint), In)
    if get_origin(hint) in (Callable, type) or not get_args(hint):
        return hint in NUMBERS
    return hint not in TREES and any(unitless(part) for part in get_args(hint) if part is not ...)


class Imported(type):
    """A module or class that is imported for type checkers alone; what is in it is some class."""

    def __getattr__(cls, name):
        return object


class Names(dict):
    """Names of a module; those that it imports for type checkers alone stand for some class."""

    def __missing__(self, name):
        return getattr(builtins, name, Imported(name, (), {}))


def annotations_of(function):
    function = inspect.unwrap(function)
    return get_type_hints(function, localns=Names(function.__globals__), include_extras=True)


@pytest.mark.parametrize("name", WITH_UNITS)
def test_no_number_in_a_signature_lacks_a_unit(name):
    function = WITH_UNITS[name]
    exempt = ANY_UNIT.get(name.partition(": ")[2], ())
    hints = annotations_of(function)
    assert [
        argument for argument, hint in hints.items() if unitless(hint) and argument not in exempt
    ] == []
    assert set(hints) >= {*inspect.signature(function).parameters, "return"}


@each_function
def test_every_function_says_what_it_is(name):
    assert re.match(r"[A-Z].*\S", inspect.getdoc(FUNCTIONS[name]) or "")


@pytest.mark.parametrize("name", OF_EQUATIONS)
def test_every_equation_documents_its_arguments_its_result_and_its_source(name):
    doc = inspect.getdoc(OF_EQUATIONS[name])
    _, arguments, result, source = re.split(r"^(?:Args:|Returns:|Source:)", doc, flags=re.MULTILINE)
    assert re.findall(r"^    (\w+): ", arguments, re.MULTILINE) == list(
        inspect.signature(OF_EQUATIONS[name]).parameters
    )
    assert result.strip()
    assert source.strip().endswith(".")


def test_the_units_of_a_function_and_of_a_record_are_read_from_their_types():
    def speed(way: units.Tokens, time: units.Seconds) -> units.TokensPerSecond: ...

    @dataclasses.dataclass
    class Board:
        power: units.Watts
        name: str

    assert units.units_of(speed) == {"way": "tok", "time": "s", "return": "tok/s"}
    assert units.units_of(Board) == {"power": "W", "name": None}


def test_numbers_have_64_bits():
    assert jax.numpy.asarray(1.0).dtype == "float64"
