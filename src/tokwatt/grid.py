"""Any function of scalars over any axes: nested `vmap` in, a labelled Dataset with units out. Knows no physics."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import product
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from tokwatt.units import units_of

Axis = Sequence[float] | np.ndarray | Mapping[str, Any]


def sweep(fn: Callable, /, **axes: Any) -> xr.Dataset:
    """Evaluate a JAX function of scalars at every combination of its axes.

    Args:
        fn: a function of scalars and specs that returns a NamedTuple with a unit on each field, or
            one scalar. **axes: by argument name: numbers, or a catalogue `{name: spec}` whose names
            become the coordinate. A single number or spec stays fixed. The first axis is the
            outermost dimension.

    Returns:
        A Dataset with a variable for each field, a dimension for each axis, units and long names on
        all of them.
    """
    fixed = {name: value for name, value in axes.items() if not _is_axis(value)}
    swept = {name: value for name, value in axes.items() if _is_axis(value)}

    mapped = jax.jit(nested(partial(fn, **fixed), list(swept)))
    return _labelled(fn, swept, mapped(*(stacked(axis) for axis in swept.values())))


def nested(fn: Callable, names: Sequence[str]) -> Callable:
    """A function of arrays, one for each name, that calls `fn` at every combination; the first is the outermost dimension."""

    def mapped(*point: Any) -> Any:
        return fn(**dict(zip(names, point, strict=True)))

    for position in reversed(range(len(names))):
        mapped = jax.vmap(
            mapped, in_axes=[0 if other == position else None for other in range(len(names))]
        )
    return mapped


def stacked(axis: Axis) -> Any:
    """An axis as one array, or a catalogue of specs as one spec of arrays."""
    if isinstance(axis, Mapping):
        return jax.tree.map(
            lambda *leaves: jnp.stack([jnp.asarray(leaf, float) for leaf in leaves]), *axis.values()
        )
    return jnp.asarray(axis, float)


def tabulate(fn: Callable, /, **axes: Sequence) -> xr.Dataset:
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
    return _labelled(fn, axes, type(rows[0])(*columns))


def catalogue(dimension: str, specs: Mapping[str, Any]) -> xr.Dataset:
    """The numbers of a catalogue of flat specs as a Dataset along one dimension."""
    units = units_of(type(next(iter(specs.values()))))
    numbers = vars(stacked(specs))
    variables = {
        name: ((dimension,), np.asarray(numbers[name]), describe(name, unit))
        for name, unit in units.items()
        if unit
    }
    return xr.Dataset(
        variables, {dimension: ((dimension,), list(specs), describe(dimension, None))}
    )


def describe(name: str, unit: str | None) -> dict[str, str]:
    """Attributes of a variable: its name in words, and its unit where it has one."""
    return {"long_name": name.replace("_", " ")} | ({"units": unit} if unit else {})


def named(dataset: xr.Dataset) -> xr.Dataset:
    """The same with a long name on every variable and coordinate, its own name in words where it has none."""
    for name in dataset.variables:
        dataset[name].attrs.setdefault("long_name", str(name).replace("_", " "))
    return dataset


def _is_axis(value: Any) -> bool:
    return isinstance(value, Mapping | Sequence) or np.ndim(value) == 1


def _labelled(fn: Callable, axes: Mapping[str, Any], result: Any) -> xr.Dataset:
    fn = getattr(fn, "func", fn)
    units = units_of(fn)
    fields = result._asdict() if hasattr(result, "_asdict") else {fn.__name__: result}
    field_units = (
        units_of(type(result)) if hasattr(result, "_asdict") else {fn.__name__: units["return"]}
    )
    coordinates = {
        name: ((name,), _coordinate(axis), describe(name, units.get(name)))
        for name, axis in axes.items()
    }
    return xr.Dataset(
        {
            name: (tuple(axes), np.asarray(values), describe(name, field_units[name]))
            for name, values in fields.items()
        },
        coordinates,
    )


def _coordinate(axis: Axis) -> Any:
    return list(axis) if isinstance(axis, Mapping) else np.asarray(axis)
