"""Text of others, made visible: what moves a cursor, hides or turns text around is spelt out."""

import re

_UNSEEN = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    r"\ud800-\udfff\ufeff\ufff9-\uffff\U000e0000-\U000e0fff]"
)
"""Controls but tab and line feed, marks of direction, characters of no width, halves, tags."""


def visible(text: str) -> str:
    r"""The text with every character that cannot be seen written as its escape, such as `\x1b`."""
    return _UNSEEN.sub(lambda match: match[0].encode("unicode_escape").decode("ascii"), text)
