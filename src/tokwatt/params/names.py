"""Names of records, studies, tables, figures and jobs: safe in a shell, a file and a page."""

import re

LONGEST_NAME = 60
WANTED = (
    f"a name of at most {LONGEST_NAME} letters, digits, '.', '_' and '-' "
    "that begins with neither '.' nor '-'"
)
_NAME = re.compile(rf"[A-Za-z0-9_][A-Za-z0-9._-]{{0,{LONGEST_NAME - 1}}}")


def is_name(text: str) -> bool:
    """Whether a text may name something."""
    return bool(_NAME.fullmatch(text))
