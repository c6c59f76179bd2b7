"""Any function of scalars over any axes, and numbers with units as labelled Datasets.

Knows no physics.
"""

from collections.abc import Callable, Mapping, Sequence, Sized
from functools import partial
from itertools import product
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeVar, cast

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from tokwatt.units import Scalar, hints_of, outside, unit_of, units_of

if TYPE_CHECKING:
    import xarray as xr

Axis = ArrayLike | Mapping[str, object]
"""Numbers, or a catalogue of specs by name."""
Result = TypeVar("Result")
CHUNK = 2**12
"""Most points that are evaluated together: their temporary numbers stay in the cache of a core."""


class Fields(Protocol):
    """A NamedTuple, whose fields carry units."""

    def _asdict(self) -> dict[str, Scalar]: ...


def sweep(fn: Callable[..., object], /, **axes: object) -> "xr.Dataset":
    """Evaluate a JAX function of scalars at every combination of its axes.

    Args:
        fn: a function of scalars and specs that returns a NamedTuple with a unit on each field, or
            one scalar.
        **axes: by argument name: numbers, or a catalogue `{name: spec}` whose names become the
            coordinate. A single number or spec stays fixed. The first axis is the outermost
            dimension.

    Returns:
        A Dataset with a variable for each field, a dimension for each axis, units and long names on
        all of them.

    Raises:
        ValueError: with one sentence, for an axis without numbers and for a number that is not
            believed of its unit.
    """
    _require(fn, axes)
    fixed = {name: value for name, value in axes.items() if not _is_axis(value)}
    swept: dict[str, Scalar] = {name: value for name, value in axes.items() if name not in fixed}

    mapped = jax.jit(nested(partial(fn, **fixed), list(swept)))
    return _swept(fn, swept, mapped(*(stacked(axis) for axis in swept.values())))


def nested(fn: Callable[..., Result], names: Sequence[str]) -> Callable[..., Result]:
    """`fn` at every combination of arrays, one for each name; the first is the outermost.

    As many points are evaluated together as stay in the cache, one such chunk after the other.
    """

    def mapped(*point: object) -> Result:
        return fn(**dict(zip(names, point, strict=True)))

    def at_every(*axes: Scalar) -> Result:
        inner, left = mapped, CHUNK
        for position, axis in reversed(list(enumerate(axes))):
            size = len(jax.tree.leaves(axis)[0])
            inner = _along(inner, position, len(axes), size, left)
            left = max(1, left // max(1, size))
        return inner(*axes)

    return at_every


def _along(
    fn: Callable[..., Result], position: int, count: int, size: int, together: int
) -> Callable[..., Result]:
    """`fn` of `count` arguments along one of them, of which so many values are taken together."""
    mapped = jax.vmap(fn, [0 if other == position else None for other in range(count)])
    rounds = -(-size // together)
    if rounds <= 1:
        return mapped
    width = -(-size // rounds)
    # `lax.map` with a batch size would compile what is left over once more: repeats of the last
    # value fill up the last round.
    chosen = np.minimum(np.arange(rounds * width), size - 1).reshape(rounds, width)

    def one_after_another(*point: object) -> Result:
        def of(values: object, run: Callable[..., Result] = mapped) -> Result:
            return run(*point[:position], values, *point[position + 1 :])

        if width == 1:
            return jax.lax.map(partial(of, run=fn), point[position])
        found = jax.lax.map(of, jax.tree.map(lambda leaf: leaf[chosen], point[position]))
        return jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:])[:size], found)

    return one_after_another


def stacked(axis: Axis) -> Scalar:
    """An axis as one array, or a catalogue of specs as one spec of arrays."""
    if isinstance(axis, Mapping):
        return jax.tree.map(
            lambda *leaves: jnp.stack([jnp.asarray(leaf, float) for leaf in leaves]), *axis.values()
        )
    return jnp.asarray(axis, float)


def tabulate(fn: Callable[..., NamedTuple], /, **axes: Sequence) -> "xr.Dataset":
    """Evaluate a plain Python function at every combination of its axes: the slow twin of `sweep`.

    Args:
        fn: a function that returns a NamedTuple with a unit on each field.
        **axes: by argument name: the numbers or names to pass.

    Returns:
        As `sweep` does.
    """
    rows = [fn(**dict(zip(axes, point, strict=True))) for point in product(*axes.values())]
    shape = [len(axis) for axis in axes.values()]
    columns = (np.reshape([row[field] for row in rows], shape) for field in range(len(rows[0])))
    return _swept(fn, axes, type(rows[0])._make(columns))


