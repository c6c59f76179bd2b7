"""One fleet for several workloads or traces, as `tokwatt plan` shows it."""

from pathlib import Path
from typing import TYPE_CHECKING

from tokwatt.commands.options import named_as_options
from tokwatt.commands.printing import show_json
from tokwatt.params.errors import ParameterError
from tokwatt.text import visible

if TYPE_CHECKING:
    from tokwatt.params.specs import Demand
    from tokwatt.params.traces.traces import Trace
    from tokwatt.planning.question import PlanOptions
    from tokwatt.serving.catalogue import Catalogue


def require_one(traces: int, **asked: bool) -> None:
    """Refuse what is asked of a plan for one trace alone."""
    for name in (name for name, given in asked.items() if given):
        wanted = "one, as what would change a plan is that of its trace"
        raise ParameterError(f"--{name}: is beside {traces} traces, wanted {wanted}.")


def show_shared(
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
    with named_as_options():
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
