"""Widths of figures, and looks that tell GPUs and accounts apart with and without colour."""

from collections import defaultdict
from typing import Any

from tokwatt.params.account_names import AccountName

SINGLE, DOUBLE = 3.35, 6.9
"""Widths of one and two journal columns, in inches."""
HUES = "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"
"""Okabe and Ito's colours."""
BLUE, VERMILION, GREEN, _, ORANGE, SKY = HUES
GREY = "0.35"
Look = dict[str, Any]
"""Properties of a line, a marker or a patch, as matplotlib names them."""
LineStyle = str | tuple[int, tuple[float, ...]]
DASHED: LineStyle = (0, (4, 1.2))

# A GPU that has no look of its own is drawn in grey.
COLORS = defaultdict(lambda: GREY, {"H100": BLUE, "H200": SKY, "B200": VERMILION, "GB200": ORANGE})
GPUS = frozenset(COLORS)
"""GPUs with a look of their own."""
MARKERS = defaultdict(lambda: "v", {"H100": "o", "H200": "D", "B200": "s", "GB200": "^"})
LINES: defaultdict[str, LineStyle] = defaultdict(
    lambda: (0, (1, 1)), {"H100": "-", "H200": "-.", "B200": DASHED, "GB200": ":"}
)
HATCHES = defaultdict(
    lambda: "ooo", {"H100": "", "H200": "....", "B200": "//////", "GB200": "xxxxx"}
)

LAW = "law"
"""What measured slopes are compared with beside the accounts: the law of inverse proportion."""
ACCOUNTS: dict[str, Look] = {
    AccountName.MEASURED: {"color": "black", "marker": "o", "linestyle": "-"},
    LAW: {"color": GREY, "marker": "", "linestyle": ":"},
    AccountName.PAPER: {"color": BLUE, "marker": "s", "linestyle": DASHED},
    AccountName.CONSISTENT: {"color": ORANGE, "marker": "^", "linestyle": "-."},
    AccountName.KERNELS: {"color": GREEN, "marker": "v", "linestyle": (0, (6, 1, 1, 1))},
    AccountName.HELD_OUT: {"color": VERMILION, "marker": "D", "linestyle": (0, (2, 1))},
}
"""How what was measured and what accounts say of it are drawn, in the order of legends."""
COMPARED = (AccountName.PAPER, AccountName.CONSISTENT, AccountName.HELD_OUT)
"""Accounts that are drawn run by run."""

RAISES: Look = {"facecolor": GREEN, "hatch": ""}
LOWERS: Look = {"facecolor": ORANGE, "hatch": "//////"}
PLAIN: Look = {"edgecolor": "white", "linewidth": 0}
"""No edge, and hatches in white."""
MIDDLE: Look = {"ha": "center", "va": "center", "size": 5.5}
"""A number in the middle of a cell."""
OPEN: Look = {"linestyle": "", "markerfacecolor": "none"}
"""Open marks without a line between them."""


def line_look(gpu: str) -> Look:
    """A GPU's line: colour, dashes, marker."""
    return {"color": COLORS[gpu], "linestyle": LINES[gpu], "marker": MARKERS[gpu]}


def mark_look(gpu: str) -> Look:
    """A GPU's marks, without a line between them."""
    return {**line_look(gpu), "linestyle": ""}


def bar_look(gpu: str) -> Look:
    """A GPU's bar: colour, and a hatch in white."""
    return {"facecolor": COLORS[gpu], "hatch": HATCHES[gpu], **PLAIN}
