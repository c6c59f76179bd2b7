"""How fast an instance is under an account: efficiencies, overheads, links."""

from dataclasses import replace

import jax
import jax.numpy as jnp

from tokwatt.equations import roofline
from tokwatt.serving.account import Account
from tokwatt.serving.deployment import Deployment
from tokwatt.serving.gpu import profile as program
from tokwatt.serving.gpu.llm import expert_blocks
from tokwatt.serving.gpu.share import GpuShare, share_of
from tokwatt.serving.instance import Instance, StepTimes
from tokwatt.serving.steps.costs import ACTIVATION_WIDTH, pass_costs
from tokwatt.units import Seconds


@jax.jit
def instance_of(account: Account, deployment: Deployment) -> Instance:
    """What one GPU of a deployment holds, reads and computes, and how fast.

    Args:
        account: which bytes count, and how fast they move.
        deployment: the LLM and its GPUs.

    Returns:
        The instance; its KV budget is negative where the weights do not fit.

    Source: `params/assumptions.yaml`, which names one for each alternative.
    """
    assumed, llm = account.assumed, deployment.llm
    published = assumed.architecture == "published"
    share = share_of(
        deployment,
        llm.published if published else llm.paper,
        measured=assumed.memory == "measured",
        lookup_held=published and assumed.input_table == "held",
        whole_cache=assumed.kv_sharding == "whole",
    )
    instance = Instance(
        **vars(share),
        times=_times(account, deployment, share),
        costs=pass_costs(share, deployment.fitted),
        logistic=deployment.logistic,
        activity=deployment.activity,
        utilization=deployment.utilization,
        kernels=deployment.kernels,
    )
    if assumed.step == "calibrated":
        return _calibrated(instance, deployment)
    return _printed(account, instance, deployment) if assumed.experts == "printed" else instance


def _times(account: Account, deployment: Deployment, share: GpuShare) -> StepTimes:
    engine, fitted = deployment.engine, deployment.fitted
    costs = pass_costs(share, fitted)
    bandwidth = engine.bandwidth_efficiency * deployment.gpu.hbm_bandwidth
    dispatched = account.assumed.dispatch == "counted"
    mixed = expert_blocks(deployment.llm.published)
    return StepTimes(
        weight_bandwidth=bandwidth,
        kv_bandwidth=bandwidth,
        overhead=engine.layer_overhead * share.layers,
        dispatch_overhead=fitted.expert_layer_overhead * mixed if dispatched else 0.0,
        dispatch_time=_dispatch_time(deployment) if dispatched else 0.0,
        idle_time=0.0,
        prefill_rate=share.token_flops / (costs.dense_math + costs.expert_math),
    )


def _dispatch_time(deployment: Deployment) -> Seconds:
    """Time to send one token to its experts and back, over all layers that have any."""
    llm, ranks = deployment.llm.published, deployment.parallelism.expert_parallel
    sent = roofline.dispatch_bytes(llm.hidden, llm.active_experts, ACTIVATION_WIDTH, ranks)
    rate = deployment.fitted.link_efficiency * deployment.gpu.link_bandwidth
    return expert_blocks(llm) * sent / rate


def _calibrated(instance: Instance, deployment: Deployment) -> Instance:
    """The times and the KV blocks of a hand-calibrated profile."""
    profile, cache, times = deployment.profile, instance.cache, instance.times
    assert profile is not None
    return replace(
        instance,
        kv_budget=profile.kv_blocks * profile.block_size * cache.held,
        block_size=profile.block_size,
        max_tokens=profile.max_sequences * profile.calibration_length,
        streamed=0.0,
        routed=0.0,
        times=replace(
            times,
            kv_bandwidth=cache.read * profile.calibration_length / profile.scan_time,
            overhead=profile.weight_time,
        ),
    )


def _printed(account: Account, instance: Instance, deployment: Deployment) -> Instance:
    """A mixture of experts as Table 2 has it: printed active parameters at peak bandwidth.

    Where none are printed, the program's step takes the time of its expert kernels.
    """
    active, times, parallelism = (
        deployment.active_parameters,
        instance.times,
        deployment.parallelism,
    )
    mixed = deployment.llm.paper.experts > 0
    printed, program_step = active > 0, account.assumed.step == "program"
    tabulated = mixed & (active <= 0) & program_step
    weights = active * deployment.precision.dense / parallelism.tensor_parallel
    own_time = program.program_weight_time(
        deployment.gpu, deployment.llm, parallelism, deployment.precision, deployment.engine
    )
    streamed = jnp.where(tabulated, 0.0, instance.streamed)
    overhead = jnp.where(tabulated, own_time, times.overhead)
    peak = deployment.gpu.hbm_bandwidth
    return replace(
        instance,
        streamed=jnp.where(printed, weights, streamed),
        routed=jnp.where(printed | tabulated, 0.0, instance.routed),
        times=replace(
            times,
            weight_bandwidth=jnp.where(printed, peak, times.weight_bandwidth),
            overhead=jnp.where(printed, 0.0, overhead),
            idle_time=jnp.where(printed, own_time, 0.0),
        ),
    )
