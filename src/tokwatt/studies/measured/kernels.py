"""Table 2's bound for mixtures of experts, and what measured kernels leave of it."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import xarray as xr

from tokwatt import grid
from tokwatt.calibration.kernels import KernelConfig, Kernels
from tokwatt.serving.catalogue import Catalogue
from tokwatt.studies.instances import Boards, roofline_points
from tokwatt.studies.replay.points import MEAN_FILL, LlmLayout
from tokwatt.units import Dimensionless, Seconds, Tokens, TokensPerJoule


@dataclass(frozen=True, kw_only=True)
class KernelLayout:
    """How kernels were tabulated for an LLM.

    Attributes:
        precision: the precision of its weights by name.
        expert_parallel: 1 where each GPU holds whole experts, 0 where a slice of all.
    """

    precision: str
    expert_parallel: Dimensionless = 0.0


class KernelBounds(NamedTuple):
    """Tokens per joule by kernels, without and with what they send, over LLM x GPU."""

    tokens_per_joule_without_sending: TokensPerJoule
    tokens_per_joule_with_sending: TokensPerJoule
    communication: Seconds
    measured_share: Dimensionless


class BoundsOverDense(NamedTuple):
    """Bounds over those of the dense LLM, over LLM x GPU."""

    tokens_per_joule_over_dense: Dimensionless
    tokens_per_joule_without_sending_over_dense: Dimensionless
    tokens_per_joule_with_sending_over_dense: Dimensionless


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
    table = bound.merge(grid.dataset({"llm": list(served), "gpu": list(gpus)}, by_kernels))
    names = [name.removesuffix("_over_dense") for name in BoundsOverDense._fields]
    over = BoundsOverDense(*(table[name] / table[name].sel(llm=dense, drop=True) for name in names))
    return table.merge(grid.dataset({}, over))


def _config(gpu: str, llm: str, served: LlmLayout, kernels: KernelLayout) -> KernelConfig:
    size = int(served.tensor_parallel)
    return KernelConfig(gpu, llm, kernels.precision, size, int(kernels.expert_parallel))


def _bounds(
    kernels: Kernels, configs: list[KernelConfig], bound: xr.Dataset, length: np.ndarray
) -> KernelBounds:
    """What kernels leave of a bound, shape (LLM, GPU)."""
    shape = bound.concurrency.shape
    times = kernels.times(configs, bound.concurrency.values.ravel(), length)
    step, communication = (column.reshape(shape) for column in times)
    rate = (bound.concurrency / bound.power).values
    entries = (kernels.entries.get(config.name) for config in configs)
    share = [entry.measured_share if entry else np.nan for entry in entries]
    return KernelBounds(
        rate / (step - communication), rate / step, communication, np.reshape(share, shape)
    )
