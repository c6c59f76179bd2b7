"""What the paper's program makes of data sheets: weight times, memory, profiles."""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp

from tokwatt.equations import memory, roofline
from tokwatt.params.specs import (
    Engine,
    Gpu,
    LlmRecord,
    LogisticPower,
    Parallelism,
    Precision,
    Profile,
    Scaling,
)
from tokwatt.serving.gpu.cache import cache_bytes_per_token
from tokwatt.serving.gpu.llm import (
    attention_layer_parameters,
    routed_parameters,
    streamed_parameters,
)
from tokwatt.units import Bytes, Dimensionless, Seconds, Sequences
from tokwatt.x64 import RUN_ONCE


def workspace(engine: Engine, parallelism: Parallelism) -> Bytes:
    """Memory for communication on each GPU: between tabulated numbers of GPUs, a straight line."""
    return jnp.interp(parallelism.tensor_parallel, engine.workspace_gpus, engine.workspace)


def program_budget(engine: Engine, gpu: Gpu, parallelism: Parallelism, held: Bytes) -> Bytes:
    """Memory for the KV cache of a GPU that holds so many bytes of weights."""
    used = workspace(engine, parallelism)
    return memory.kv_budget(gpu.hbm_capacity, engine.memory_fraction, held, used)


def program_weight_bytes(llm: LlmRecord, parallelism: Parallelism, precision: Precision) -> Bytes:
    """Weights on each GPU by the paper's description."""
    dense = streamed_parameters(llm.paper) * precision.dense
    routed = routed_parameters(llm.paper) * precision.routed
    return (dense + routed) / parallelism.tensor_parallel


def program_weight_time(
    gpu: Gpu, llm: LlmRecord, parallelism: Parallelism, precision: Precision, engine: Engine
) -> Seconds:
    """Time of a step of the paper's program beside the scan of the KV cache.

    Args:
        gpu: the accelerator.
        llm: the LLM; a mixture of experts takes the time of its expert kernels.
        parallelism: how the GPUs share it.
        precision: widths of its weights.
        engine: the program's efficiencies and overheads.

    Returns:
        Time to read the weights, and the overhead of every layer.

    Source: arXiv:2603.17280, Sections 2.1 and 3.2, and its program for the expert kernels.
    """
    bandwidth = engine.bandwidth_efficiency * gpu.hbm_bandwidth
    dense = roofline.weight_time(program_weight_bytes(llm, parallelism, precision), bandwidth)
    mixture = _expert_step_time(gpu, llm, parallelism, precision, engine)
    streamed = jnp.where(llm.paper.experts > 0, mixture, dense)
    return streamed + engine.layer_overhead * llm.paper.layers


def _expert_step_time(
    gpu: Gpu, llm: LlmRecord, parallelism: Parallelism, precision: Precision, engine: Engine
) -> Seconds:
    """Measured expert kernels where there are any, and attention by bytes."""
    kernels, paper = llm.expert_kernels, llm.paper
    bandwidth = engine.bandwidth_efficiency * gpu.hbm_bandwidth
    times = jnp.stack([kernels.latency_16bit, kernels.latency_8bit, kernels.latency_4bit])
    kernel = times[jnp.argmin(jnp.abs(jnp.array([2.0, 1.0, 0.5]) - precision.routed))]
    tabulated = roofline.expert_layer_time(
        kernel, engine.kernel_bandwidth, gpu.hbm_bandwidth, engine.kernel_exponent
    )
    # The paper's program reads two of the three expert matrices here, on one GPU.
    matrices = 2 * paper.expert_feed_forward * paper.hidden * precision.routed
    experts = jnp.where(kernel > 0, tabulated, paper.active_experts * matrices / bandwidth)
    attention = memory.weight_bytes(
        attention_layer_parameters(paper), precision.dense, parallelism.tensor_parallel
    )
    return (experts + roofline.weight_time(attention, bandwidth)) * paper.layers


def program_kv_blocks(
    gpu: Gpu, llm: LlmRecord, parallelism: Parallelism, precision: Precision, engine: Engine
) -> Dimensionless:
    """Blocks of the KV cache by the paper's program, which counts all heads on every GPU."""
    held = program_weight_bytes(llm, parallelism, precision)
    budget = program_budget(engine, gpu, parallelism, held)
    whole = cache_bytes_per_token(llm.paper, precision.kv, 1.0)
    return memory.kv_blocks(budget, whole, engine.block_size)


def scaled_profile(scaling: Scaling, engine: Engine) -> Profile:
    r"""A calibrated profile carried to another GPU, as the paper carries H100 to B200.

    KV blocks and sequences scale with the roofline's block counts, the scan time with inverse
    bandwidth; the weight time is the roofline's own, and :math:`x_0 = \log_2 (W / H)`.

    Args:
        scaling: the profile to carry, from which GPU to which.
        engine: the efficiencies of the roofline.

    Returns:
        The projected profile; its numbers are of the types of any other's, so that what is compiled
        for one serves all.

    Source: the program of arXiv:2603.17280. The projection is mixed: the weight time comes from the
        roofline, everything else is scaled from the calibrated profile.
    """
    base, gpu = scaling.base, scaling.board.gpu
    numbers = _projected(scaling, engine)
    weight_time, scan_time, kv_blocks, max_sequences, midpoint = map(float, numbers)
    fractions = scaling.board.activity
    return replace(
        base,
        board=scaling.board,
        weight_time=weight_time,
        scan_time=scan_time,
        prefill_chunk=scaling.prefill_chunk,
        kv_blocks=kv_blocks,
        max_sequences=max_sequences,
        price=scaling.price,
        power=LogisticPower(
            idle=fractions.idle_fraction * gpu.tdp,
            nominal=fractions.nominal_fraction * gpu.tdp,
            steepness=base.power.steepness,
            log2_midpoint=midpoint,
        ),
    )


@partial(jax.jit, compiler_options=RUN_ONCE)
def _projected(
    scaling: Scaling, engine: Engine
) -> tuple[Seconds, Seconds, Dimensionless, Sequences, Dimensionless]:
    """Weight time, scan time, KV blocks, sequences and log2 of the midpoint on the other GPU."""
    base, gpu = scaling.base, scaling.board.gpu
    parallelism = Parallelism(tensor_parallel=base.gpus)
    deployed = base.llm, parallelism, base.precision, engine
    ratio = program_kv_blocks(gpu, *deployed) / program_kv_blocks(base.board.gpu, *deployed)
    scan_time = base.scan_time * (base.board.gpu.hbm_bandwidth / gpu.hbm_bandwidth)
    weight_time = program_weight_time(gpu, *deployed)
    return (
        weight_time,
        scan_time,
        jnp.floor(base.kv_blocks * ratio),
        jnp.floor(base.max_sequences * ratio),
        jnp.log2(weight_time / scan_time),
    )
