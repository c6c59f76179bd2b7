"""One page for capacity planners: which headlines survive, for whom, and what to plan with."""

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
import xarray as xr

from tokwatt.output import write_files
from tokwatt.params.intervals import is_known
from tokwatt.reports.audit.claims import headlines_of
from tokwatt.reports.datasets import load_datasets
from tokwatt.reports.markdown import filled_page, link, pipe_table
from tokwatt.reports.pages.planning import ALL, SPLIT, factors
from tokwatt.reports.pages.simulation import keeping

GRIDS = (
    "waterfall",
    "readings",
    "uncertainty",
    "slopes",
    "lever",
    "measured_sweep",
    "measured_generation",
    "measured_moe",
    "plan_fleetopt",
    "plan_levers",
    "simulated_fleets",
)

VERDICTS = {
    "holds": "the published number lies within our 90 % interval",
    "weaker": "the published number lies above our interval",
    "stronger": "it lies below our interval",
    "gone": "no effect is left",
    "reversed": "the effect points the other way",
    "other basis": "it lies within our interval once the watts of every GPU are counted",
    "not known": "our interval spans more than a factor of six, or a fleet may not exist",
}

HEADS = (
    "id",
    "claim",
    "published",
    "consistent (90 % interval)",
    "verdict",
    "largest correction",
    "nearest value under another interpretation",
)


class Survival(NamedTuple):
    """A headline under the consistent account.

    Attributes:
        claim: the headline in words.
        published: the number that the paper prints, in the unit of the headline.
        rebased: the published number with nothing but the basis corrected.
        value: the number under the consistent account.
        low: lower end of its 90 % interval.
        high: upper end of its 90 % interval; infinite where what it is compared with may not exist.
        ratio: whether it is a ratio, so that 1 is no effect.
    """

    claim: str
    published: float
    rebased: float
    value: float
    low: float
    high: float
    ratio: bool

    @property
    def verdict(self) -> str:
        """One of `VERDICTS`; a ratio within 5 % of 1 is no effect."""
        if not is_known(self.low, self.high):
            return "not known"
        if self.low <= self.published <= self.high:
            return "holds"
        if self.low <= self.rebased <= self.high:
            return "other basis"
        if self.ratio and self.low < 1.05:
            return "reversed" if self.high < 1 else "gone"
        return "weaker" if self.published > self.high else "stronger"

    @property
    def text(self) -> str:
        """Its value with its unit."""
        return f"{self.value:.3g} {'x' if self.ratio else 'tok/J'}"

    @property
    def interval(self) -> str:
        """Its 90 % interval in words."""
        if self.low > 0 and np.isfinite(self.high):
            return f"{self.low:.3g} to {self.high:.3g}"
        return f"at least {self.low:.3g}" if self.low > 0 else f"at most {self.high:.3g}"


def write_verdict(params: Path, grids: Path, out: Path) -> None:
    """Write `verdict.md` from the grids of the accounts."""
    ids = {headline: claim for claim, headline in headlines_of(params).items()}
    text = verdict_page(load_datasets(grids, GRIDS), ids)
    write_files({out / "verdict.md": text})


def survivals(params: Path, grids: Path) -> dict[str, Survival]:
    """What became of the headlines, by the id of the claim that the paper makes of each."""
    datasets = load_datasets(grids, ("waterfall", "uncertainty"))
    headlines = headlines_of(params)
    return {claim: survival(datasets, headline) for claim, headline in headlines.items()}


def verdict_page(grids: Mapping[str, xr.Dataset], ids: Mapping[str, str]) -> str:
    """The page as Markdown: numbers filled in, `ids` the claims of the audit by headline."""
    rows = {str(name): survival(grids, str(name)) for name in grids["waterfall"].headline.values}
    counts = Counter(row.verdict for row in rows.values())
    verdicts = [verdict for verdict in VERDICTS if counts[verdict]]
    return filled_page(
        "verdict.md",
        headlines=len(rows),
        summary=", ".join(f"{counts[verdict]} {verdict}" for verdict in verdicts),
        legend="; ".join(f"*{verdict}*: {VERDICTS[verdict]}" for verdict in verdicts),
        table=pipe_table(
            HEADS, [_line(grids, name, row, ids.get(name, "")) for name, row in rows.items()]
        ),
        reading=_by_name(grids["readings"].value),
        slope=_slopes(grids["slopes"].slope),
        mix=json.loads(grids["slopes"].attrs["inputs"])["prompt_ratio"]["value"],
        lever=_levers(grids["lever"].advantage),
        measured=_measured(grids),
        worth=_worth(grids),
        keeping=keeping(grids["simulated_fleets"]),
        **rows,
    )


