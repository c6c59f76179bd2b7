"""Table 2's bound for mixtures of experts, and what measured kernels leave of it."""

from dataclasses import dataclass

import numpy as np
import xarray as xr

from tokwatt import grid
from tokwatt.accounts.cases import MEAN_FILL
from tokwatt.calibration.kernels import KernelConfig, Kernels
from tokwatt.serving.catalogue import Catalogue
from tokwatt.studies.instances import Boards, roofline_points
from tokwatt.studies.labelled import Variable, labelled
from tokwatt.studies.replay.points import LlmLayout
from tokwatt.units import Dimensionless, Tokens


@dataclass(frozen=True, kw_only=True)
class KernelLayout:
    """How kernels were tabulated for an LLM.

    Attributes:
        precision: the precision of its weights by name.
        expert_parallel: 1 where each GPU holds whole experts, 0 where a slice of all.
    """

    precision: str
    expert_parallel: Dimensionless = 0.0


SENDING = ("tokens_per_joule_without_sending", "tokens_per_joule_with_sending")
"""Tokens per joule by kernels, without and with what they send."""


def kernel_bounds(
    catalogue: Catalogue,
    gpus: Boards,
    served: dict[str, LlmLayout],
    kernels: dict[str, KernelLayout],
    dense: str,
    context_window: Tokens,
) -> xr.Dataset:
    """Table 2's bound, and measured kernels without and with dispatch and all-reduce.

    Batch size, power and basis are the paper's; only the step differs. NaN where there are no
    kernels of a configuration.
    """
    bound = roofline_points(catalogue, gpus, served, context_window)
    bound = bound[["concurrency", "power", "tokens_per_joule"]]
    configs = [
        _config(gpu, llm, entry, kernels[llm]) for llm, entry in served.items() for gpu in gpus
    ]
    length = np.full(len(configs), MEAN_FILL * context_window)
    by_kernels = _bounds(Kernels(catalogue), configs, bound, length)
    table = bound.merge(labelled(by_kernels, {"llm": list(served), "gpu": list(gpus)}))
    for name in ("tokens_per_joule", *SENDING):
        over = table[name] / table[name].sel(llm=dense, drop=True)
        table[f"{name}_over_dense"] = over.assign_attrs(grid.describe(f"{name}_over_dense", "1"))
    return table


def _config(gpu: str, llm: str, served: LlmLayout, kernels: KernelLayout) -> KernelConfig:
    size = int(served.tensor_parallel)
    return KernelConfig(gpu, llm, kernels.precision, size, int(kernels.expert_parallel))


def _bounds(
    kernels: Kernels, configs: list[KernelConfig], bound: xr.Dataset, length: np.ndarray
) -> dict[str, Variable]:
    """What kernels leave of a bound, over LLM x GPU."""
    shape = bound.concurrency.shape
    times = kernels.times(configs, bound.concurrency.values.ravel(), length)
    step, communication = (column.reshape(shape) for column in times)
    rate = (bound.concurrency / bound.power).values
    entries = (kernels.entries.get(config.name) for config in configs)
    share = [entry.measured_share if entry else np.nan for entry in entries]
    axes, (without, within) = ("llm", "gpu"), SENDING
    return {
        without: Variable(axes, rate / (step - communication), "tok/J"),
        within: Variable(axes, rate / step, "tok/J"),
        "communication": Variable(axes, communication, "s"),
        "measured_share": Variable(axes, np.reshape(share, shape), "1"),
    }
