"""A plan, and what would change it, as lines of one screen."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tokwatt.accounts.answers.answer import Estimate
from tokwatt.planning.changes.break_even import Intensity, Price, Stretch, prompt_share
from tokwatt.planning.changes.day import DayOfPlan
from tokwatt.planning.changes.decisions import Decision
from tokwatt.planning.changes.draws import Contender, Contest
from tokwatt.planning.changes.shadow import MILLISECOND, ShadowPrice
from tokwatt.planning.changes.verified import Verified, latencies_of_targets
from tokwatt.planning.plan import Plan
from tokwatt.planning.shared.shared_plan import SharedPlan
from tokwatt.planning.summary import described, described_pools, kind, shared_by, summary
from tokwatt.text import aligned
from tokwatt.units import Dimensionless, KilogramsPerJoule

UNITS = {"joules": "J/tok", "dollars": "USD/Mtok", "carbon": "g/Mtok", "gpus": "GPU/(tok/s)"}
"""Units in which an objective is shown."""
SCALES = {"joules": 1.0, "dollars": 1e6, "carbon": 1e9, "gpus": 1.0}
GRAMS_PER_KWH = 3.6e9
"""Grams per kilowatt-hour in a kilogram per joule."""
MOST_LEVERS = 3
_HEAD = ("configuration", "instances", "GPUs", "kW", "batch", "TTFT 50/99", "ITL 50/99", "binds")


def best_of(said: Mapping[str, Any]) -> str:
    """How far a plan may be from the best, and of what it was chosen, in words."""
    best = f"within {said['gap']:.2%} of the best" if said["gap"] else "the best"
    classes = f"{said['classes']} class{'es' * (said['classes'] != 1)} of lengths"
    return f"{best} of {said['configurations']} configurations for {classes}"


def bounds_of(pool: Mapping[str, Any]) -> str:
    """What binds a pool, in words."""
    return f"batch {pool['binds']['batch']}, instances {pool['binds']['instances']}"


def plan_lines(plan: Plan, decided: Mapping[str, Decision]) -> Iterator[str]:
    """A plan in one screen; levers that draws of the calibration leave undecided are marked."""
    said, own = summary(plan), plan.question
    yield plan.fleet.basis.sentence
    unit, scale = UNITS[own.objective], SCALES[own.objective]
    yield f"{own.objective}: {plan.cost_per_token * scale:.4g} {unit}, {best_of(said)}"
    yield f"targets: {plan.fleet.basis.targets}"
    yield ""
    rows = [(shared_by(said), *_HEAD), *map(_row, said["pools"]), _total(said["numbers"])]
    yield from aligned(rows)
    yield ""
    yield _views(said["numbers"])
    free = ", budgets aside" if own.budget.couples else ""
    yield f"one pool           {_beside(said)}{free}"
    yield f"levers             {_levers(said['levers'], decided)}{free}"
    yield from _budget(plan)
    yield from doubt_lines(said["extrapolated"], plan.fleet.basis.simulate)


def doubt_lines(extrapolated: Sequence[str], simulate: Sequence[str]) -> Iterator[str]:
    """What no measured run supports, and what must be simulated."""
    if extrapolated:
        yield f"extrapolated       {'; '.join(extrapolated)}"
    if simulate:
        yield f"must be simulated  {'; '.join(simulate)} (--verify)"


def _row(pool: Mapping[str, Any]) -> tuple[str, ...]:
    numbers = pool["numbers"]
    return (
        f"{pool['longest']:.0f}",
        kind(pool),
        *_sizes(numbers),
        f"{numbers['batch'].value:.4g}",
        *shown_latencies(numbers),
        bounds_of(pool),
    )


def _total(numbers: Mapping[str, Estimate]) -> tuple[str, ...]:
    return ("all", "", *_sizes(numbers), "", *shown_latencies(numbers), "")


def _sizes(numbers: Mapping[str, Estimate]) -> tuple[str, ...]:
    kilowatts = numbers["power"].value / 1e3
    return f"{numbers['instances'].value:g}", f"{numbers['gpus'].value:g}", f"{kilowatts:.4g}"


def shown_latencies(numbers: Mapping[str, Estimate]) -> tuple[str, str]:
    """Time to first token and inter-token latency, the median and the 99th percentile of each."""
    first, late = numbers["first_token"].value, numbers["first_token_p99"].value
    itl, late_itl = numbers["inter_token_latency"].value, numbers["inter_token_latency_p99"].value
    between = f"{1e3 * itl:.3g}/{1e3 * late_itl:.3g} ms" if itl else ""
    return f"{first:.3g}/{late:.3g} s", between


def _views(numbers: Mapping[str, Estimate]) -> str:
    shown = {
        "tok/J": numbers["tokens_per_joule"].value,
        "J/tok": numbers["joules_per_token"].value,
        "USD/Mtok": 1e6 * numbers["dollars_per_token"].value,
        "gCO2/Mtok": 1e6 * numbers["grams_per_token"].value,
    }
    return "per output token   " + ", ".join(f"{value:.4g} {unit}" for unit, value in shown.items())


def _beside(said: Mapping[str, Any]) -> str:
    if not said["one_pool"]:
        return "no single pool meets the targets"
    if sum(pool["part"] != "prefill" for pool in said["pools"]) == 1:
        return "is the plan, splitting by length gains nothing"
    return f"{said['one_pool']}: {said['one_pool_cost_ratio']:.3f} times the cost"


def _levers(values: Mapping[str, float], decided: Mapping[str, Decision]) -> str:
    best = sorted(values, key=lambda lever: values[lever], reverse=True)[:MOST_LEVERS]
    undecided = [lever for lever, it in decided.items() if it.undecided]
    mark = dict.fromkeys(undecided, " (undecided)")
    said = (f"without {lever} {_factor(values[lever])}{mark.get(lever, '')}" for lever in best)
    return ", ".join(said)


def _factor(ratio: float) -> str:
    return f"x{ratio:.3g}" if math.isfinite(ratio) else "no fleet"


def day_lines(days: Mapping[str, DayOfPlan]) -> Iterator[str]:
    """A day under each policy, in a line each."""
    for policy, day in days.items():
        yield (
            f"day, rest {policy:5}    {day.energy / 3.6e9:.4g} MWh for {day.electricity:.4g} USD,"
            f" rent {day.rent:.5g} USD, {day.carbon:.4g} kgCO2, {day.joules_per_token:.4g} J/tok,"
            f" x{day.over_peak:.3f} that at the peak"
        )


def draw_lines(found: Contest, decided: Mapping[str, Decision]) -> Iterator[str]:
    """The plan of the least expected cost, how it fares, and which of its levers are undecided."""
    best, own = found.contenders[0], found.own
    yield f"at the draws       of the least expected cost, {_fares(best)}"
    if best != own:
        yield f"at own values      {described_pools(own.longest, own.names)} is best, {_fares(own)}"
    wins = list(found.configuration_wins.items())[:MOST_LEVERS]
    yield f"in the best plan   {', '.join(f'{described(it)} {share:.0%}' for it, share in wins)}"
    undecided = [it for it in decided.values() if it.undecided]
    for it in {own.rival: own for own in undecided}.values():
        levers = ", ".join(lever for lever, own in decided.items() if own.rival == it.rival)
        rival = described_pools(it.rival.longest, it.rival.names)
        gain = f"gain {it.gain:.2%}, regret {it.high_regret:.2%} at 95 %"
        yield f"undecided          {levers}: {gain}; without: {rival}"


def _fares(own: Contender) -> str:
    return (
        f"wins {own.wins:.0%}, regret {own.expected_regret:.2%} on the average and"
        f" {own.high_regret:.2%} at 95 %, misses a bound in {own.missed:.0%}"
    )


def shadow_lines(prices: Mapping[str, ShadowPrice]) -> Iterator[str]:
    """What more of each bound saves, in a line each."""
    for name, price in prices.items():
        unit = {"itl": "ms", "ttft": "ms", "power_cap": "W"}.get(name, "GPU")
        one = f"1 {unit} more saves {price.one_more:.2%}"
        more = f", {price.relaxation / price.unit:.4g} {unit} more {price.saved:.2%}"
        one = one if price.relaxation == price.unit else one + more
        none = "up to twice as long" if price.unit == MILLISECOND else "whatever is added"
        said = one if math.isfinite(price.relaxation) else f"nothing saved, {none}"
        yield f"{f'more {name}':18} {said}"


def break_even_lines(
    plan: Plan,
    prices: Mapping[str, Price],
    intensities: Mapping[str, Intensity],
    rates: Sequence[Stretch],
    shares: Sequence[Stretch],
) -> Iterator[str]:
    """Where the choice of GPUs flips: rents, grids, and rates and prompt shares near the plan's."""
    rents = (
        f"{gpu} {_hourly(it.break_even)} (now {_hourly(it.now)})" for gpu, it in prices.items()
    )
    yield f"bought below       {', '.join(rents)} USD/GPU-hour, for the least dollars"
    grids = (f"{gpu} {_intensity(it.break_even)}" for gpu, it in intensities.items())
    here = f"here {GRAMS_PER_KWH * float(plan.columns.energy.grid_intensity):.3g}"
    yield f"elsewhere below    {', '.join(grids)} gCO2/kWh ({here}), to emit less than the plan"
    rate = float(plan.question.demand.arrival_rate)
    yield f"one pool by rate   {_near(rates, rate, '.4g')} req/s"
    share = prompt_share(plan.columns.classes.requests)
    yield f"one pool by share  {_near(shares, share, '.1%')} prompt tokens (now {share:.1%})"


