"""How tokens per joule of operating points follow each number behind them, by either account."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tokwatt.params.account_names import AccountName
from tokwatt.reports.figures.common import axes as styled
from tokwatt.reports.figures.common.axes import named_lines, named_patches, panels_side_by_side
from tokwatt.reports.figures.common.frames import Grids, six_digits
from tokwatt.reports.figures.common.looks import BLUE, DOUBLE, LOWERS, PLAIN, Look
from tokwatt.reports.labels import Labels

ELASTICITY = "elasticity [1]"
LARGEST, NOISE = 10, 1e-9
"""How many numbers are drawn of each account, and what is nothing but rounding."""
RISES: Look = {"facecolor": BLUE, "hatch": "", **PLAIN}
FALLS: Look = {**LOWERS, **PLAIN}
MARK: Look = {"marker": "o", "markerfacecolor": "white", "color": "black", "linestyle": "none"}


def data(grids: Grids) -> pd.DataFrame:
    """One row per case, number and account, for the numbers among the largest of one account."""
    order = ["case", "parameter", "account"]
    frame = grids["elasticities"].elasticity.to_dataframe(ELASTICITY, dim_order=order).reset_index()
    # Rounded first: numbers that are equal but for rounding keep their order everywhere.
    frame[ELASTICITY] = six_digits(frame[ELASTICITY])
    frame = frame[frame[ELASTICITY].abs() > NOISE]
    largest = _sizes(frame).groupby("account").head(LARGEST).index.get_level_values("parameter")
    return frame[frame.parameter.isin(largest)].reset_index(drop=True)


def _sizes(frame: pd.DataFrame) -> pd.Series:
    """The largest elasticity of each account and number in any case, the largest first."""
    sizes = frame[ELASTICITY].abs().groupby([frame.account, frame.parameter]).max()
    return sizes.sort_values(ascending=False, kind="stable")


def draw(frame: pd.DataFrame, label: Labels) -> Figure:
    """A panel per case: bars for the consistent account, marks for the paper's."""
    names = _ordered(frame)
    figure = Figure(figsize=(DOUBLE, 0.14 * len(names) + 0.9))
    for axes, case, rows in panels_side_by_side(figure, frame, "case"):
        _bars(axes, rows, names)
        axes.set_title(label(case).replace(", ", "\n", 1))
        styled.rows(axes, [_named(name, label) for name in names], size=6.5)
        axes.set_xlim(*_limits(frame[ELASTICITY]))
    bars = {"raises": RISES, "lowers": FALLS}
    patches = {f"consistent account: more of it {what} tok/J": bars[what] for what in bars}
    handles = [*named_patches(patches), *named_lines({"the paper's account": MARK})]
    figure.legend(handles=handles, loc="outside upper center", ncols=3, handleheight=1.1)
    return figure


def _limits(values: pd.Series) -> tuple[float, float]:
    margin = 0.06 * (values.max() - values.min())
    return min(values.min(), 0) - margin, max(values.max(), 0) + margin


def _ordered(frame: pd.DataFrame) -> list[str]:
    """Numbers of the consistent account, then those of the paper's alone; the largest first."""
    sizes = _sizes(frame).reset_index()
    quoted = sizes.account == AccountName.PAPER
    return list(dict.fromkeys([*sizes.parameter[~quoted], *sizes.parameter[quoted]]))


def _bars(axes: Axes, rows: pd.DataFrame, names: list[str]) -> None:
    for parameter, account, value in rows[["parameter", "account", ELASTICITY]].to_numpy():
        place = names.index(parameter)
        if account == AccountName.PAPER:
            axes.plot(value, place, **MARK)
        else:
            axes.barh(place, value, 0.7, **(RISES if value > 0 else FALLS))
    axes.axvline(0, color="black", linewidth=0.6)
    axes.grid()
    axes.set_xlabel("Elasticity (1)")


def _named(parameter: str, label: Labels) -> str:
    return ": ".join(label(part) for part in parameter.split("."))
