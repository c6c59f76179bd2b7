"""Options that several commands have."""

import math
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from typer.models import OptionInfo

from tokwatt.params.errors import ParameterError, require_once, shown
from tokwatt.params.files import parameter_folder

PARAMS, STORES = parameter_folder(), Path("results/studies")
GRIDS, RESULTS = Path("results/grids"), Path("results")
SHORTEST, LONGEST = 1.0, 40.0
"""Inches that a figure may be wide or high."""


def finite(option: typer.CallbackParam, value: float | None) -> float | None:
    """A number of an option, refused where it is none."""
    if value is not None and not math.isfinite(value):
        raise ParameterError(f"{option.opts[0]}: is {value}, wanted a finite number.")
    return value


def inches(text: str) -> float:
    """A length on paper: a journal's column by name, or a number with mm, cm or in."""
    from tokwatt.reports.figures.common.looks import DOUBLE, SINGLE

    if text in ("single", "double"):
        return SINGLE if text == "single" else DOUBLE
    number = re.fullmatch(r"([0-9]*\.?[0-9]+)(mm|cm|in)", text)
    scales = {"mm": 25.4, "cm": 2.54, "in": 1.0}
    length = float(number[1]) / scales[number[2]] if number else math.nan
    if not SHORTEST <= length <= LONGEST:
        wanted = f"single, double or {SHORTEST} to {LONGEST} inches, such as 89mm or 3.5in"
        raise ValueError(f"{text!r} is not {wanted}")
    return length


def scaled(
    option: typer.CallbackParam, text: str | None, scales: Mapping[str, float], like: str
) -> float | None:
    """A number with one of some suffixes."""
    if text is None:
        return None
    number = re.fullmatch(r"([0-9]*\.?[0-9]+(?:e[+-]?[0-9]+)?)([A-Za-z]*)", text)
    if not number or number[2] not in scales:
        raise ParameterError(f"{option.opts[0]}: is {shown(text)}, wanted {like}.")
    return float(number[1]) * scales[number[2]]


def tokens(option: typer.CallbackParam, text: str | None) -> float | None:
    """A number of tokens, with K and M for powers of 1024."""
    scales = {"": 1, "K": 2**10, "k": 2**10, "M": 2**20, "m": 2**20}
    like = "tokens such as 8192, 8K or 1M"
    return scaled(option, text, scales, like)


def lengths(option: typer.CallbackParam, texts: list[str] | None) -> list[float]:
    """Numbers of tokens."""
    return [number for text in texts or () if (number := tokens(option, text)) is not None]


def watts(option: typer.CallbackParam, text: str | None) -> float | None:
    """Watts, with W, kW or MW."""
    scales = {"W": 1.0, "kW": 1e3, "MW": 1e6}
    return scaled(option, text, scales, "watts such as 500W or 2MW")


def per_thousand(option: typer.CallbackParam, text: str | None) -> float | None:
    """Seconds for each token of a time for a thousand of them."""
    time = seconds(option, text)
    return None if time is None else time / 1000


def seconds(option: typer.CallbackParam, text: str | None) -> float | None:
    """A time, with ms or s: a number alone may be either."""
    number = text if text and re.fullmatch(r"[0-9.]+", text) else None
    like = f"a unit, as in {number}ms or {number}s" if number else "a time such as 50ms or 0.5s"
    return scaled(option, text, {"s": 1.0, "ms": 1e-3}, like)


def text_option(callback: Callable[..., object], metavar: str, help: str) -> OptionInfo:
    """An option whose text a callback reads."""
    return typer.Option(parser=str, callback=callback, metavar=metavar, help=help)


Kind = StrEnum("Kind", ["pdf", "svg", "png"])


def drawing(option: typer.CallbackParam, path: Path | None) -> Path | None:
    """A file to draw to, refused where its name ends in no format."""
    if path and path.suffix.removeprefix(".") not in list(Kind):
        found, wanted = shown(str(path)), f"a name that ends in {', '.join(Kind)}"
        raise ParameterError(f"{option.opts[0]}: is {found}, wanted {wanted}.")
    return path


