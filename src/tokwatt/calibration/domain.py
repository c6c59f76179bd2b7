"""Where the calibration holds: what cannot be served is refused, what was not measured is said."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from tokwatt.calibration import intervals
from tokwatt.calibration.model import ServingModel
from tokwatt.calibration.records import Calibrated
from tokwatt.equations.batching import resident_tokens
from tokwatt.params.errors import shown
from tokwatt.params.section import Section
from tokwatt.serving.llm import routed_parameters, total_parameters
from tokwatt.units import MOST_TOKENS, Bytes

MOST_BATCH = 2.0**20
"""Largest batch size that is believed, seq."""
BELIEVED = {"batch": (1.0, MOST_BATCH), "prompt": (0.0, MOST_TOKENS), "output": (1.0, MOST_TOKENS)}
"""Least and largest numbers of a run that are believed."""
SLACK = 0.02
"""How far beyond the measured runs a number still counts as measured, of the number."""
READ_AND_WRITTEN = 2.0
"""Bytes of a recurrent state that a step moves over those that it holds."""


class Memory(NamedTuple):
    """The least that a run holds on each of its GPUs, shape (row,).

    Attributes:
        weights: parameters, B.
        cache: KV cache and recurrent state of the batch, B.
        capacity: what there is, B.
    """

    weights: Bytes
    cache: Bytes
    capacity: Bytes


def memory(model: ServingModel, rows: pd.DataFrame) -> Memory:
    """Memory of runs that give their prompts.

    Requests are half done on average, and with whole experts on each GPU their attention is data
    parallel, so that no head is held twice; what an engine needs beside is left out.
    """
    spread = np.where(rows.expert_parallel > 0, rows.gpus, 1.0)
    arrays = model.arrays(rows.assign(gpus=rows.gpus / spread))
    cached, mix = arrays.share.cache, arrays.mix
    held = resident_tokens(mix.prompt, mix.output, 0.0)
    windowed = cached.sliding * np.minimum(held, cached.window)
    cache = (cached.held * held + windowed + cached.state / READ_AND_WRITTEN) / spread
    weights, capacity = [], []
    for run in rows.itertuples():
        llm = model.parameters.llms[run.llm].published
        width = model.parameters.precisions[run.precision]
        routed = routed_parameters(llm)
        dense = total_parameters(llm) - routed
        weights.append(float(dense * width.dense + routed * width.routed) / run.gpus)
        capacity.append(model.parameters.gpus[run.gpu].hbm_capacity)
    return Memory(np.array(weights), np.asarray(cache * mix.batch), np.array(capacity))


def require_servable(model: ServingModel, options: Section) -> None:
    """Refuse a run that no engine can serve, or that is beyond what is believed.

    Args:
        model: what is calibrated.
        options: one row as `Calibrated.predict` has it but for the task, with its prompt.

    Raises:
        ParameterError: with the option, what it is and what is wanted.
    """
    run = options.raw
    options.pick("gpu", run["gpu"], model.records.boards)
    options.pick("llm", run["llm"], model.parameters.llms)
    options.pick("precision", run["precision"], model.parameters.precisions)
    for name, (least, most) in BELIEVED.items():
        if not least <= run[name] <= most:
            raise options.fail(f"is {run[name]}", f"a number from {least:g} to {most:.8g}", name)
    _require_parallelism(model, options)
    _require_memory(model, options)


def _require_parallelism(model: ServingModel, options: Section) -> None:
    """Refuse numbers of GPUs that nobody measured or that do not divide an LLM."""
    run = options.raw
    llm = model.parameters.llms[run["llm"]].published
    runs = model.measured.runs()
    heads = int(llm.query_heads)
    most = int(runs.gpus[runs.gpu == run["gpu"]].max())
    counts = [count for count in range(1, most + 1) if heads % count == 0]
    if run["gpus"] not in counts:
        wanted = f"one of {', '.join(map(str, counts))}, as measured and as {heads} heads divide"
        raise options.fail(f"is {shown(run['gpus'])}", wanted, "gpus")
    if run["expert_parallel"] and not llm.experts:
        raise options.fail("is on", "a mixture of experts with it", "expert_parallel")


def _require_memory(model: ServingModel, options: Section) -> None:
    """Refuse what GPUs cannot hold."""
    row = pd.DataFrame([options.raw | {"task": model.records.tasks[0]}])
    weights, cache, capacity = (part.item() / 1e9 for part in memory(model, row))
    if weights + cache > capacity:
        found = f"does not fit: {weights:.4g} GB of weights and {cache:.4g} GB of KV cache a GPU"
        raise options.fail(found, f"at most {capacity:g} GB", "llm")


def extrapolations(calibrated: Calibrated, run: Mapping[str, Any]) -> list[str]:
    """What of a run lies outside the recorded runs of its GPU, where intervals tell nothing.

    Args:
        calibrated: the calibration.
        run: one row as `Calibrated.predict` has it, with its prompt.

    Returns:
        A phrase for each.
    """
    model = calibrated.model
    rows = model.measured.runs()
    rows = rows[rows.gpu == run["gpu"]].reset_index(drop=True)
    prompts = model.prompts(calibrated.fitted.steps, model.arrays(rows))
    phrases = []
    for name, measured in {"batch": rows.batch, "prompt": prompts, "output": rows.output}.items():
        least, most = float(measured.min()), float(measured.max())
        if not least * (1 - SLACK) <= run[name] <= most * (1 + SLACK):
            phrases.append(f"{name} {run[name]:g} (measured: {least:.4g} to {most:.4g})")
    kinds = intervals.kinds(model.parameters, rows.llm)
    kind = intervals.kind_of(model.parameters.llms[run["llm"]].published)
    if not ((kinds == kind) & (rows.precision == run["precision"])).any():
        phrases.append(f"{run['precision']} for an LLM of its kind ({kind})")
    return phrases
