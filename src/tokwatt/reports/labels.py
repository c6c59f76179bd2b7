"""How names, context windows and texts of records are printed: one place for tables and figures."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from textwrap import shorten

from tokwatt.params.folder import Folder
from tokwatt.text import visible

CATALOGUES = ("llms", "workloads")
"""Files whose records have a `name`."""
PERCENTILES = {
    "first_token": "TTFT, median",
    "first_token_p99": "TTFT, p99",
    "inter_token_latency": "ITL, median",
    "inter_token_latency_p99": "ITL, p99",
}
"""Latencies of a fleet as heads of tables and panels."""
LONGEST = 120
"""Characters of a text that a figure has room for."""


@dataclass(frozen=True)
class Labels:
    """The printed names.

    Attributes:
        names: the printed name of each name in a dataset.
    """

    names: Mapping[str, str]

    def __call__(self, name: str) -> str:
        """How a name is printed: as its record says, otherwise as it is, in words."""
        return label_text(self.names.get(name, name.replace("_", " ")))

    def updated(self, names: Mapping[str, str]) -> "Labels":
        """These labels with some names printed otherwise."""
        return Labels({**self.names, **names})


def read_labels(params: Path) -> Labels:
    """The `name` of every record that has one, and `names` of `paper.yaml` for all else."""
    folder = Folder(params)
    names: dict[str, str] = {}
    for catalogue in CATALOGUES:
        section = folder.section(catalogue)
        names |= {key: str(section.child(key).raw.get("name", key)) for key in section.raw}
    return Labels(names | folder.section("paper").child("names").convert(dict[str, str]))


def context_window(tokens: float) -> str:
    """A context window as it is spoken of: 8192 tokens as 8K, 1048576 as 1M."""
    large = tokens >= 2**20 and tokens % 2**18 == 0
    return f"{tokens / 2**20:g}M" if large else f"{tokens / 2**10:.4g}K"


def label_text(text: str) -> str:
    """A text as a figure has room for it: on one line, with what cannot be seen spelt out."""
    return shorten(one_line(text), LONGEST, placeholder=" …")


def one_line(text: str) -> str:
    """A text on one line, with what cannot be seen spelt out."""
    return " ".join(visible(text).split())
