"""The lever of experts: mixtures against a dense LLM, by batch size."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
import xarray as xr

from tokwatt import grid
from tokwatt.accounts.cases import MEAN_FILL
from tokwatt.params.specs import Board
from tokwatt.serving.account import Account
from tokwatt.serving.catalogue import Catalogue
from tokwatt.serving.point import operating_point
from tokwatt.studies.accounts.changed import tabulate_changes
from tokwatt.studies.instances import Boards, batches
from tokwatt.studies.replay.points import LlmLayout
from tokwatt.units import Seconds, Sequences, Tokens, TokensPerJoule, Watts


class Lever(NamedTuple):
    """An instance at a batch size; NaN where the memory does not hold it.

    Attributes:
        tokens_per_joule: of the instance.
        iteration_latency: duration of an iteration.
        power: watts on the basis.
    """

    tokens_per_joule: TokensPerJoule
    iteration_latency: Seconds
    power: Watts


def lever(
    catalogue: Catalogue,
    gpus: Boards,
    served: dict[str, LlmLayout],
    dense: str,
    readings: dict,
    largest_batch: Sequences,
    context_window: Tokens,
) -> xr.Dataset:
    """Decoding over reading x batch x LLM x GPU, and how each mixture compares with a dense LLM."""

    def decoding(account: Account) -> xr.Dataset:
        def lever(batch: Sequences, llm: LlmLayout, gpu: Board) -> Lever:
            deployment = llm.on(gpu, catalogue)
            point = operating_point(account, deployment, context_window, MEAN_FILL, 4.0, batch)
            held = jnp.where(batch <= point.concurrency, 1.0, jnp.nan)
            latency = point.iteration_latency
            return Lever(point.tokens_per_joule * held, latency * held, point.power * held)

        return grid.sweep(lever, batch=batches(largest_batch), llm=served, gpu=gpus)

    table = tabulate_changes(catalogue, readings, "reading", decoding)
    advantage = table.tokens_per_joule / table.tokens_per_joule.sel(llm=dense)
    even = _crossing(np.log2(advantage))
    described = grid.describe("largest batch at which the two are even", "seq")
    over = grid.describe(f"tokens per joule over that of {dense}", "1")
    return table.assign(
        advantage=advantage.assign_attrs(over), even_batch=even.assign_attrs(described)
    )


def _crossing(log_advantage: xr.DataArray) -> xr.DataArray:
    """Batch at which a line between two batches last passes zero; NaN where none does."""
    after = log_advantage.shift(batch=-1)
    along = np.log2(log_advantage.batch) + 0.25 * log_advantage / (log_advantage - after)
    return np.exp2(along.where(log_advantage * after < 0).max("batch"))
