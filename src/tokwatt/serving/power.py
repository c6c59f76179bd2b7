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


def board_power(assumed: Assumptions, instance: Instance, use: Use) -> Watts:
    """Power of one GPU.

    The utilization law is capped at TDP; under the other two laws the share of the iteration spent
    on prefill draws nominal power.
    """
    if assumed.power == "utilization":
        law, limit = instance.utilization, instance.gpu.tdp
        return power_by_use(instance, law, use.moved, use.computed, use.latency, limit)
    law_of = _logistic_power if assumed.power == "logistic" else _activity_power
    decoding, nominal = law_of(instance, use)
    return decoding + (nominal - decoding) * use.prefill


def power_by_use(
    share: GpuShare,
    law: UtilizationPower,
    moved: Bytes,
    computed: Flops,
    latency: Seconds,
    limit: Watts,
) -> Watts:
    r"""Power of one GPU by what it uses of its bandwidth and of its 16-bit arithmetic.

    .. math:: P = \min(P_{max}, a + b\,u_\text{HBM} + c \sqrt{u_\text{FLOP}} + \ldots)

    Args:
        share: the GPU and its share of the instance.
        law: coefficients.
        moved: bytes that the GPU reads in a step.
        computed: operations that it does in a step.
        latency: duration of the step.
        limit: power that the board does not exceed.

    Returns:
        Board power.

    Source: least squares over measured runs, see `params/power.yaml` and `params/calibrated.yaml`;
        layers of experts and requantized blocks cost what their kernels do beside reading weights.
    """
    _, bandwidth, arithmetic, *rest = power_terms(share, moved, computed, latency)
    plain = power.utilization_power(bandwidth, arithmetic, law.idle, law.memory, law.compute)
    more = law.expert_layers * rest[0] + law.shared * rest[1] + law.requantized * rest[2]
    return jnp.minimum(limit, plain + more)


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
