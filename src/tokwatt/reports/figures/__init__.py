"""Figures, one module each: `data` takes from the grids exactly the numbers that `draw` then draws.

Here is what they share: how names are printed, how GPUs look, and columns that carry their units.
"""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import pandas as pd
import xarray as xr
from matplotlib.axes import Axes

SINGLE, DOUBLE = 3.35, 6.9
"""Widths of one and two journal columns, in inches."""
EFFICIENCY = "tokens_per_watt [tok/W]"
GREY = "0.35"
# A GPU that has no look of its own is drawn in grey.
COLORS = defaultdict(
    lambda: GREY, {"H100": "#0072B2", "H200": "#56B4E9", "B200": "#D55E00", "GB200": "#E69F00"}
)
MARKERS = defaultdict(lambda: "v", {"H100": "o", "H200": "D", "B200": "s", "GB200": "^"})
LINES: dict[str, Any] = defaultdict(
    lambda: (0, (1, 1)), {"H100": "-", "H200": "-.", "B200": (0, (4, 1.2)), "GB200": ":"}
)
HATCHES = defaultdict(
    lambda: "ooo", {"H100": "", "H200": "....", "B200": "//////", "GB200": "xxxxx"}
)
ACCOUNTS: dict[str, dict[str, Any]] = {
    "measured": {"label": "Measured", "color": "black", "marker": "o", "linestyle": "-"},
    "law": {"label": "Slope −1", "color": GREY, "marker": "", "linestyle": ":"},
    "paper": {"label": "The paper", "color": "#0072B2", "marker": "s", "linestyle": (0, (4, 1.2))},
    "consistent": {
        "label": "Consistent account",
        "color": "#E69F00",
        "marker": "^",
        "linestyle": "-.",
    },
    "kernels": {
        "label": "Kernel tables",
        "color": "#009E73",
        "marker": "v",
        "linestyle": (0, (6, 1, 1, 1)),
    },
    "held_out": {
        "label": "Calibrated, LLM held out",
        "color": "#D55E00",
        "marker": "D",
        "linestyle": (0, (2, 1)),
    },
}
"""How what was measured and what accounts say of it are named and drawn."""
_PRINTED = {
    "agent": "Agent",
    "azure": "Azure",
    "deepseek": "DeepSeek",
    "fleetopt": "FleetOpt",
    "gemma": "Gemma",
    "gpt": "gpt",
    "heavy": "heavy",
    "homogeneous": "Homogeneous",
    "llama": "Llama",
    "next": "Next",
    "oss": "oss",
    "pool": "Pool routing",
    "qwen3": "Qwen3",
}
_WORDS = {
    "b200": "B200",
    "fp16": "16-bit",
    "h100": "H100",
    "hbm": "HBM",
    "kv": "KV",
    "log2": "log₂",
    "tdp": "TDP",
}


def label(name: str) -> str:
    """How a name of a grid is printed: `llama-3.1-70b` as Llama-3.1-70B."""
    return "-".join(_PRINTED.get(part, part.upper()) for part in name.replace("_", "-").split("-"))


def words(name: str) -> str:
    """How the name of a number is printed: `hbm_bandwidth` as HBM bandwidth."""
    return " ".join(_WORDS.get(part, part) for part in name.split("_"))


def windows(tokens: Iterable[float]) -> list[str]:
    """Context windows as they are spoken of: 8192 tokens as 8K."""
    return [f"{value / 1024:g}K" for value in tokens]


def columns(grid: xr.Dataset, *names: str) -> pd.DataFrame:
    """Variables of a grid and their coordinates, each column named with its unit."""
    frame = grid[list(names)].to_dataframe().reset_index()
    return frame.rename(columns={name: _titled(name, grid[name].attrs) for name in frame})


def _titled(name: str, attrs: dict[str, Any]) -> str:
    if name == "tokens_per_joule":
        return EFFICIENCY
    return f"{name} [{attrs['units']}]" if "units" in attrs else name


def line_look(gpu: str) -> dict[str, Any]:
    """A GPU's line: colour, dashes, marker."""
    return {"color": COLORS[gpu], "linestyle": LINES[gpu], "marker": MARKERS[gpu]}


def bar_look(gpu: str) -> dict[str, Any]:
    """A GPU's bar: colour, and a hatch in white."""
    return {"facecolor": COLORS[gpu], "hatch": HATCHES[gpu], "edgecolor": "white", "linewidth": 0}


def log2_ticks(axes: Axes, tokens: Iterable[float]) -> None:
    """A horizontal axis of context windows, base 2, with a tick at each."""
    ticks = list(tokens)
    axes.set_xscale("log", base=2)
    axes.set_xticks(ticks, windows(ticks))
    axes.minorticks_off()


def plain_log(axis: Any, ticks: Iterable[float]) -> None:
    """An axis of a logarithmic scale with plain numbers at those of these ticks that are in view, and nothing between."""
    low, high = axis.get_view_interval()
    values = [value for value in ticks if low <= value <= high]
    axis.set_ticks(values, [f"{value:g}" for value in values])
    axis.set_ticks([], minor=True)
