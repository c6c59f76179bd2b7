"""How the gain of a topology and the gain of a GPU generation multiply, and by how much their product overstates."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from tokwatt.reports.figures import GREY, SINGLE, label, plain_log

FACTOR, START, END = "factor [1]", "gain_before [1]", "gain_after [1]"
LOOKS: dict[str, dict[str, Any]] = {
    "topology": {"facecolor": "#009E73", "hatch": ""},
    "generation": {"facecolor": "#E69F00", "hatch": "//////"},
}


def data(grids: Mapping[str, xr.Dataset]) -> pd.DataFrame:
    """Two steps from the plainest fleet to the best one, by either path, and with the two single gains multiplied."""
    return pd.concat(
        [_paths(fleet) for _, fleet in grids["fleets"].tokens_per_joule.groupby("workload")],
        ignore_index=True,
    )


def _paths(fleet: xr.DataArray) -> pd.DataFrame:
    (plain, newer), (routed, both) = (
        fleet.squeeze("workload").isel(topology=[0, -1], gpu=[0, -1]).to_numpy()
    )
    steps = {
        "topology first": [("topology", routed / plain), ("generation", both / routed)],
        "generation first": [("generation", newer / plain), ("topology", both / newer)],
        "if independent": [("topology", routed / plain), ("generation", newer / plain)],
    }
    frame = pd.DataFrame(
        [(path, *step) for path, pair in steps.items() for step in pair],
        columns=["path", "lever", FACTOR],
    )
    end = frame.groupby("path", sort=False)[FACTOR].cumprod()
    return frame.assign(workload=fleet.workload.item(), **{START: end / frame[FACTOR], END: end})


def draw(frame: pd.DataFrame) -> Figure:
    """On a logarithmic axis lengths add up as gains multiply."""
    figure = Figure(figsize=(SINGLE, 2.5))
    panels = figure.subplots(frame.workload.nunique(), 1, sharex=True)
    for axes, (workload, rows) in zip(panels, frame.groupby("workload", sort=False), strict=True):
        _panel(axes, rows)
        axes.set_title(label(str(workload)))
    panels[-1].set_xscale("log", base=2)
    panels[-1].set_xlim(1, frame[END].max() * 1.27)
    plain_log(panels[-1].xaxis, [1, 1.5, 2, 3, 4, 5, 7, 10, 15, 20])
    panels[-1].set_xlabel("Gain over the homogeneous H100 fleet (×)")
    handles = [
        Patch(label=lever.capitalize(), edgecolor="white", linewidth=0, **look)
        for lever, look in LOOKS.items()
    ]
    panels[0].legend(
        handles=handles, loc="lower right", bbox_to_anchor=(1, 1.02), ncols=2, handleheight=1.1
    )
    return figure


def _panel(axes: Axes, rows: pd.DataFrame) -> None:
    paths = list(rows.path.unique())
    for row in rows.to_dict("records"):
        place = paths.index(row["path"])
        axes.barh(
            place,
            row[END] - row[START],
            0.72,
            row[START],
            edgecolor="white",
            linewidth=0.8,
            **LOOKS[row["lever"]],
        )
        box = {"facecolor": "white", "edgecolor": "none", "pad": 1}
        text, corner = f"×{row[FACTOR]:.2f}", (row[START], place)
        axes.annotate(
            text, corner, (6, 0), textcoords="offset points", va="center", size=6.5, bbox=box
        )
    for place, end in enumerate(rows.groupby("path", sort=False)[END].last()):
        axes.annotate(
            f"{end:.2f}×",
            (end, place),
            (3, 0),
            textcoords="offset points",
            va="center",
            weight="bold",
        )
    axes.axvline(rows[END].iloc[1], color=GREY, linewidth=0.7, linestyle=":", zorder=2.5)
    axes.set_yticks(range(len(paths)), [path.capitalize() for path in paths])
    axes.tick_params(axis="y", length=0)
    axes.invert_yaxis()
