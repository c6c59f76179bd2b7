"""Options of a plan: values to choose among, and budgets."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from tokwatt.commands.groups import RequestOptions, require_alone, require_trace
from tokwatt.commands.options import Columns, Tokenizer, lengths, text_option, watts
from tokwatt.params.errors import ParameterError, require_once, shown


def inventory(option: typer.CallbackParam, text: str | None) -> dict[str, int] | None:
    """GPUs by name: H100=512,B200=64."""
    if text is None:
        return None
    pairs = [pair.partition("=") for pair in text.split(",")]
    if not all(gpu and re.fullmatch("[0-9]{1,9}", count) for gpu, _, count in pairs):
        wanted = "GPUs such as H100=512,B200=64"
        raise ParameterError(f"{option.opts[0]}: is {shown(text)}, wanted {wanted}.")
    require_once(option.opts[0], [gpu for gpu, _, _ in pairs])
    return {gpu: int(count) for gpu, _, count in pairs}


def board_limits(option: typer.CallbackParam, texts: list[str] | None) -> list[float | None]:
    """Watts of a board, 0W for its own limit."""
    return [watts(option, text) or None for text in texts or ()]


@dataclass(frozen=True)
class TrafficOptions:
    """The requests of a plan: workloads by name, or traces and how they are read."""

    workload: Annotated[
        list[str] | None,
        typer.Option(help="A workload by name; azure where there is no trace; may be repeated."),
    ] = None
    trace: Annotated[
        list[Path] | None,
        typer.Option(
            help="Requests with prompt and output tokens; several traces share one fleet."
        ),
    ] = None
    columns: Columns = None
    tokenizer: Tokenizer = None

    @property
    def each(self) -> list[RequestOptions]:
        """Each workload or trace by itself."""
        if self.trace and self.workload:
            require_alone(workload=self.workload[0])
        if not self.trace:
            require_trace(columns=self.columns, tokenizer=self.tokenizer)
        named = [RequestOptions(name) for name in self.workload or ()]
        traces = self.trace or ()
        read = [RequestOptions(None, path, self.columns, self.tokenizer) for path in traces]
        return [*named, *read] or [RequestOptions()]


@dataclass(frozen=True)
class ChoiceOptions:
    """What a plan may choose among; all that there is where one is left out."""

    gpu: Annotated[list[str] | None, typer.Option(help="A GPU by name; may be repeated.")] = None
    gpus: Annotated[
        list[int] | None,
        typer.Option(help="GPUs that share the LLM (tensor parallel); may be repeated."),
    ] = None
    data_parallel: Annotated[
        list[int] | None, typer.Option(help="Ranks of attention; may be repeated.")
    ] = None
    expert_parallel: Annotated[
        list[int] | None, typer.Option(help="1 to slice experts, 0 for all GPUs; may be repeated.")
    ] = None
    precision: Annotated[
        list[str] | None, typer.Option(help="A precision by name; may be repeated.")
    ] = None
    kv_precision: Annotated[
        list[str] | None,
        typer.Option(help="A precision whose KV cache is as wide; may be repeated."),
    ] = None
    max_num_seqs: Annotated[
        list[int] | None,
        typer.Option(help="A cap on the batch, 0 for the engine's; may be repeated."),
    ] = None
    max_num_batched_tokens: Annotated[
        list[int] | None,
        typer.Option(help="Prompt tokens of a step, 0 for the engine's; may be repeated."),
    ] = None
    power_limit: Annotated[
        list[float] | None,
        text_option(
            board_limits,
            "WATTS",
            "A limit of each board such as 500W, 0W for its own; may be repeated.",
        ),
    ] = None

    @property
    def given(self) -> dict[str, Any]:
        """What is given by name."""
        free = ("expert_parallel", "max_num_seqs", "max_num_batched_tokens")
        return {
            name: tuple(value or None for value in values) if name in free else tuple(values)
            for name, values in vars(self).items()
            if values
        }


PowerCap = Annotated[float | None, text_option(watts, "WATTS", "On the account's basis.")]
Inventory = Annotated[Any, text_option(inventory, "GPU=COUNT,...", "Most GPUs of a kind.")]
Between = Annotated[
    list[float] | None,
    text_option(
        lengths,
        "TOKENS",
        "A length that may split requests, instead of --split-candidates; may be repeated.",
    ),
]
