"""Values that an option cannot take, said in one sentence."""

import re
from typing import Any

import typer
from typer.core import TyperGroup

from tokwatt.params.errors import ParameterError, shown


class Commands(TyperGroup):
    """Commands that refuse a value as they refuse a record; other wrong usage ends with 2."""

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """A command, whose help fills the width of a terminal, not that of the source."""
        found = super().get_command(ctx, cmd_name)
        if found and found.help:
            found.help = re.sub(r"(?<=\S)\n[ ]*(?=\S)", " ", found.help)
        return found

    def invoke(self, ctx: Any) -> Any:
        """Run the command that is asked for.

        Raises:
            ParameterError: where the text of an option is no value of it, and where an option of
                one value has two, of which the last alone would be read.
        """
        _refuse_twice(self, ctx)
        try:
            return super().invoke(ctx)
        except typer.BadParameter as error:
            problems: list[dict[str, Any]] = getattr(error.__cause__, "errors", list)()
            if not problems or error.param is None:
                raise
            found, wanted = shown(problems[0]["input"]), _wanted(problems[0])
            option = error.param.opts[0]
            raise ParameterError(f"{option}: is {found}, wanted {wanted}.") from None


def _refuse_twice(commands: Commands, ctx: Any) -> None:
    """Refuse a second value of an option that has one."""
    words = [*ctx._protected_args, *ctx.args]
    command = commands.get_command(ctx, words[0]) if words else None
    given = [word.partition("=")[0] for word in words[1:]]
    for option in getattr(command, "params", []):
        single = option.param_type_name == "option" and not (option.multiple or option.is_flag)
        if single and sum(word in option.opts for word in given) > 1:
            raise ParameterError(f"{option.opts[0]}: is given twice, wanted it once.")


def _wanted(problem: dict[str, Any]) -> str:
    """What a value must be, from what the library that reads it says is wrong."""
    kind = problem["type"]
    if kind.startswith("int_"):
        return "a whole number"
    if kind.startswith("float_"):
        return "a number"
    return problem["msg"].rpartition(" is not ")[2].rpartition(" should be ")[2].rstrip(".")
