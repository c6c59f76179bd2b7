"""One page for whoever plans capacity: which headlines survive, for whom, and what follows from it."""

import json
from collections import Counter
from importlib.resources import files
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
import xarray as xr
from tabulate import tabulate

GRIDS = (
    "waterfall",
    "readings",
    "uncertainty",
    "slopes",
    "lever",
    "measured_sweep",
    "measured_generation",
    "measured_moe",
)

VERDICTS = {
    "holds": "the published number lies within our 90 % interval",
    "weaker": "the published number lies above our interval",
    "stronger": "it lies below our interval",
    "gone": "no effect is left",
    "reversed": "the effect points the other way",
    "other basis": "it lies within our interval once the watts of every GPU are counted",
}


class Survival(NamedTuple):
    """A headline under the consistent account; `rebased` is the published number with nothing but the basis corrected."""

    claim: str
    published: float
    rebased: float
    value: float
    low: float
    high: float
    ratio: bool

    @property
    def verdict(self) -> str:
        """Which of `VERDICTS` it is; a ratio within 5 % of 1 is no effect."""
        if self.low <= self.published <= self.high:
            return "holds"
        if self.low <= self.rebased <= self.high:
            return "other basis"
        if self.ratio and self.low < 1.05:
            return "reversed" if self.high < 1 else "gone"
        return "weaker" if self.published > self.high else "stronger"


def write(grids: Path, out: Path) -> None:
    """Write `verdict.md` from the grids of the accounts."""
    loaded = {name: xr.load_dataset(grids / f"{name}.nc") for name in GRIDS}
    out.mkdir(parents=True, exist_ok=True)
    (out / "verdict.md").write_text(page(loaded), encoding="utf-8")


def page(grids: dict[str, xr.Dataset]) -> str:
    """The page as Markdown: `verdict.md` of this package with the numbers filled in."""
    rows = {str(name): survival(grids, str(name)) for name in grids["waterfall"].headline.values}
    counts = Counter(row.verdict for row in rows.values())
    header = [
        "claim",
        "published",
        "consistent (90 % interval)",
        "verdict",
        "the largest correction",
        "nearest to it under another reading",
    ]
    lines = [_line(grids, name, row) for name, row in rows.items()]
    return (
        files("tokwatt.reports")
        .joinpath("verdict.md")
        .read_text(encoding="utf-8")
        .format(
            headlines=len(rows),
            summary=", ".join(
                f"{counts[verdict]} {verdict}" for verdict in VERDICTS if counts[verdict]
            ),
            legend="; ".join(
                f"*{verdict}*: {meaning}"
                for verdict, meaning in VERDICTS.items()
                if counts[verdict]
            ),
            table=tabulate(lines, header, tablefmt="github", disable_numparse=True),
            reading=_readings(grids["readings"].value),
            slope=_slopes(grids["slopes"].slope),
            mix=json.loads(grids["slopes"].attrs["inputs"])["prompt_ratio"]["value"],
            lever=_levers(grids["lever"].advantage),
            measured=_measured(grids),
            **rows,
        )
    )


def survival(grids: dict[str, xr.Dataset], headline: str) -> Survival:
    """What became of a headline."""
    path, spread = (
        grids["waterfall"].sel(headline=headline),
        grids["uncertainty"].sel(headline=headline, account="consistent"),
    )
    low, _, high = spread.value.values
    published, basis = float(path.value[0]), float(path.factor.sel(correction="basis"))
    ratio = bool(np.isfinite(spread.cancelled))
    return Survival(
        str(path.claim.values),
        published,
        published * basis,
        float(path.value[-1]),
        low,
        high,
        ratio,
    )


def _line(grids: dict[str, xr.Dataset], name: str, row: Survival) -> list[str]:
    consistent = f"{row.value:.3g} ({row.low:.3g} to {row.high:.3g})"
    path = grids["waterfall"].sel(headline=name).isel(correction=slice(2, None))
    largest = path.isel(correction=int(np.argmax(abs(np.log(path.factor.values)))))
    correction = f"{largest.label.item()} (×{float(largest.factor):.3g})"
    return [
        row.claim,
        f"{row.published:g}",
        consistent,
        row.verdict,
        correction,
        _nearest(grids["readings"], name, row.value / row.published),
    ]


def _nearest(readings: xr.Dataset, headline: str, consistent: float) -> str:
    """The reading under which a headline comes nearest to what was published, where that is nearer than the consistent account."""
    own = readings.where(readings.headline == headline, drop=True)
    distance = abs(np.log(own.over_published.values))
    if not distance.size or distance.min() >= abs(np.log(consistent)):
        return ""
    best = own.isel(reading=int(np.argmin(distance)))
    return f"{float(best.value):.3g}: {best.meaning.item()}"


def _readings(values: xr.DataArray) -> SimpleNamespace:
    """Readings as attributes of their names."""
    return SimpleNamespace(
        **dict(zip(values.reading.values.tolist(), values.values.tolist(), strict=True))
    )


def _slopes(slope: xr.DataArray) -> SimpleNamespace:
    """The law's slope for Llama-3.1-70B on H100 at both ends of the second headline, with prompts and in decoding alone."""
    own = slope.sel(gpu="H100", llm="llama-3.1-70b", context_window=[4096, 65536]).values.tolist()
    return SimpleNamespace(
        with_prompts=SimpleNamespace(short=own[0][0], long=own[0][1]),
        decoding=SimpleNamespace(short=own[1][0], long=own[1][1]),
    )


def _levers(advantage: xr.DataArray) -> SimpleNamespace:
    """The worst batch of two large mixtures on B200 in decoding with dispatch, and how they compare there with the dense LLM."""
    own = advantage.isel(reading=-1).sel(gpu="B200")
    worst = {
        name: own.sel(llm=llm)
        for name, llm in {"qwen": "qwen3-235b-a22b", "deepseek": "deepseek-v3"}.items()
    }
    return SimpleNamespace(
        **{
            name: SimpleNamespace(least=float(row.min()), batch=float(row.idxmin("batch")))
            for name, row in worst.items()
        }
    )


def _measured(grids: dict[str, xr.Dataset]) -> SimpleNamespace:
    """What machines did: the slope of the B200 sweep, the gain of a generation, and mixtures against the dense LLM at equal batch."""
    sweep = grids["measured_sweep"].sel(curve="measured").isel(span=0)
    generation, mixtures = (
        grids[name].ratio.sel(account="measured")
        for name in ("measured_generation", "measured_moe")
    )
    large = mixtures.where(mixtures.pair.str.startswith("Qwen3-235B"), drop=True)
    ranges = {
        name: SimpleNamespace(low=float(row.min()), high=float(row.max()))
        for name, row in {"generation": generation, "moe": large}.items()
    }
    return SimpleNamespace(
        slope=float(sweep.slope),
        slope_error=float(sweep.slope_error),
        llms=generation.sizes["pair"],
        **ranges,
    )
