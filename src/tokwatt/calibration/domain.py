"""Where the calibration holds: what was not measured is said."""

from collections.abc import Mapping

from tokwatt.calibration import intervals
from tokwatt.calibration.records import Calibrated
from tokwatt.units import Tokens

SLACK = 0.02
"""How far beyond the measured runs a number still counts as measured, of the number."""


def outside(
    calibrated: Calibrated, gpu: str, kind: str, precision: str, numbers: Mapping[str, Tokens]
) -> list[str]:
    """What lies outside the recorded runs of a GPU.

    Args:
        calibrated: the calibration.
        gpu: a GPU with runs.
        kind: of the LLM.
        precision: of its weights.
        numbers: `batch`, `prompt` and `output` of the requests.

    Returns:
        A phrase for each.
    """
    model = calibrated.model
    rows = model.measured.runs()
    rows = rows[rows.gpu == gpu].reset_index(drop=True)
    prompts = model.prompts(calibrated.fitted.steps, model.arrays(rows))
    phrases = []
    for name, measured in {"batch": rows.batch, "prompt": prompts, "output": rows.output}.items():
        least, most = float(measured.min()), float(measured.max())
        if not least * (1 - SLACK) <= numbers[name] <= most * (1 + SLACK):
            phrases.append(f"{name} {numbers[name]:.4g} (measured: {least:.4g} to {most:.4g})")
    kinds = intervals.kinds(model.parameters, rows.llm)
    if not ((kinds == kind) & (rows.precision == precision)).any():
        phrases.append(f"{precision} for an LLM of its kind ({kind})")
    return phrases
