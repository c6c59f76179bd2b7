"""One serving instance as the paper's program sees it: calibrated by hand, or computed from data sheets."""

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike

from tokwatt.equations.power import logistic_power
from tokwatt.params.specs import ActivityPower, Gpu, Llm, Profile, Serving
from tokwatt.serving import decode
from tokwatt.serving.decode import Roofline


class Instance(Protocol):
    """What the fleet calculation asks of an instance."""

    @property
    def price(self) -> float:
        """Rent in USD/s."""

    @property
    def prefill_chunk(self) -> float:
        """Prompt tokens of one step."""

    def concurrency(self, window: float) -> int:
        """Sequences that hold a window each."""

    def latency(self, batch: float, length: ArrayLike | None = None) -> np.ndarray:
        """Step time in seconds; without a length, at the length of calibration."""

    def power(self, batch: float) -> float:
        """Watts of one GPU."""

    def service_time(self, prompt: np.ndarray, output: np.ndarray, window: float) -> np.ndarray:
        """Seconds of each request with every slot of the window's concurrency taken."""


@dataclass(frozen=True)
class Calibrated:
    """An instance by a hand-calibrated profile."""

    profile: Profile

    @property
    def price(self) -> float:
        return float(self.profile.price)

    @property
    def prefill_chunk(self) -> float:
        return float(self.profile.prefill_chunk)

    def concurrency(self, window: float) -> int:
        return int(decode.reserved_concurrency(self.profile, max(window, 1)))

    def latency(self, batch: float, length: ArrayLike | None = None) -> np.ndarray:
        length = self.profile.calibration_length if length is None else length
        return np.asarray(decode.profile_latency(self.profile, batch, np.asarray(length, float)))

    def power(self, batch: float) -> float:
        curve = self.profile.power
        if batch <= 0:
            return float(curve.idle)
        if curve.steepness == 0:
            share = min(batch / float(self.profile.max_sequences), 1.0)
            return float(curve.idle + (curve.nominal - curve.idle) * share)
        return float(
            logistic_power(
                max(1.0, batch), curve.idle, curve.nominal, curve.steepness, curve.log2_midpoint
            )
        )

    def service_time(self, prompt: np.ndarray, output: np.ndarray, window: float) -> np.ndarray:
        steps = np.ceil(prompt / self.prefill_chunk) + output
        return steps * self.latency(self.concurrency(window), prompt + output)


@dataclass(frozen=True)
class Computed:
    """An instance by the roofline of a GPU and an LLM; one that does not fit counts as holding one sequence."""

    gpu: Gpu
    llm: Llm
    serving: Serving
    curve: ActivityPower

    @cached_property
    def profile(self) -> Profile:
        return decode.roofline_profile(self.gpu, self.llm, self.serving, self.curve)

    @cached_property
    def step(self) -> Roofline:
        return decode.gpu_roofline(self.gpu, self.llm, self.serving)

    @property
    def price(self) -> float:
        return float(self.serving.tensor_parallel * self.gpu.price)

    @property
    def prefill_chunk(self) -> float:
        return float(self.serving.prefill_chunk)

    @property
    def kv_blocks(self) -> int:
        return max(0, int(self.step.kv_blocks))

    def concurrency(self, window: float) -> int:
        fitting = max(1, int(self.kv_blocks // np.ceil(window / self.serving.block_size)))
        limit = int(self.serving.max_sequences)
        return min(fitting, limit) if limit > 0 else fitting

    def latency(self, batch: float, length: ArrayLike | None = None) -> np.ndarray:
        length = self.serving.mean_length if length is None else np.asarray(length, float)
        return np.asarray(
            self.step.weight_time
            + self.step.scan_time * (length / self.serving.mean_length) * batch
        )

    def power(self, batch: float, length: float | None = None) -> float:
        mean = self.serving.mean_length if length is None else length
        return float(decode.instance_power(self.profile, batch, mean))

    def prefill_latency(self, history: np.ndarray, batch: float, length: np.ndarray) -> np.ndarray:
        """Step time with one chunk of a prompt in it: memory or arithmetic, whichever takes longer."""
        flops = decode.chunk_flops(self.llm, self.serving, history)
        rate = decode.prefill_rate(self.gpu, self.serving)
        return np.maximum(self.latency(batch, length), np.asarray(flops / rate))

    def service_time(self, prompt: np.ndarray, output: np.ndarray, window: float) -> np.ndarray:
        batch, length = self.concurrency(window), prompt + output
        chunks = np.ceil(prompt / self.prefill_chunk)
        return chunks * self.prefill_latency(prompt / 2, batch, length) + output * self.latency(
            batch, length
        )
