"""What a GPU generation gains at equal batch, LLM by LLM."""

from tokwatt.reports.figures.common.ratios import Ratios

FIGURE = Ratios(
    grid="measured_generation",
    quantity="Tokens per joule, B200 / H100 (×)",
    ticks=[0.75, 1, 1.25, 1.5, 2, 2.5, 3],
)
data, draw = FIGURE.data, FIGURE.draw
