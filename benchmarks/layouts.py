"""AIConfigurator's layout of an LLM on H100 beside the planner's, each predicted by both."""

import sys
from statistics import median
from time import perf_counter
from typing import NamedTuple

from benchmarks.layout_peers import (
    MODELS,
    Case,
    Layout,
    Predicted,
    by_kernels,
    by_steps,
    planned,
    recommended,
)
from benchmarks.timing import OURS, Row

THEIRS = "AIConfigurator"
MISSING = "layouts: skipped, as aiconfigurator is missing: pip install 'tokwatt[layouts]'"
CHOOSE = {THEIRS: recommended, OURS: planned}
PREDICT = {THEIRS: by_kernels, OURS: by_steps}
CASES = [
    Case(precision, *requests, tpot)
    for precision in MODELS
    for requests, targets in {
        (4000, 500, 2.0): (0.03, 0.05, 0.1),
        (1000, 1000, 1.0): (0.03, 0.05),
    }.items()
    for tpot in targets
]
NUMBERS = {"tpot": "TPOT", "ttft": "TTFT", "throughput": "tok/s/GPU"}
LINE = "{:28}{:26}| {:24}| {:24}"
LATENCIES = "{:6.1f} ms {:5.0f} ms {:6.0f}"


class Compared(NamedTuple):
    """A case: who chose which layout, what each program predicts of it, and what choosing took.

    Attributes:
        layouts: by who chose them.
        predicted: of each of them by each program; None where it says that it does not fit.
        lost: share of its throughput that each program says is lost at the other's width.
        took: seconds.
    """

    case: Case
    layouts: dict[str, Layout]
    predicted: dict[str, dict[str, Predicted | None]]
    lost: dict[str, float]
    took: dict[str, float]

    @property
    def agree(self) -> bool:
        """Whether both chose the same width."""
        return len({layout.gpus for layout in self.layouts.values()}) == 1

    def ratios(self, name: str) -> list[float]:
        """AIConfigurator's predictions over ours, of different layouts that fit by both."""
        distinct = {self.layouts[chooser]: by for chooser, by in self.predicted.items()}
        pairs = [(by[THEIRS], by[OURS]) for by in distinct.values()]
        return [getattr(one, name) / getattr(other, name) for one, other in pairs if one and other]


def compared(case: Case) -> Compared:
    """Both layouts of a case, and both predictions of each."""
    ranked, took = {}, {}
    for program, choose in CHOOSE.items():
        start = perf_counter()
        ranked[program] = choose(case)
        took[program] = perf_counter() - start
    layouts = {program: found[0] for program, found in ranked.items()}
    predicted = {
        chooser: {program: predict(case, layout) for program, predict in PREDICT.items()}
        for chooser, layout in layouts.items()
    }
    lost = {}
    for program, other in ((THEIRS, OURS), (OURS, THEIRS)):
        same = [it for it in ranked[program] if it.gpus == layouts[other].gpus]
        best = predicted[program][program]
        lost[program] = 1 - PREDICT[program](case, same[0]).throughput / best.throughput
    return Compared(case, layouts, predicted, lost, took)


def chosen(threads: int) -> list[Row]:
    """Seconds of each choice, and AIConfigurator's predictions over ours."""
    try:
        import aiconfigurator.cli  # noqa: F401
    except ImportError:
        print(MISSING, file=sys.stderr)
        return []
    print(LINE.format("", "", *(f"by {name}" for name in PREDICT)))
    columns = ", ".join(NUMBERS.values())
    print(LINE.format("requests, TPOT at most", "layout, by whom", columns, columns))
    found = []
    for case in CASES:
        found.append(compared(case))
        print(*_lines(found[-1]), sep="\n", flush=True)
    print(*_sentences(found), sep="\n")
    took = [
        Row("layout", name, threads, "chosen", [it.took[name] for it in found], "s")
        for name in CHOOSE
    ]
    ratios = [
        Row(f"layout, {NUMBERS[name]}", THEIRS, threads, "predicted", _ratios(found, name), "ours")
        for name in NUMBERS
    ]
    return took + ratios


def _lines(own: Compared) -> list[str]:
    """A line for each layout: what it is, and what either program predicts of it."""
    case = own.case
    asked = f"{case.precision} {case.prompt}+{case.output}, {case.tpot * 1e3:.0f} ms"
    return [
        LINE.format(
            asked, f"{_named(layout)}, {chooser}", *map(_said, own.predicted[chooser].values())
        )
        for chooser, layout in own.layouts.items()
    ]


def _named(layout: Layout) -> str:
    return f"TP{layout.gpus} x {layout.batch}"


def _said(own: Predicted | None) -> str:
    """A prediction."""
    if own is None:
        return "does not fit"
    return LATENCIES.format(own.tpot * 1e3, own.ttft * 1e3, own.throughput)


def _ratios(found: list[Compared], name: str) -> list[float]:
    return [ratio for own in found for ratio in own.ratios(name)]


def _sentences(found: list[Compared]) -> list[str]:
    """What differs, and by how much."""
    apart = [own for own in found if not own.agree]
    spared = sum(planned(own.case, "power")[0].gpus == own.layouts[OURS].gpus for own in found)
    said = [
        f"Both choose the same width in {len(found) - len(apart)} of {len(found)} cases; "
        f"by joules the planner chooses the width that it does by GPUs in {spared}."
    ]
    if apart:
        lost = " and ".join(
            f"{min(shares):.1%} to {max(shares):.1%} by {program}"
            for program in CHOOSE
            for shares in [[own.lost[program] for own in apart]]
        )
        said.append(f"Elsewhere the other's width costs {lost}.")
    for name, label in NUMBERS.items():
        ratios = _ratios(found, name)
        spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
        said.append(f"{label} by {THEIRS} over ours: {median(ratios):.2f}, from {spread}.")
    return said


MEASURED = {"layouts": chosen}
