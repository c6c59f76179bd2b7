"""Options that select what a pool runs on: an LLM, GPUs and how they share it."""

from dataclasses import fields
from typing import TYPE_CHECKING, Annotated

import typer

from tokwatt.commands.options import finite, watts

if TYPE_CHECKING:
    from tokwatt.accounts.deployments import DeploymentNames
    from tokwatt.accounts.parts import PoolNames

Profile = Annotated[
    str | None,
    typer.Option(help="A hand-calibrated instance of the paper, instead of GPU and LLM."),
]
GpuName = Annotated[str, typer.Option("--gpu", help="A GPU by name.")]
LlmName = Annotated[str, typer.Option("--llm", help="An LLM by name.")]
Gpus = Annotated[int, typer.Option("--gpus", help="GPUs that share the LLM (tensor parallel).")]
DataRanks = Annotated[
    int,
    typer.Option(
        "--data-parallel",
        help="Ranks of attention with requests of their own, of so many GPUs each.",
    ),
]
ExpertRanks = Annotated[
    int | None,
    typer.Option("--expert-parallel", help="GPUs that hold whole experts: 1, or all of them."),
]
PrecisionName = Annotated[
    str | None,
    typer.Option("--precision", help="A precision by name; that of the checkpoint if left out."),
]
KvPrecision = Annotated[
    str | None,
    typer.Option("--kv-precision", help="A precision whose KV cache is as wide."),
]
EngineName = Annotated[str, typer.Option("--engine", help="A serving engine by name.")]
MemoryShare = Annotated[
    float | None,
    typer.Option(
        "--memory-utilization", callback=finite, help="Share of the memory the engine may use."
    ),
]
BoardLimit = Annotated[
    float | None,
    typer.Option(
        "--power-limit",
        parser=str,
        callback=watts,
        metavar="WATTS",
        help="Limit of each board, such as 500W; its own if left out.",
    ),
]
Apart = Annotated[
    bool, typer.Option("--disaggregated", help="Prefill and decode on instances of their own.")
]


def selected(context: typer.Context) -> "DeploymentNames":
    """The deployment that a command's own selectors name."""
    from tokwatt.accounts.deployments import DeploymentNames

    selectors = {field.name for field in fields(DeploymentNames)} & context.params.keys()
    return DeploymentNames(**{name: context.params[name] for name in selectors})


def pool_names(context: typer.Context) -> "PoolNames":
    """The instances that a command's own selectors name, with prefill apart where it is asked."""
    from tokwatt.accounts.parts import Disaggregated

    own = selected(context)
    return Disaggregated(prefill=own, decode=own) if context.params["disaggregated"] else own
