"""How gains of topology and GPU generation multiply, and what their product overstates."""

import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tokwatt.reports.figures.common.axes import named_patches, note, plain_log, rows
from tokwatt.reports.figures.common.frames import Grids
from tokwatt.reports.figures.common.looks import GREY, LOWERS, PLAIN, RAISES, SINGLE, Look
from tokwatt.reports.labels import Labels

FACTOR, START, END = "factor [1]", "gain_before [1]", "gain_after [1]"
LOOKS: dict[str, Look] = {"topology": RAISES, "generation": LOWERS}
BOX: Look = {"facecolor": "white", "edgecolor": "none", "pad": 1}


def data(grids: Grids) -> pd.DataFrame:
    """Two steps from the plainest fleet to the best, by either path, and the gains multiplied."""
    fleets = grids["fleets"].tokens_per_joule
    paths = [_paths(fleet) for _, fleet in fleets.groupby("workload")]
    return pd.concat(paths, ignore_index=True)


def _paths(fleet: xr.DataArray) -> pd.DataFrame:
    corners = fleet.squeeze("workload").isel(topology=[0, -1], gpu=[0, -1])
    (plain, newer), (routed, both) = corners.to_numpy()
    steps = {
        "topology first": [("topology", routed / plain), ("generation", both / routed)],
        "generation first": [("generation", newer / plain), ("topology", both / newer)],
        "if independent": [("topology", routed / plain), ("generation", newer / plain)],
    }
    lines = [(path, *step) for path, pair in steps.items() for step in pair]
    frame = pd.DataFrame(lines, columns=["path", "lever", FACTOR])
    end = frame.groupby("path", sort=False)[FACTOR].cumprod()
    return frame.assign(workload=fleet.workload.item(), **{START: end / frame[FACTOR], END: end})


def draw(frame: pd.DataFrame, label: Labels) -> Figure:
    """On a logarithmic axis lengths add up as gains multiply."""
    figure = Figure(figsize=(SINGLE, 2.5))
    panels = figure.subplots(frame.workload.nunique(), 1, sharex=True)
    for axes, (workload, paths) in zip(panels, frame.groupby("workload", sort=False), strict=True):
        _bars(axes, paths)
        axes.set_title(label(str(workload)))
    last = panels[-1]
    last.set_xscale("log", base=2)
    last.set_xlim(1, frame[END].max() * 1.27)
    plain_log(last.xaxis, [1, 1.5, 2, 3, 4, 5, 7, 10, 15, 20])
    last.set_xlabel("Gain over the homogeneous H100 fleet (×)")
    handles = named_patches({name.capitalize(): PLAIN | look for name, look in LOOKS.items()})
    corner: Look = {"loc": "lower right", "bbox_to_anchor": (1, 1.02), "ncols": 2}
    panels[0].legend(handles=handles, handleheight=1.1, **corner)
    return figure


def _bars(axes: Axes, steps: pd.DataFrame) -> None:
    paths = list(steps.path.unique())
    rows(axes, [path.capitalize() for path in paths])
    for step in steps.to_dict("records"):
        place, start, length = paths.index(step["path"]), step[START], step[END] - step[START]
        look = {"edgecolor": "white", "linewidth": 0.8, **LOOKS[step["lever"]]}
        axes.barh(place, length, 0.72, start, **look)
        factor = f"×{step[FACTOR]:.2f}"
        note(axes, factor, (start, place), (6, 0), va="center", size=6.5, bbox=BOX)
    for place, end in enumerate(steps.groupby("path", sort=False)[END].last()):
        note(axes, f"{end:.2f}×", (end, place), (3, 0), va="center", weight="bold")
    axes.axvline(steps[END].iloc[1], color=GREY, linewidth=0.7, linestyle=":", zorder=2.5)