def survival(grids: Mapping[str, xr.Dataset], headline: str) -> Survival:
    """What became of a headline."""
    path = grids["waterfall"].sel(headline=headline)
    draws = grids["uncertainty"].sel(headline=headline, account="consistent")
    low, _, high = draws.value.values
    published = float(path.value[0])
    return Survival(
        claim=str(path.claim.values),
        published=published,
        rebased=published * float(path.factor.sel(correction="basis")),
        value=float(path.value[-1]),
        low=low,
        high=high,
        ratio=bool(np.isfinite(draws.cancelled)),
    )


def _line(grids: Mapping[str, xr.Dataset], headline: str, row: Survival, claim: str) -> list[str]:
    corrections = grids["waterfall"].sel(headline=headline).isel(correction=slice(2, None))
    logarithms = np.log(corrections.factor.values)
    largest = corrections.isel(correction=int(np.argmax(abs(logarithms))))
    return [
        link(claim, "audit.md", claim) if claim else "",
        row.claim,
        f"{row.published:g}",
        f"{row.value:.3g} ({row.interval})",
        link(row.verdict, "headlines.md", claim) if claim else row.verdict,
        f"{largest.label.item()} (×{float(largest.factor):.3g})",
        _nearest(grids["readings"], headline, row.value / row.published),
    ]


def _nearest(readings: xr.Dataset, headline: str, consistent: float) -> str:
    """The interpretation nearest to the published number, if nearer than the consistent account."""
    of_headline = readings.where(readings.headline == headline, drop=True)
    distance = abs(np.log(of_headline.over_published.values))
    if not distance.size or distance.min() >= abs(np.log(consistent)):
        return ""
    nearest = of_headline.isel(reading=int(np.argmin(distance)))
    return f"{float(nearest.value):.3g}: {nearest.meaning.item()}"


def _by_name(values: xr.DataArray) -> SimpleNamespace:
    """Values of interpretations as attributes of their names."""
    names = values.reading.values.tolist()
    return SimpleNamespace(**dict(zip(names, values.values.tolist(), strict=True)))


def _slopes(slope: xr.DataArray) -> SimpleNamespace:
    """Slopes of Llama-3.1-70B on H100 at both ends of the second headline, by account."""
    ends = slope.sel(gpu="H100", llm="llama-3.1-70b", context_window=[4096, 65536])
    with_prompts, decoding = ends.values.tolist()
    return SimpleNamespace(
        with_prompts=SimpleNamespace(short=with_prompts[0], long=with_prompts[1]),
        decoding=SimpleNamespace(short=decoding[0], long=decoding[1]),
    )


def _levers(advantage: xr.DataArray) -> SimpleNamespace:
    """The worst batch of two large mixtures in decoding with dispatch, over the dense LLM."""
    with_dispatch = advantage.isel(reading=-1).sel(gpu="B200")
    return SimpleNamespace(
        qwen=_least(with_dispatch.sel(llm="qwen3-235b-a22b")),
        deepseek=_least(with_dispatch.sel(llm="deepseek-v3")),
    )


def _least(advantage: xr.DataArray) -> SimpleNamespace:
    return SimpleNamespace(least=float(advantage.min()), batch=float(advantage.idxmin("batch")))


def _worth(grids: Mapping[str, xr.Dataset]) -> SimpleNamespace:
    """What FleetOpt's split and all levers are worth, of the first workload and LLM."""
    _, _, found = next(factors(grids["plan_fleetopt"], grids["plan_levers"]))
    return SimpleNamespace(split=found[SPLIT], levers=found[ALL])


def _measured(grids: Mapping[str, xr.Dataset]) -> SimpleNamespace:
    """Measured: the slope of the sweep, the gain of a generation, mixtures at equal batch."""
    sweep = grids["measured_sweep"].sel(curve="measured").isel(span=0)
    generation = grids["measured_generation"].ratio.sel(account="measured")
    mixtures = grids["measured_moe"].ratio.sel(account="measured")
    return SimpleNamespace(
        slope=float(sweep.slope),
        slope_error=float(sweep.slope_error),
        llms=generation.sizes["pair"],
        generation=_range(generation),
        moe=_range(mixtures.where(mixtures.pair.str.startswith("Qwen3-235B"), drop=True)),
    )


def _range(values: xr.DataArray) -> SimpleNamespace:
    return SimpleNamespace(low=float(values.min()), high=float(values.max()))
