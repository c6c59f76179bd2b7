"""Records of language models from their configurations."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from tokwatt.commands import options as opt
from tokwatt.commands.options import Json
from tokwatt.commands.printing import show_json
from tokwatt.commands.values import Commands

LLM = typer.Typer(cls=Commands, help="Records of language models.", no_args_is_help=True)


@LLM.command("import")
def import_llm(
    config: Annotated[Path, typer.Argument(help="A config.json, or Mistral's params.json.")],
    name: Annotated[
        str | None, typer.Option(help="What to call the LLM; its folder's name, else the file's.")
    ] = None,
    source: Annotated[
        str | None, typer.Option(help="Where the file comes from, such as the repository.")
    ] = None,
    family: Annotated[
        str | None, typer.Option(help="The family that it is laid out as, by model_type.")
    ] = None,
    params: opt.Params = opt.PARAMS,
    as_json: Json = False,
) -> None:
    """Turn a published configuration into an entry of llms.yaml.

    Of a family that is not known, the layout is told by its keys, and said. What the checkpoint is
    quantized to stands in a comment, and under `checkpoint` where a precision is the same.
    """
    from tokwatt.params.llms import checkpoint, huggingface

    plain = config.name in ("config.json", "params.json")
    beside = config.resolve().parent.name if plain else config.stem
    called = beside if name is None else name
    file = config.name if plain else "config.json"
    entry = huggingface.llm_entry(config, called, source or f"{called} {file}", family)
    if guess := huggingface.guessed(config, family):
        print(f"{config}: its family is not known; read by its keys, as {guess}", file=sys.stderr)
    if formats := checkpoint.formats_of(config):
        entry = {
            key: _with_precision(config, record, formats, params) for key, record in entry.items()
        }
    if as_json:
        show_json(entry)
    else:
        if formats:
            kept = ", ".join(f"{kind.replace('_', ' ')} {form}" for kind, form in formats.items())
            print(f"# Checkpoint: {kept}.")
        print(huggingface.to_yaml(entry), end="")


def _with_precision(
    config: Path, record: dict[str, Any], formats: Mapping[str, str], params: Path
) -> dict[str, Any]:
    """An entry with the precision of its checkpoint; what is asked for instead is said."""
    from tokwatt.params.llms.precisions import keeps_cache, precision_of
    from tokwatt.params.parameters import ParameterFolder

    known = ParameterFolder(params).precisions
    name = precision_of(formats, known, record["published"])
    if name and keeps_cache(formats, known[name]):
        return {"name": record["name"], "checkpoint": name} | record
    cache = "fp8" if formats["kv"] == "fp8" else "bfloat16"
    wanted = f"asked for as {name} with --kv-precision {cache}" if name else "one is asked for"
    found = "this width of the KV cache" if name else "the weights of its checkpoint"
    print(f"{config}: no precision has {found}; it is bfloat16 unless {wanted}", file=sys.stderr)
    return record