Params = Annotated[
    Path, typer.Option(help="Folder of parameter files.", show_default="params, or tokwatt's own")
]
Stores = Annotated[Path, typer.Option(help="Folder of stores of studies.")]
Grids = Annotated[Path, typer.Option(help="Folder of computed grids.")]
Out = Annotated[Path, typer.Option(help="Folder to write to.")]
Results = Annotated[Path, typer.Option(help="Folder of results.")]
Docs = Annotated[Path, typer.Option(help="Folder of documents.")]
Figures = Annotated[Path, typer.Option(help="Folder of figures.")]
OutFile = Annotated[Path, typer.Option(help="File to write.")]
Width = Annotated[
    float | None,
    typer.Option(parser=inches, help="single or double column, or a length such as 89mm, 3.5in."),
]
Height = Annotated[float | None, typer.Option(parser=inches, help="A length such as 60mm.")]
Dpi = Annotated[
    int | None, typer.Option(min=30, max=2400, help="Dots per inch of the bitmap; 300 if left out.")
]
Kinds = Annotated[
    list[Kind],
    typer.Option("--format", default_factory=lambda: list(Kind), help="Once for each format."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
AccountName = Annotated[
    str, typer.Option(help="consistent, or paper for the numbers of the paper.")
]
Changes = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="CHOICE=ALTERNATIVE", help="Another alternative; may be repeated."
    ),
]
Window = Annotated[float | None, text_option(tokens, "TOKENS", "Context window: 8192, 8K, 1M.")]
Lengths = Annotated[
    list[float] | None,
    text_option(lengths, "TOKENS", "Longest request of a pool; once for each pool but the last."),
]
Rate = Annotated[
    float | None,
    typer.Option(callback=finite, help="Requests per second; a trace's own where it has times."),
]
Bound = Annotated[float | None, typer.Option(callback=finite, help="Highest utilization.")]
Share = Annotated[
    float | None,
    typer.Option(callback=finite, help="One output share of all requests, for a measured one."),
]
LlmName = Annotated[str, typer.Option(help="An LLM by name.")]
EngineName = Annotated[str, typer.Option(help="A serving engine by name.")]
TraceFile = Annotated[
    Path | None, typer.Option(help="Requests with prompt and output tokens: CSV, JSON or Parquet.")
]
Columns = Annotated[
    list[str] | None,
    typer.Option(
        metavar="KIND=NAME", help="Columns of a trace, such as prompt=in,output=out,time=when:ms."
    ),
]
Tokenizer = Annotated[
    Path | None, typer.Option(help="A tokenizer.json that counts the texts of a trace.")
]


def parsed_changes(changes: list[str] | None) -> dict[str, str]:
    """Alternatives by choice.

    Raises:
        ParameterError: where one is not written as CHOICE=ALTERNATIVE.
    """
    pairs = [change.partition("=") for change in changes or []]
    for choice, _, alternative in pairs:
        if not (choice and alternative):
            raise ParameterError(f"--set: is {choice!r}, wanted CHOICE=ALTERNATIVE.")
    require_once("--set", [choice for choice, _, _ in pairs])
    return {choice: alternative for choice, _, alternative in pairs}


def stated_changes(changes: list[str] | None, output_share: float | None) -> dict[str, str]:
    """Alternatives by choice; an output share that is given is that of all requests."""
    stated = {} if output_share is None else {"output_share": "fifth"}
    own = stated | parsed_changes(changes)
    if output_share is not None and own["output_share"] == "trace":
        found = f"is {output_share:g} beside output_share=trace, the measured one"
        raise ParameterError(f"--output-share: {found}, wanted the choice output_share=fifth.")
    return own


@contextmanager
def named_as_options() -> Iterator[None]:
    """What is wrong with an argument is said of the option that it comes from."""
    try:
        yield
    except ParameterError as error:
        raise ParameterError(re.sub("^[a-z_]+(?=: )", _option, str(error))) from None


def _option(argument: re.Match[str]) -> str:
    name = OPTIONS.get(argument[0], argument[0])
    return f"--{name.replace('_', '-')}"


OPTIONS = {
    "latency_target": "ttft",
    "ttft_per_token": "ttft_per_1k",
    "itl_target": "itl",
    "split_lengths": "split_length",
    "changes": "set",
    "count": "requests",
}
"""Options that arguments of another name come from."""
