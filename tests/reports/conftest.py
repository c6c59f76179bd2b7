from importlib import import_module

import matplotlib.style
import pytest
from filelock import FileLock

from tokwatt.reports import gallery, labels, plotting
from tokwatt.studies import stream, study


@pytest.fixture(scope="session")
def entries(params):
    return gallery.entries(params)


@pytest.fixture(scope="session")
def label(params):
    return labels.read_labels(params)


@pytest.fixture(scope="session")
def data(grids, params, entries, shared_folder):
    """Grids and the stores of studies that have figures."""
    for name in {figure.study for figure in entries.values() if figure.study}:
        with FileLock(shared_folder / f"{name}.study.lock"):
            stream.stream(study.load(params, name), shared_folder / "stores" / f"{name}.zarr")
    return plotting.Data(grids, shared_folder / "stores")


@pytest.fixture
def drawn(name, entries, data, label, shared_folder):
    """The folder of figures with the one of a test in it, drawn once for all processes of tests."""
    folder = shared_folder / "figures"
    with FileLock(shared_folder / f"{name}.drawn.lock"):
        if not (folder / f"{name}.png").exists():
            plotting.render(name, entries[name], data, folder, label)
    return folder


@pytest.fixture(scope="session")
def canvas_of():
    """Draws a figure from its numbers."""

    def draw(name, frame, label):
        with matplotlib.style.context(plotting.STYLE, after_reset=True):
            return import_module(f"tokwatt.reports.figures.{name}").draw(frame, label)

    return draw
