"""What stands in a trace of one's own."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tokwatt.commands.options import Columns, Json, Tokenizer, drawing
from tokwatt.commands.printing import show_answer, show_json
from tokwatt.params.errors import ParameterError
from tokwatt.params.files import MEBIBYTE, refusing_file, require_regular
from tokwatt.params.traces.columns import chosen_columns
from tokwatt.text import visible

if TYPE_CHECKING:
    from tokwatt.accounts.answers.answer import Answer
    from tokwatt.params.tables.table import Count
    from tokwatt.params.traces.trace_summary import Lengths, TraceSummary
    from tokwatt.params.traces.traces import Trace

FigureFile = Annotated[
    Path | None, typer.Option(callback=drawing, help="Draw it too: a .svg, .pdf or .png file.")
]

LARGEST = 256 * MEBIBYTE
"""Bytes that a tokenizer may hold."""


def ask_trace(
    trace: Annotated[Path, typer.Argument(help="CSV, JSON or Parquet, also packed.")],
    columns: Columns = None,
    tokenizer: Tokenizer = None,
    figure: FigureFile = None,
    as_json: Json = False,
) -> None:
    """What is read of a trace: requests, rate, burstiness, lengths, and rows that are left out."""
    from tokwatt.params.traces.trace_summary import summary_of

    requests = trace_of_options(trace, columns, tokenizer)
    summary = summary_of(requests)
    if figure:
        from tokwatt.reports.drawing.plotting import write_drawing
        from tokwatt.reports.drawing.trace import draw_trace

        write_drawing(lambda: draw_trace(requests), figure)
    if as_json:
        show_json(summary)
    else:
        print(visible("\n".join(_lines(summary))))


def trace_of_options(path: Path, columns: list[str] | None, tokenizer: Path | None) -> "Trace":
    """A trace as its options say."""
    from tokwatt.params.traces.traces import read_trace

    count = _count_of(tokenizer) if tokenizer else None
    return read_trace(path, chosen_columns(columns or []), count)


def told(trace: "Trace", became: str) -> str:
    """In one line, what was read of a trace, how it was understood and what became of its cache."""
    left_out = [f"{count} {why} left out" for why, count in trace.left_out.items()]
    cached = [f"cached tokens are {became}"] if trace.cached_share else []
    read = [f"{trace.name}: {trace.requests_in_words}", *left_out, *trace.notes]
    return "; ".join([*read, *cached])


def show_with_trace(
    answer: "Answer",
    requests: "str | Trace",
    as_json: bool,
    became: str = "taken in again",
    **more: object,
) -> None:
    """An answer, and in its last line what was read of a trace."""
    read_of = {} if isinstance(requests, str) else {"trace": told(requests, became)}
    show_answer(answer, as_json, **more, **read_of)
    if read_of and not as_json:
        print(visible(read_of["trace"]))


def _count_of(path: Path) -> "Count":
    """Counts tokens as a tokenizer.json does."""
    from tokwatt.params.tables.opening import extra

    wanted = "a tokenizer.json"
    with refusing_file(path, wanted):
        require_regular(path, wanted, LARGEST)
    try:
        tokenizer = extra(path, "tokenizers").Tokenizer.from_file(str(path))
    except ParameterError:
        raise
    except Exception as error:  # the library raises nothing more special
        why = " ".join(str(error).split())
        raise ParameterError(
            f"{path}: is no tokenizer ({why:.100}), wanted a tokenizer.json."
        ) from None
    return lambda text: len(tokenizer.encode(text, add_special_tokens=False).ids)


def _lines(summary: "TraceSummary") -> list[str]:
    burstiness, cached = summary.burstiness, summary.cached_share
    rows = {
        "requests": f"{summary.requests:,}",
        "span": "" if summary.span is None else f"{summary.span:,.6g} s",
        "arrival rate": _rate(summary),
        "burstiness": "" if burstiness is None else f"{burstiness:.3g}  (1: at random)",
        "prompt": _tokens(summary.prompt),
        "output": _tokens(summary.output),
        "output share": f"{summary.output_share:.1%}",
        "cached share": "" if cached is None else f"{cached:.1%} of prompt tokens",
        "left out": ", ".join(f"{count:,} {why}" for why, count in summary.left_out.items()),
    }
    lines = [f"{name:13}{text}" for name, text in rows.items() if text]
    return [summary.name, *lines, *summary.notes]


def _rate(summary: "TraceSummary") -> str:
    if summary.arrival_rate is None:
        return "" if summary.span is None else "none, as all arrive at one time"
    return f"{summary.arrival_rate:.4g} req/s"


def _tokens(lengths: "Lengths") -> str:
    shares = ", ".join(f"{float(s):.0%} {tokens:,.0f}" for s, tokens in lengths.quantiles.items())
    return f"mean {lengths.mean:,.0f} tok; {shares}; longest {lengths.longest:,.0f}"
