"""A mixture of experts against a dense LLM at equal batch."""

from tokwatt.reports.figures.common.ratios import Ratios

FIGURE = Ratios(
    grid="measured_moe",
    quantity="Tokens per joule, mixture / dense (×)",
    ticks=[0.125, 0.25, 0.5, 1, 2, 4, 8, 16],
)
data, draw = FIGURE.data, FIGURE.draw