def dataset(
    axes: Mapping[str, ArrayLike] | Fields, columns: Fields, long_names: Mapping[str, str] = {}
) -> "xr.Dataset":
    """Label the numbers of a NamedTuple.

    Args:
        axes: dimensions with their coordinates, outermost first: a mapping for labels and counts, a
            NamedTuple with units where they have some.
        columns: an array for each variable, with its unit on its field. One of fewer dimensions
            lies along the first axes. A DataArray keeps its own dimensions and coordinates.
        long_names: by variable or axis, in place of the name in words.

    Returns:
        A Dataset with a variable for each field, and units and long names on all of them.
    """
    coordinates = axes if isinstance(axes, Mapping) else axes._asdict()
    units = {} if isinstance(axes, Mapping) else units_of(type(axes))
    units = units | units_of(type(columns))
    return _labelled(coordinates, columns._asdict(), units, long_names)


def catalogue(dimension: str, specs: Mapping[str, object]) -> "xr.Dataset":
    """The numbers of a catalogue of flat specs as a Dataset along one dimension."""
    units = units_of(type(next(iter(specs.values()))))
    columns = {name: vars(stacked(specs))[name] for name, unit in units.items() if unit}
    return _labelled({dimension: list(specs)}, columns, units)


def describe(name: str, unit: str | None) -> dict[str, str]:
    """Attributes of a variable: its name in words, and its unit where it has one."""
    return {"long_name": name.replace("_", " ")} | ({"units": unit} if unit else {})


def long_named(dataset: "xr.Dataset") -> "xr.Dataset":
    """The same with a long name on every variable and coordinate that lacks one: its name."""
    for name in dataset.variables:
        dataset[name].attrs.setdefault("long_name", str(name).replace("_", " "))
    return dataset


def _require(fn: Callable, axes: Mapping[str, object]) -> None:
    """Refuse empty axes, and numbers outside the domain of their unit."""
    hints = hints_of(getattr(fn, "func", fn))
    for name, value in axes.items():
        if _is_axis(value) and not len(cast(Sized, value)):
            raise ValueError(f"{name}: is empty, wanted at least one number or spec.")
        given = list(value.values()) if isinstance(value, Mapping) else value
        measured = unit_of(hints.get(name)) and value is not None
        numbers = np.ravel(cast(ArrayLike, given if measured else []))
        if sentence := outside(name, hints.get(name), numbers, zero=True):
            raise ValueError(sentence)


def _is_axis(value: object) -> bool:
    return isinstance(value, Mapping | Sequence) or getattr(value, "ndim", 0) == 1


def _swept(fn: Callable, axes: Mapping[str, Axis], result: object) -> "xr.Dataset":
    fn = getattr(fn, "func", fn)
    units = units_of(fn)
    coordinates = {
        name: list(axis) if isinstance(axis, Mapping) else axis for name, axis in axes.items()
    }
    if hasattr(result, "_asdict"):
        return _labelled(coordinates, result._asdict(), units | units_of(type(result)))
    return _labelled(coordinates, {fn.__name__: result}, units | {fn.__name__: units["return"]})


def _labelled(
    axes: Mapping[str, ArrayLike],
    columns: Mapping[str, Scalar],
    units: Mapping[str, str | None],
    long_names: Mapping[str, str] = {},
) -> "xr.Dataset":
    import xarray as xr  # a third of a second that only datasets need

    dimensions = tuple(axes)
    described = {
        name: describe(long_names.get(name, name), units.get(name)) for name in (*axes, *columns)
    }
    variables = {
        name: values.assign_attrs(described[name])
        if isinstance(values, xr.DataArray)
        else (dimensions[: np.ndim(values)], np.asarray(values), described[name])
        for name, values in columns.items()
    }
    coordinates = {
        name: ((name,), np.asarray(values), described[name]) for name, values in axes.items()
    }
    return xr.Dataset(variables, coordinates)
