"""Records of language models from their configurations."""

from pathlib import Path
from typing import Annotated

import typer

from tokwatt.commands.options import Json
from tokwatt.commands.printing import show_json

LLM = typer.Typer(help="Records of language models.", no_args_is_help=True)


@LLM.command("import")
def import_llm(
    config: Annotated[Path, typer.Argument(help="A Hugging Face config.json.")],
    name: Annotated[
        str | None, typer.Option(help="What to call the LLM; its folder's name, else the file's.")
    ] = None,
    source: Annotated[
        str | None, typer.Option(help="Where the file comes from, such as the repository.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Turn a published configuration into an entry of llms.yaml."""
    from tokwatt.params import huggingface

    beside = config.resolve().parent.name if config.name == "config.json" else config.stem
    called = beside if name is None else name
    entry = huggingface.llm_entry(config, called, source or f"{called} config.json")
    if as_json:
        show_json(entry)
    else:
        print(huggingface.to_yaml(entry), end="")
