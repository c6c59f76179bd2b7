"""Datasets of a folder by name, in whichever folder of a job below it they lie."""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd
import xarray as xr


def dataset_paths(grids: Path) -> dict[str, Path]:
    """Where every dataset lies, by its name in the order of names.

    Raises:
        OSError: where there is no such folder.
    """
    paths = [path for folder in (grids, *grids.iterdir()) for path in folder.glob("*.nc")]
    return {path.stem: path for path in sorted(paths, key=lambda path: path.stem)}


def dataset_path(grids: Path, name: str) -> Path:
    """Where a dataset lies; right below the folder where there is none."""
    return dataset_paths(grids).get(name, grids / f"{name}.nc")


def load_datasets(grids: Path, names: Iterable[str]) -> dict[str, xr.Dataset]:
    """Datasets by name, read whole."""
    return {name: xr.load_dataset(dataset_path(grids, name)) for name in names}


def with_units(frame: pd.DataFrame, dataset: xr.Dataset) -> pd.DataFrame:
    """A frame of variables of a dataset, each column named with its unit."""
    units = {name: dataset[name].attrs.get("units") for name in frame}
    return frame.rename(columns={name: f"{name} [{unit}]" for name, unit in units.items() if unit})
