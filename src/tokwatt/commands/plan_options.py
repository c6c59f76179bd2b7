"""Options of a plan: values to choose among, and budgets."""

import re
from typing import Annotated, Any

import typer

from tokwatt.commands.options import watts
from tokwatt.params.errors import ParameterError, shown


def inventory(option: typer.CallbackParam, text: str | None) -> dict[str, int] | None:
    """GPUs by name: H100=512,B200=64."""
    if text is None:
        return None
    pairs = [pair.partition("=") for pair in text.split(",")]
    if not all(gpu and re.fullmatch("[0-9]{1,9}", count) for gpu, _, count in pairs):
        wanted = "GPUs such as H100=512,B200=64"
        raise ParameterError(f"{option.opts[0]}: is {shown(text)}, wanted {wanted}.")
    return {gpu: int(count) for gpu, _, count in pairs}


Names = Annotated[list[str] | None, typer.Option("--gpu", help="A GPU by name; may be repeated.")]
Widths = Annotated[
    list[int] | None,
    typer.Option("--gpus", help="GPUs that share the LLM (tensor parallel); may be repeated."),
]
DataRanks = Annotated[
    list[int] | None, typer.Option("--data-parallel", help="Ranks of attention; may be repeated.")
]
ExpertRanks = Annotated[
    list[int] | None,
    typer.Option("--expert-parallel", help="1 to slice experts, 0 for all GPUs; may be repeated."),
]
Precisions = Annotated[
    list[str] | None, typer.Option("--precision", help="A precision by name; may be repeated.")
]
KvPrecisions = Annotated[
    list[str] | None,
    typer.Option("--kv-precision", help="A precision whose KV cache is as wide; may be repeated."),
]
Caps = Annotated[
    list[int] | None,
    typer.Option("--max-num-seqs", help="A cap on the batch, 0 for the engine's; may be repeated."),
]
Chunks = Annotated[
    list[int] | None,
    typer.Option(
        "--max-num-batched-tokens",
        help="Prompt tokens of a step, 0 for the engine's; may be repeated.",
    ),
]


def board_limits(option: typer.CallbackParam, texts: list[str] | None) -> list[float | None]:
    """Watts of a board, 0W for its own limit."""
    return [watts(option, text) or None for text in texts or ()]


BoardLimits = Annotated[
    list[float] | None,
    typer.Option(
        "--power-limit",
        parser=str,
        callback=board_limits,
        metavar="WATTS",
        help="A limit of each board such as 500W, 0W for its own; may be repeated.",
    ),
]
PowerCap = Annotated[
    float | None,
    typer.Option(
        "--power-cap", parser=str, callback=watts, metavar="WATTS", help="On the account's basis."
    ),
]
Inventory = Annotated[
    Any,
    typer.Option(
        parser=str, callback=inventory, metavar="GPU=COUNT,...", help="Most GPUs of a kind."
    ),
]