def _near(stretches: Sequence[Stretch], now: Dimensionless, form: str) -> str:
    """The stretch of now and its neighbours."""
    own = next(place for place, it in enumerate(stretches) if now <= it.high)
    some = stretches[max(own - 1, 0) : own + 2]
    said = (f"{it.gpu or 'no fleet'} {it.low:{form}} to {it.high:{form}}" for it in some)
    return ", ".join(said)


def _intensity(intensity: KilogramsPerJoule) -> str:
    return f"{GRAMS_PER_KWH * intensity:.3g}" if intensity else "no grid"


def _hourly(price: float) -> str:
    return f"{price * 3600:.3g}" if math.isfinite(price) else "any rent"


def verified_line(found: Verified[Plan] | Verified[SharedPlan]) -> str:
    """Whether a plan keeps its targets request by request."""
    names = latencies_of_targets(found.plan.question.demand)
    shown = {
        name: it.removeprefix("simulated_").replace("inter_token", "inter-token")
        for name, it in names.items()
    }
    errors = {name: round(error, 6) for name, error in found.errors.items()}
    latencies = (
        f"{shown[name]} {found.simulated[name]:.3g} ± {errors[name]:.1g} of {target:.3g} s"
        for name, target in found.targets.items()
    )
    said = "holds" if found.holds else "misses a target"
    tighter = f", planned for targets {found.margin:.0%} shorter" if found.margin > 0 else ""
    return f"simulated          {said}: {', '.join(latencies)}{tighter}".replace("_", " ")


def _budget(plan: Plan) -> Iterator[str]:
    """What of the budgets is used."""
    budget = plan.question.budget
    if budget.power is not None:
        watts = plan.fleet.power
        basis = plan.fleet.basis.basis
        yield f"power cap          {watts / 1e3:.4g} of {budget.power / 1e3:.4g} kW, {basis}"
    for gpu, most in (budget.inventory or {}).items():
        pools = zip(plan.parts, plan.fleet.pools, strict=True)
        used = sum(pool["gpus"].value for part, pool in pools if part.own.names.gpu == gpu)
        yield f"inventory          {used:g} of {most} {gpu}"
