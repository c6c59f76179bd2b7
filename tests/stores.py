"""Studies and stores for tests: small ones made here, large ones by the command line."""

import shutil
import subprocess
import sys
from typing import NamedTuple

import jax.numpy as jnp
import quick_yaml
from conftest import ROOT

from tokwatt.studies.blocks import StreamedSweep
from tokwatt.units import Seconds, Sequences, Tokens, Watts


class Result(NamedTuple):
    power: Watts
    concurrency: Sequences


def model(length: Tokens, scale: Seconds, gpu: Watts, offset: Watts) -> Result:
    """A cheap stand-in; lengths above 30 do not fit."""
    return Result(
        jnp.where(length > 30, jnp.nan, gpu * jnp.sqrt(length) * scale + offset),
        jnp.floor(1e5 * scale * length / gpu + 0.1234),
    )


def sweep(lengths=20, scales=7, gpus=3, dtype="float64", title="a test", **more):
    axes = {
        "gpu": {f"G{number}": 1.5 + number for number in range(gpus)},
        "length": jnp.arange(1.0, lengths + 1),
        "scale": jnp.arange(scales) / 3 + 0.1,
    }
    provenance = {"title": title, "shape": f"{lengths} {scales} {gpus} {dtype}"}
    units = {"gpu": "W", "length": "tok", "scale": "s"}
    quantities = {"power": "W", "concurrency": "seq"}
    return StreamedSweep(
        **{
            "function": model,
            "axes": axes,
            "fixed": {"offset": 0.25},
            "units": units,
            "quantities": quantities,
        }
        | more,
        dtype=dtype,
        provenance=provenance,
    )


def contents(store):
    """Every file of a store with its bytes."""
    return {
        str(path.relative_to(store)): path.read_bytes()
        for path in store.rglob("*")
        if path.is_file()
    }


def chunks(folder):
    """The finished chunks of quantities in a folder of stores."""
    return [
        path for path in folder.rglob("c/*/*/*") if path.is_file() and path.suffix != ".partial"
    ]


def study_folder(folder, **studies):
    """A copy of the parameters with more studies."""
    copy = shutil.copytree(ROOT / "params", folder / "params")
    for name, tree in studies.items():
        (copy / "studies" / f"{name}.yaml").write_text(quick_yaml.dump(tree), encoding="utf-8")
    return copy


def instances(windows, utilizations):
    """A study of 2 x windows x utilizations points."""
    return {
        "title": "Many points",
        "model": "profiles",
        "account": "paper",
        "axes": {
            "profile": ["H100", "B200"],
            "context_window": {"linspace": [2048, 2047 + windows, windows], "unit": "tok"},
            "utilization": {"linspace": [0.1, 1, utilizations], "unit": "1"},
        },
        "quantities": ["tokens_per_joule"],
    }


def tokwatt(*arguments, **options):
    """The command line in another process."""
    return subprocess.Popen(
        [sys.executable, "-m", "tokwatt", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )
