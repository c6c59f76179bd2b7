"""The best fleet for a workload or for a trace of one's own, and what would change it."""

from pathlib import Path
from typing import Annotated, Any

import typer

from tokwatt.commands.asked import asked_each
from tokwatt.commands.options import (
    PARAMS,
    AccountName,
    Bound,
    Changes,
    Columns,
    Json,
    Lengths,
    Params,
    PerThousand,
    Quantile,
    Rate,
    Share,
    Target,
    Tokenizer,
    TraceFiles,
    WorkloadNames,
    named_as_options,
    stated_changes,
)
from tokwatt.commands.plan_options import (
    BoardLimits,
    Caps,
    Chunks,
    DataRanks,
    ExpertRanks,
    Inventory,
    KvPrecisions,
    Names,
    PowerCap,
    Precisions,
    Widths,
)
from tokwatt.commands.printing import show_json
from tokwatt.commands.selectors import EngineName, LlmName
from tokwatt.commands.shared_plan import require_one, show_shared
from tokwatt.text import visible


def ask_plan(
    workload: WorkloadNames = None,
    trace: TraceFiles = None,
    columns: Columns = None,
    tokenizer: Tokenizer = None,
    llm: LlmName = "llama-3.1-70b",
    gpu: Names = None,
    gpus: Widths = None,
    data_parallel: DataRanks = None,
    expert_parallel: ExpertRanks = None,
    precision: Precisions = None,
    kv_precision: KvPrecisions = None,
    max_num_seqs: Caps = None,
    max_num_batched_tokens: Chunks = None,
    power_limit: BoardLimits = None,
    engine: EngineName = "vllm",
    objective: Annotated[
        str, typer.Option(help="Least per output token: joules, dollars, carbon or gpus.")
    ] = "joules",
    arrival_rate: Rate = None,
    ttft: Target = None,
    ttft_quantile: Quantile = None,
    ttft_per_1k: PerThousand = None,
    itl: Target = None,
    itl_quantile: Quantile = None,
    max_utilization: Bound = None,
    spare: Annotated[
        int, typer.Option(min=0, max=10**6, help="Instances of each pool beyond its need.")
    ] = 0,
    output_share: Share = None,
    power_cap: PowerCap = None,
    inventory: Inventory = None,
    max_pools: Annotated[int | None, typer.Option(min=1, help="Most pools.")] = None,
    split_candidates: Annotated[
        int, typer.Option(help="Lengths that may split requests, both ends among them.")
    ] = 32,
    split_length: Lengths = None,
    day: Annotated[
        bool, typer.Option("--day", help="A day whose peak is the rate, see views.yaml.")
    ] = False,
    disaggregated: Annotated[
        bool,
        typer.Option("--disaggregated", help="Pools may also prefill and decode apart."),
    ] = False,
    draws: Annotated[
        bool, typer.Option("--draws", help="The same choice at joint draws of the calibration.")
    ] = False,
    sensitivity: Annotated[
        bool,
        typer.Option("--sensitivity", help="What more of each bound saves, where GPUs swap."),
    ] = False,
    verify: Annotated[
        bool, typer.Option("--verify", help="Simulate it, and plan anew until its targets hold.")
    ] = False,
    account: AccountName = "consistent",
    changes: Changes = None,
    params: Params = PARAMS,
    as_json: Json = False,
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
    from tokwatt.planning.changes.break_even import (
        break_even_intensities,
        break_even_prices,
        break_even_rates,
        break_even_shares,
    )
    from tokwatt.planning.changes.day import Day, day_of
    from tokwatt.planning.changes.decisions import decisions
    from tokwatt.planning.changes.draws import contest
    from tokwatt.planning.changes.shadow import shadow_prices
    from tokwatt.planning.changes.verified import verified
    from tokwatt.planning.columns.configurations import Options
    from tokwatt.planning.lines import (
        break_even_lines,
        day_lines,
        draw_lines,
        plan_lines,
        shadow_lines,
        verified_line,
    )
    from tokwatt.planning.optimum.constrained import Budget
    from tokwatt.planning.plan import plan
    from tokwatt.planning.question import PlanOptions
    from tokwatt.planning.record import record_of, write_plan
    from tokwatt.planning.summary import summary
    from tokwatt.serving.catalogue import Catalogue

    catalogue = Catalogue(params)
    each = asked_each(
        catalogue,
        workload,
        trace,
        columns,
        tokenizer,
        arrival_rate,
        latency_target=ttft,
        ttft_quantile=ttft_quantile,
        ttft_per_token=ttft_per_1k,
        itl_target=itl,
        itl_quantile=itl_quantile,
        max_utilization=max_utilization,
        output_share=output_share,
        spare_instances=float(spare),
    )
    chosen: dict[str, list | None] = {
        "gpu": gpu,
        "gpus": gpus,
        "data_parallel": data_parallel,
        "expert_parallel": _own(expert_parallel),
        "precision": precision,
        "kv_precision": kv_precision,
        "max_num_seqs": _own(max_num_seqs),
        "max_num_batched_tokens": _own(max_num_batched_tokens),
        "power_limit": power_limit,
    }
    given: dict[str, Any] = {name: tuple(it) for name, it in chosen.items() if it}
    options = Options(engine=engine, disaggregated=disaggregated, **given)
    question: PlanOptions = {
        "options": options,
        "objective": objective,
        "budget": Budget(power_cap, inventory, max_pools),
        "candidates": split_length or split_candidates,
        "account": account,
        "changes": stated_changes(changes, output_share),
    }
    if len(each) > 1:
        require_one(len(each), day=day, draws=draws, sensitivity=sensitivity)
        return show_shared(catalogue, each, llm, question, trace, verify, as_json, out)
    [(requests, demand)] = each
    with named_as_options():
        found = plan(catalogue, requests, demand, llm, **question)
    rivals = contest(found, catalogue) if draws else None
    decided = decisions(rivals) if rivals else {}
    found = rivals.named if rivals else found
    with named_as_options():
        checked = verified(found) if verify else None
    found = checked.plan if checked else found
    if out:
        write_plan(record_of(found, trace[0] if trace else None), out)
    days = day_of(found, Day.of(catalogue)) if day else {}
    prices = shadow_prices(found) if sensitivity else {}
    rents = break_even_prices(found) if sensitivity else {}
    grids = break_even_intensities(found) if sensitivity else {}
    by_rate = break_even_rates(found) if sensitivity else []
    by_share = break_even_shares(found) if sensitivity else []
    if as_json:
        views: dict[str, Any] = {"day": days}
        views |= {"draws": rivals and rivals.contenders, "decisions": decided}
        views |= {"shadow_prices": prices, "break_even_prices": rents, "cheapest_by_rate": by_rate}
        views |= {"break_even_intensities": grids, "cheapest_by_prompt_share": by_share}
        views["verified"] = checked and checked.numbers
        show_json(summary(found) | {name: answer for name, answer in views.items() if answer})
        return
    more = [
        *day_lines(days),
        *(draw_lines(rivals, decided) if rivals else ()),
        *shadow_lines(prices),
        *(break_even_lines(found, rents, grids, by_rate, by_share) if sensitivity else ()),
        *([verified_line(checked)] if checked else ()),
    ]
    print(visible("\n".join([*plan_lines(found, decided), *more])))


def _own(numbers: list[int] | None) -> list[int | None]:
    """Numbers of which 0 leaves the choice to the engine."""
    return [number or None for number in numbers or []]
