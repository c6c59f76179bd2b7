"""Numbers of answers with their units and intervals."""

import math
from collections.abc import Mapping

from tokwatt.accounts.answers.answer import Estimate
from tokwatt.accounts.answers.support import Support
from tokwatt.accounts.energy import Energy
from tokwatt.serving.account import Account
from tokwatt.serving.catalogue import Catalogue
from tokwatt.serving.gpu.share import Memory
from tokwatt.serving.point import OperatingPoint
from tokwatt.serving.pools.fleet import Fleet
from tokwatt.serving.pools.pool import ROUNDING, Pool
from tokwatt.units import (
    Dimensionless,
    DollarsPerSecond,
    TokensPerJoule,
    TokensPerSecond,
    Watts,
    units_of,
)

LATENCIES = {
    "first_token": "median_first_token",
    "first_token_p99": "late_first_token",
    "inter_token_latency": "median_latency",
    "inter_token_latency_p99": "late_latency",
}
"""Latencies of a fleet, and their fields of it and of its pools."""
UNITS = {
    "joules_per_token": "J/tok",
    "dollars_per_token": "USD/tok",
    "grams_per_token": "g/tok",
    **dict.fromkeys(LATENCIES, "s"),
    "context_window": "tok",
    **units_of(Memory),
    **units_of(OperatingPoint),
    **units_of(Pool),
    **units_of(Fleet),
}
"""Units of the numbers of answers."""
WIDTHS = {
    **dict.fromkeys(("inter_token_latency", "inter_token_latency_p99"), "latency"),
    **dict.fromkeys(("first_token", "first_token_p99"), "first_token"),
    **dict.fromkeys(("iteration_latency", "throughput", "dollars_per_token"), "throughput"),
    "power": "power",
    **dict.fromkeys(
        ("tokens_per_joule", "joules_per_token", "grams_per_token"), "tokens_per_joule"
    ),
}
"""Which interval of the calibration a number of a point has."""
CARRIED = {"instances": "throughput", "gpus": "throughput", "power": "tokens_per_joule"}
"""The same for numbers of a fleet, whose throughput is what is asked of it."""
COUNTED = ("instances", "gpus")
"""Numbers of a fleet that are whole."""


def quantities(
    numbers: Mapping[str, Dimensionless], support: Support | None, hosts: Watts = 0.0
) -> dict[str, Estimate]:
    """Numbers with their units and intervals.

    Args:
        numbers: of an instance, a pool or a fleet, by name.
        support: the measured runs that say how wide intervals are.
        hosts: what is drawn beside boards of all its power, an assumed number that has no interval.
    """
    widths = support.half_widths if support else {}
    kinds = WIDTHS | CARRIED if "instances" in numbers else WIDTHS
    share = hosts / numbers["power"] if hosts else 0.0
    found = {}
    for name, value in numbers.items():
        kind = kinds.get(name, "")
        if "instances" in numbers and name == "throughput":
            kind = ""
        low, high = _ends(name, value, kind, widths, share) if kind in widths else (None, None)
        if low is not None and high is not None and name in COUNTED:
            low, high = _whole((low, high), value / max(1.0, numbers["instances"]))
        found[name] = Estimate(value, low, high, UNITS[name] or "1")
    return found


def _whole(
    ends: tuple[Dimensionless, Dimensionless], each: Dimensionless
) -> tuple[Dimensionless, Dimensionless]:
    """Ends that are counts, of so many for an instance; at least 1, where instances differ."""
    least = each if each >= 1 and each.is_integer() else 1.0
    low, high = (least * math.ceil(end / least - ROUNDING) for end in ends)
    return low, high


def _ends(
    name: str,
    value: Dimensionless,
    kind: str,
    widths: Mapping[str, Dimensionless],
    hosts: Dimensionless,
) -> tuple[Dimensionless, Dimensionless]:
    """Both ends of the interval of a number, so large a share of whose watts hosts draw.

    Hosts draw the same whatever boards do: they leave as much doubt about their joules of a token
    as there is about tokens in a second, and none about the power of an instance.
    """
    if kind not in ("power", "tokens_per_joule"):
        return value / math.exp(widths[kind]), value * math.exp(widths[kind])
    beside = 0.0 if kind == "power" else widths["throughput"]
    low, high = (
        (1 - hosts) * math.exp(sign * widths[kind]) + hosts * math.exp(sign * beside)
        for sign in (-1, 1)
    )
    if name == "tokens_per_joule":
        return value / high, value / low
    return value * low, value * high


def views(
    catalogue: Catalogue,
    tokens_per_joule: TokensPerJoule,
    throughput: TokensPerSecond,
    rent: DollarsPerSecond,
) -> dict[str, Dimensionless]:
    """Joules, dollars and grams of a token."""
    energy = Energy.of(catalogue)
    return {
        "joules_per_token": 1 / tokens_per_joule,
        "dollars_per_token": rent / throughput,
        "grams_per_token": 1e3 * float(energy.grid_intensity) / tokens_per_joule,
    }


def rented(account: Account, gpus: Dimensionless) -> Dimensionless:
    """GPUs that are paid for where an instance counts: as many as those whose watts count."""
    return 1.0 if account.assumed.basis == "gpu" else gpus
