"""Every number of the parameter folder with its source, as the page of parameters lists them."""

from collections.abc import Mapping

from tokwatt.params.folder import Folder
from tokwatt.params.records.quantity import CATALOGUES, Record
from tokwatt.params.records.section import Section

OTHERS = (
    "calibration",
    "views",
    "kernels",
    "kernel_runs",
    "measured/mlenergy",
    "measured/b200_sweep",
)
"""Files of records beside the catalogues."""
ASSUMED, FITTED = ("constants", "output_shares", "demand"), ("value", "half_widths")
"""The parts of `assumptions.yaml` and `calibrated.yaml` that hold records."""


def site_records(params: Folder) -> dict[str, list[Record]]:
    """Every number with its source, by file."""
    whole = {name: list(params.section(name).records()) for name in (*CATALOGUES, *OTHERS)}
    assumed = params.section("assumptions")
    constants = [record for part in ASSUMED for record in assumed.child(part).records()]
    factors = [_range(name, factor) for name, factor in assumed.child("uncertain").raw.items()]
    return whole | {
        "assumptions": constants + factors,
        "calibrated": _fitted(params.section("calibrated")),
    }


def _fitted(calibrated: Section) -> list[Record]:
    source = calibrated.raw["source"], calibrated.raw["quality"]
    return [record for part in FITTED for record in calibrated.child(part).records(*source)]


def _range(name: str, factor: Mapping) -> Record:
    """A factor that is known to lie between two, as a record of both."""
    numbers = [factor["low"], factor["high"]]
    key = f"uncertain.{name}"
    return Record("assumptions.yaml", key, numbers, "1", factor["source"], factor["quality"])
