"""Stores of studies: where they lie and how they are opened."""

import warnings
from pathlib import Path

import xarray as xr

from tokwatt.params.errors import StoreError


def open(name: str | Path, folder: str | Path = "results/studies") -> xr.Dataset:
    """Open a study's store lazily: coordinates are read at once, quantities when they are asked for.

    Args:
        name: name of a study, or the path of a store.
        folder: where the stores of studies are.

    Returns:
        Its Dataset; select with `.sel(gpu="B200")`, then `.to_netcdf(...)` or `.to_dataframe()`
        what is left.

    Raises:
        StoreError: where there is no complete store.
    """
    path = Path(name) if Path(name).suffix == ".zarr" else Path(folder) / f"{name}.zarr"
    if not path.exists():
        hint = (
            "it is not finished, run it again to go on"
            if growing(path)
            else "make it with `tokwatt study`"
        )
        raise StoreError(f"{path}: there is no such store; {hint}.")
    return read(path)


def read(path: Path) -> xr.Dataset:
    """A store as it lies there; the timestamp that Snakemake leaves in a folder of its own is no part of it."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Object at .snakemake_timestamp")
        return xr.open_zarr(path, consolidated=False, chunks=None)


def growing(target: Path) -> list[Path]:
    """Unfinished stores beside a finished one's place, as `tokwatt.engine` names them."""
    return list(target.parent.glob(f"{target.stem}.????????.partial"))
