"""What a GPU draws: laws of board power by batch size, by the busy share of a step, by use."""

from typing import NamedTuple, Protocol

import jax.numpy as jnp

from tokwatt.equations import power
from tokwatt.params.specs import UtilizationPower
from tokwatt.serving.choices import Assumptions
from tokwatt.serving.instance import Instance
from tokwatt.units import Bytes, BytesPerSecond, Dimensionless, Seconds, Sequences, Watts

WINDOW = 1.0
"""Seconds over whose steps power is that of the mean step: about what a board's sensor averages."""


class Used(Protocol):
    """What a step uses of a GPU: a forward pass, or a `Use`."""

    @property
    def moved(self) -> Bytes:
        """Bytes that the GPU reads."""

    @property
    def compute_time(self) -> Seconds:
        """Arithmetic, at the rates that are reached."""

    @property
    def launch_time(self) -> Seconds:
        """Launches of kernels of experts."""


class Use(NamedTuple):
    """What an iteration uses of a GPU, as far as laws of power depend on it.

    Attributes:
        latency: duration of the iteration.
        moved: bytes that the GPU reads.
        compute_time: arithmetic, at the rates that are reached.
        launch_time: launches of kernels of experts.
        batch: running requests.
        idle_time: time that counts as idle in the activity law.
        scan_time: time to read the KV cache.
        prefill: share of the iteration spent on prefill.
    """

    latency: Seconds
    moved: Bytes
    compute_time: Seconds
    launch_time: Seconds
    batch: Sequences
    idle_time: Seconds
    scan_time: Seconds
    prefill: Dimensionless


def board_power(assumed: Assumptions, instance: Instance, use: Use) -> tuple[Seconds, Watts]:
    """Duration of an iteration and power of one GPU.

    By the use of bandwidth and arithmetic a board slows down rather than draw more than its limit;
    under the other two laws the share of the iteration spent on prefill draws nominal power.
    """
    if assumed.power == "utilization":
        law, bandwidth = instance.utilization, instance.gpu.hbm_bandwidth
        return within_limit(bandwidth, law, use, use.latency)
    law_of = _logistic_power if assumed.power == "logistic" else _activity_power
    decoding, nominal = law_of(instance, use)
    return use.latency, decoding + (nominal - decoding) * use.prefill


def idle_power(assumed: Assumptions, instance: Instance) -> Watts:
    """Power of one GPU that waits for requests: what each law says of no work."""
    if assumed.power == "utilization":
        return jnp.minimum(instance.utilization.idle, instance.utilization.limit)
    if assumed.power == "logistic":
        return instance.logistic.idle
    return instance.activity.idle_fraction * instance.gpu.tdp


def power_by_use(
    bandwidth: BytesPerSecond, law: UtilizationPower, use: Used, latency: Seconds
) -> Watts:
    r"""Power of one GPU at full clocks by what it uses of its bandwidth and of the time.

    .. math:: P = a + b\,u_\text{HBM} + c \sqrt{u_\text{FLOP}} + d\,u_\text{launch}

    Args:
        bandwidth: peak bandwidth of its memory.
        law: coefficients.
        use: what it does in a step.
        latency: duration of the step.

    Returns:
        Board power, beyond its limit too.

    Source: least squares over measured runs, see `params/calibrated.yaml`.
    """
    moving = use.moved / bandwidth / latency
    launching = law.launch * use.launch_time / latency
    plain = power.utilization_power(
        moving, use.compute_time / latency, law.idle, law.memory, law.compute
    )
    return plain + launching


def within_limit(
    bandwidth: BytesPerSecond, law: UtilizationPower, use: Used, latency: Seconds
) -> tuple[Seconds, Watts]:
    """Duration of a step and power of one GPU, whose clocks fall rather than exceed its limit.

    Args:
        bandwidth: peak bandwidth of its memory.
        law: coefficients and the limit.
        use: what it does in a step.
        latency: duration of the step at full clocks.

    Returns:
        Duration, `latency` or longer, and board power, at most the limit.
    """
    demand = power_by_use(bandwidth, law, use, latency)
    stretch = power.clock_stretch(demand, law.idle, law.limit, law.clock_exponent)
    return latency * stretch, jnp.minimum(demand, law.limit)


def _logistic_power(instance: Instance, use: Use) -> tuple[Watts, Watts]:
    """Power of decoding, and nominal power."""
    law = instance.logistic
    decoding = power.logistic_power(
        use.batch, law.idle, law.nominal, law.steepness, law.log2_midpoint
    )
    return decoding, law.nominal


def _activity_power(instance: Instance, use: Use) -> tuple[Watts, Watts]:
    """Power of decoding, and nominal power; reading weights counts as idle."""
    law, tdp = instance.activity, instance.gpu.tdp
    computing = instance.token_flops * use.batch / instance.gpu.fp16_rate
    busy = (use.scan_time + computing) / (use.idle_time + use.scan_time)
    decoding = power.activity_power(busy, tdp, law.idle_fraction, law.nominal_fraction)
    return decoding, law.nominal_fraction * tdp
