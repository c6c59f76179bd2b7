"""Studies: which there are, and computing one."""

from typing import Annotated

import typer

from tokwatt.commands.options import PARAMS, STORES, Json, Params, Stores
from tokwatt.commands.printing import show, show_json
from tokwatt.params.errors import ParameterError
from tokwatt.text import visible


def studies(params: Params = PARAMS, as_json: Json = False) -> None:
    """List the studies of the parameter folder."""
    from tokwatt.serving.catalogue import load
    from tokwatt.studies import study

    catalogue = load(params)
    loaded = [study.load_study(params, name, catalogue) for name in study.study_names(params)]
    rows = [
        {"study": item.name, "points": item.points, "axes": list(item.axes), "title": item.title}
        for item in loaded
    ]
    show(rows, as_json)


def study(
    name: str,
    params: Params = PARAMS,
    out: Stores = STORES,
    part: Annotated[
        int | None, typer.Option(min=0, help="Compute only this share of the blocks, from 0.")
    ] = None,
    parts: Annotated[int, typer.Option(min=1, help="How many shares there are.")] = 1,
    every_byte: Annotated[
        bool, typer.Option("--check", help="Read every byte of a finished store to verify it.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Compute a study into OUT/NAME.zarr; a run that was stopped goes on where it was.

    With --part, one share of the blocks is computed beside others; a run without it then finishes
    the store. A finished store is verified, and what is damaged in it is computed again.
    """
    from tokwatt.commands.progress import bar
    from tokwatt.stores import some_are
    from tokwatt.studies import stream
    from tokwatt.studies import study as files
    from tokwatt.studies.disk import Part

    if part is not None and part >= parts:
        raise ParameterError(f"--part: is {part}, wanted less than --parts, which is {parts}.")
    chosen = files.load_study(params, name)
    store = out / f"{name}.zarr"
    with bar(chosen.name, chosen.points // parts) as advance:
        share = None if part is None else Part(part, parts)
        healed = stream.stream(chosen, store, share, advance, every_byte)
    if healed:
        typer.echo(f"{store}: {some_are(healed)} missing or damaged, made anew.", err=True)
    done = store.exists()
    if as_json:
        show_json({"study": name, "points": chosen.points, "store": str(store), "finished": done})
        return
    rest = "" if done else f", part {part} of {parts}, which the same without --part finishes"
    print(visible(f"{store}: {chosen.points:,} points{rest}"))
