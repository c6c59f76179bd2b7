"""What a GPU draws: laws of board power by batch size, by the busy share of a step, by use."""

from typing import NamedTuple

import jax.numpy as jnp

from tokwatt.equations import power
from tokwatt.params.specs import UtilizationPower
from tokwatt.serving.choices import Assumptions
from tokwatt.serving.instance import GpuShare, Instance
from tokwatt.units import Bytes, Dimensionless, Flops, Seconds, Sequences, Watts


class Use(NamedTuple):
    """What an iteration uses of a GPU, as far as laws of power depend on it.

    Attributes:
        latency: duration of the iteration.
        moved: bytes that the GPU reads.
        computed: operations that it does.
        batch: running requests.
        idle_time: time that counts as idle in the activity law.
        scan_time: time to read the KV cache.
        prefill: share of the iteration spent on prefill.
    """

    latency: Seconds
    moved: Bytes
    computed: Flops
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
        law = instance.utilization
        latency = within_limit(instance, law, use.moved, use.computed, use.latency)
        return latency, power_by_use(instance, law, use.moved, use.computed, latency)
    law_of = _logistic_power if assumed.power == "logistic" else _activity_power
    decoding, nominal = law_of(instance, use)
    return use.latency, decoding + (nominal - decoding) * use.prefill


def power_by_use(
    share: GpuShare, law: UtilizationPower, moved: Bytes, computed: Flops, latency: Seconds
) -> Watts:
    r"""Power of one GPU by what it uses of its bandwidth and of its 16-bit arithmetic.

    .. math:: P = a + b\,u_\text{HBM} + c \sqrt{u_\text{FLOP}} + \ldots

    Args:
        share: the GPU and its share of the instance.
        law: coefficients.
        moved: bytes that the GPU reads in a step.
        computed: operations that it does in a step.
        latency: duration of the step, `within_limit` of the board.

    Returns:
        Board power.

    Source: least squares over measured runs, see `params/calibrated.yaml`; layers of experts and
        requantized blocks cost what their kernels do beside reading weights.
    """
    _, bandwidth, arithmetic, *rest = power_terms(share, moved, computed, latency)
    constant = _constant(law, *rest)
    return power.utilization_power(bandwidth, arithmetic, constant, law.memory, law.compute)


def within_limit(
    share: GpuShare,
    law: UtilizationPower,
    moved: Bytes,
    computed: Flops,
    latency: Seconds,
) -> Seconds:
    """Duration of a step that keeps a board within its limit: its own, or longer."""
    _, moving, computing, *rest = power_terms(share, moved, computed, jnp.ones_like(latency))
    constant = _constant(law, *rest)
    stretched = power.stretched_latency(
        moving, computing, constant, law.memory, law.compute, law.limit
    )
    return jnp.maximum(latency, stretched)


def _constant(
    law: UtilizationPower, experts: Dimensionless, shared: Dimensionless, rescaled: Dimensionless
) -> Watts:
    """The part that does not depend on how long a step takes."""
    more = law.expert_layers * experts + law.shared * shared + law.requantized * rescaled
    return law.idle + more


def power_terms(
    share: GpuShare, moved: Bytes, computed: Flops, latency: Seconds
) -> tuple[Dimensionless, ...]:
    """What coefficients of `UtilizationPower` multiply, in order; of the third it is the root."""
    return (
        jnp.ones_like(latency),
        moved / latency / share.gpu.hbm_bandwidth,
        computed / latency / share.gpu.fp16_rate,
        share.expert_layers / 100,
        jnp.where(share.gpus > 1, -1.0, 0.0),
        share.requantized,
    )


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
