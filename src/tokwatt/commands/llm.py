"""Records of language models from their configurations."""

import sys
from pathlib import Path
from typing import Annotated

import typer

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
    as_json: Json = False,
) -> None:
    """Turn a published configuration into an entry of llms.yaml.

    Of a family that is not known, the layout is told by its keys, and said. What the checkpoint is
    quantized to stands in a comment.
    """
    from tokwatt.params.llms import checkpoint, huggingface

    plain = config.name in ("config.json", "params.json")
    beside = config.resolve().parent.name if plain else config.stem
    called = beside if name is None else name
    file = config.name if plain else "config.json"
    entry = huggingface.llm_entry(config, called, source or f"{called} {file}", family)
    if guess := huggingface.guessed(config, family):
        print(f"{config}: its family is not known; read by its keys, as {guess}", file=sys.stderr)
    formats = checkpoint.formats_of(config)
    if as_json:
        show_json(entry)
    else:
        if formats:
            kept = ", ".join(f"{kind.replace('_', ' ')} {form}" for kind, form in formats.items())
            print(f"# Checkpoint: {kept}.")
        print(huggingface.to_yaml(entry), end="")
