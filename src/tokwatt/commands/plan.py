"""The best fleet for a workload or for a trace of one's own, and what would change it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tokwatt.commands import options as opt
from tokwatt.commands.groups import TargetOptions, asked, grouped
from tokwatt.commands.plan_options import (
    Between,
    ChoiceOptions,
    Inventory,
    PowerCap,
    TrafficOptions,
)
from tokwatt.commands.printing import show_json
from tokwatt.params.errors import ParameterError
from tokwatt.text import visible

if TYPE_CHECKING:
    from tokwatt.params.specs import Demand
    from tokwatt.params.traces.traces import Trace
    from tokwatt.planning.question import PlanOptions
    from tokwatt.serving.catalogue import Catalogue


@grouped
def ask_plan(
    *,
    served: TrafficOptions,
    llm: opt.LlmName = "llama-3.1-70b",
    choices: ChoiceOptions,
    engine: opt.EngineName = "vllm",
    objective: Annotated[
        str, typer.Option(help="Least per output token: joules, dollars, carbon or gpus.")
    ] = "joules",
    arrival_rate: opt.Rate = None,
    targets: TargetOptions,
    max_utilization: opt.Bound = None,
    spare: Annotated[
        int, typer.Option(min=0, max=10**6, help="Instances of each pool beyond its need.")
    ] = 0,
    output_share: opt.Share = None,
    power_cap: PowerCap = None,
    inventory: Inventory = None,
    max_pools: Annotated[int | None, typer.Option(min=1, help="Most pools.")] = None,
    split_candidates: Annotated[
        int | None,
        typer.Option(
            help="Lengths that may split requests, both ends among them.", show_default="32"
        ),
    ] = None,
    split_length: Between = None,
    day: Annotated[
        bool, typer.Option("--day", help="A day whose peak is the rate, see views.yaml.")
    ] = False,
    disaggregated: Annotated[
        bool, typer.Option("--disaggregated", help="Pools may also prefill and decode apart.")
    ] = False,
    draws: Annotated[
        bool, typer.Option("--draws", help="The same choice at joint draws of the calibration.")
    ] = False,
    sensitivity: Annotated[
        bool, typer.Option("--sensitivity", help="What more of each bound saves, where GPUs swap.")
    ] = False,
    verify: Annotated[
        bool, typer.Option("--verify", help="Simulate it, and plan anew until its targets hold.")
    ] = False,
    account: opt.AccountName = "consistent",
    changes: opt.Changes = None,
    params: opt.Params = opt.PARAMS,
    as_json: opt.Json = False,
    out: Annotated[
        Path | None, typer.Option(help="Write the plan for `tokwatt fleet --plan`.")
    ] = None,
) -> None:
    """The fleet that serves requests at the least joules, dollars, carbon or GPUs, proved.

    What is left out of GPUs, widths, precisions and caps is chosen among all that there are. --ttft
    is a target on a percentile of the time to first token, the 99th if --ttft-quantile says nothing
    else, --itl on one of the inter-token latency, the median if --itl-quantile says nothing else;
    --ttft-per-1k lets long prompts take longer. Latencies are shown at their median and 99th
    percentile. Several traces share one fleet, which costs least in the worst of them.
    """
    from tokwatt.planning import lines
    from tokwatt.planning.changes import break_even
    from tokwatt.planning.changes.day import Day, day_of
    from tokwatt.planning.changes.decisions import decisions
    from tokwatt.planning.changes.draws import contest
    from tokwatt.planning.changes.shadow import shadow_prices
    from tokwatt.planning.changes.verified import verified
    from tokwatt.planning.columns.configurations import Options
    from tokwatt.planning.optimum.constrained import Budget
    from tokwatt.planning.plan import CANDIDATES, plan
    from tokwatt.planning.record import record_of, write_plan
    from tokwatt.planning.summary import summary
    from tokwatt.serving.catalogue import Catalogue

    if split_length and split_candidates is not None:
        beside = f"is {split_candidates} beside --split-length, wanted one of the two"
        raise ParameterError(f"--split-candidates: {beside}.")
    catalogue = Catalogue(params)
    bounds = {"max_utilization": max_utilization, "output_share": output_share}
    each = [
        asked(catalogue, own, arrival_rate, targets, **bounds, spare_instances=float(spare))
        for own in served.each
    ]
    options = Options(engine=engine, disaggregated=disaggregated, **choices.given)
    question: PlanOptions = {
        "options": options,
        "objective": objective,
        "budget": Budget(power_cap, inventory, max_pools),
        "candidates": split_length
        or (CANDIDATES if split_candidates is None else split_candidates),
        "account": account,
        "changes": opt.stated_changes(changes, output_share),
    }
    if len(each) > 1:
        _require_one(len(each), day=day, draws=draws, sensitivity=sensitivity)
        return _show_shared(catalogue, each, llm, question, served.trace, verify, as_json, out)
    [(requests, demand)] = each
    with opt.named_as_options():
        found = plan(catalogue, requests, demand, llm, **question)
    rivals = contest(found, catalogue) if draws else None
    decided = decisions(rivals) if rivals else {}
    found = rivals.named if rivals else found
    with opt.named_as_options():
        checked = verified(found) if verify else None
    found = checked.plan if checked else found
    if out:
        write_plan(record_of(found, served.trace[0] if served.trace else None), out)
    days = day_of(found, Day.of(catalogue)) if day else {}
    prices = shadow_prices(found) if sensitivity else {}
    rents = break_even.break_even_prices(found) if sensitivity else {}
    grids = break_even.break_even_intensities(found) if sensitivity else {}
    by_rate = break_even.break_even_rates(found) if sensitivity else []
    by_share = break_even.break_even_shares(found) if sensitivity else []
    if as_json:
        views: dict[str, Any] = {"day": days}
        views |= {"draws": rivals and rivals.contenders, "decisions": decided}
        views |= {"shadow_prices": prices, "break_even_prices": rents, "cheapest_by_rate": by_rate}
        views |= {"break_even_intensities": grids, "cheapest_by_prompt_share": by_share}
        views["verified"] = checked and checked.numbers
        show_json(summary(found) | {name: answer for name, answer in views.items() if answer})
        return
    more = [
        *lines.day_lines(days),
        *(lines.draw_lines(rivals, decided) if rivals else ()),
        *lines.shadow_lines(prices),
        *(lines.break_even_lines(found, rents, grids, by_rate, by_share) if sensitivity else ()),
        *([lines.verified_line(checked)] if checked else ()),
    ]
    print(visible("\n".join([*lines.plan_lines(found, decided), *more])))


def _require_one(traces: int, **asked: bool) -> None:
    """Refuse what is asked of a plan for one trace alone."""
    for name in (name for name, given in asked.items() if given):
        wanted = "one, as what would change a plan is that of its trace"
        raise ParameterError(f"--{name}: is beside {traces} traces, wanted {wanted}.")


def _show_shared(
    catalogue: "Catalogue",
    each: list[tuple["str | Trace", "Demand"]],
    llm: str,
    question: "PlanOptions",
    traces: list[Path] | None,
    verify: bool,
    as_json: bool,
    out: Path | None,
) -> None:
    """The fleet of the least cost in the worst of several traces."""
    from tokwatt.planning.changes.verified import verified
    from tokwatt.planning.plan import plan
    from tokwatt.planning.record import record_of_shared, write_plan
    from tokwatt.planning.shared.lines import shared_lines, shared_verified_lines
    from tokwatt.planning.shared.summary import shared_summary, shared_verified

    requests, demands = [own for own, _ in each], [demand for _, demand in each]
    with opt.named_as_options():
        found = plan(catalogue, requests, demands, llm, **question)
        checked = verified(found) if verify else None
    found = checked.plan if checked else found
    if out:
        write_plan(record_of_shared(found, traces or [None] * len(each)), out)
    if as_json:
        show_json(
            shared_summary(found) | ({"verified": shared_verified(checked)} if checked else {})
        )
        return
    lines = [*shared_lines(found), *(shared_verified_lines(checked) if checked else ())]
    print(visible("\n".join(lines)))
