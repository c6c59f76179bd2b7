"""One iteration of an instance over its batch."""

from typing import NamedTuple

import jax.numpy as jnp

from tokwatt.serving.choices import Assumptions
from tokwatt.serving.gpu.cache import moved_bytes
from tokwatt.serving.instance import TOUCHED, Instance, step_weight_bytes
from tokwatt.serving.results import readable
from tokwatt.serving.steps import kernels
from tokwatt.serving.steps.chunked import Load, first_token_time, iterations
from tokwatt.serving.steps.forward import ForwardPass, Touched, attention_time, forward_pass
from tokwatt.serving.steps.power import Use, board_power
from tokwatt.units import Dimensionless, Seconds, Sequences, Tokens, Watts


@readable
class Step(NamedTuple):
    """The mean iteration over a batch.

    Attributes:
        latency: its duration.
        median_latency: median duration: the median inter-token latency.
        late_latency: 99th percentile of the duration.
        weight_time: time to read weights.
        scan_time: time to read the KV cache.
        compute_time: time of the arithmetic of decoding.
        prefill_time: what taking in prompts adds.
        running: requests that decode in it; others wait for their prompts to be taken in.
        power: watts of one GPU.
        stretch: how many times as long its board's limit makes it.
    """

    latency: Seconds
    median_latency: Seconds
    late_latency: Seconds
    weight_time: Seconds
    scan_time: Seconds
    compute_time: Seconds
    prefill_time: Seconds
    running: Sequences
    power: Watts
    stretch: Dimensionless


def step(assumed: Assumptions, instance: Instance, load: Load) -> Step:
    """The mean iteration over a batch.

    Args:
        assumed: which bytes and operations it costs, and which law of power holds.
        instance: the instance.
        load: its batch.

    Returns:
        The step; never shorter than its memory time and its compute time where the step is
        measured, and long enough for the board to keep its limit of power.

    Source: `params/assumptions.yaml`.
    """
    if assumed.step == "measured":
        return measured_step(assumed, instance, load, TOUCHED[assumed.experts])
    return _computed_step(assumed, instance, load)


def measured_step(assumed: Assumptions, instance: Instance, load: Load, touched: Touched) -> Step:
    """The mean iteration by the calibration's forward passes."""
    chunked = assumed.prefill == "chunked"
    passing = load if chunked else load._replace(prompts=0.0 * load.prompts, prefills=0.0)
    found = iterations(instance.costs, passing, touched, assumed.dispatch == "counted")
    mean, decoding = found.mean, found.decoding
    use, prefill_time = _measured_use(
        assumed, instance, load._replace(batch=found.running), mean, decoding
    )
    kept, watts = board_power(assumed, instance, use)
    stretch = kept / use.latency
    return Step(
        latency=kept,
        median_latency=(found.median_latency if chunked else use.latency) * stretch,
        late_latency=(found.late_latency if chunked else use.latency) * stretch,
        weight_time=mean.weight_time,
        scan_time=mean.scan_time,
        compute_time=decoding.compute_time,
        prefill_time=prefill_time,
        running=found.running,
        power=watts,
        stretch=stretch,
    )


def _measured_use(
    assumed: Assumptions,
    instance: Instance,
    load: Load,
    passing: ForwardPass,
    decoding: ForwardPass,
) -> tuple[Use, Seconds]:
    """What a pass uses that takes in prompts beside one that only decodes, and what they add."""
    latency, prefill_time = passing.latency, passing.latency - decoding.latency
    compute_time = passing.compute_time
    if assumed.prefill != "chunked":
        latency, prefill_time = _prefilled(assumed, instance, load, decoding.latency)
        compute_time = decoding.compute_time + prefill_time
    use = Use(
        latency=latency,
        moved=passing.moved,
        compute_time=compute_time,
        launch_time=passing.launch_time,
        batch=load.batch,
        idle_time=decoding.latency - decoding.scan_time,
        scan_time=decoding.scan_time,
        prefill=prefill_time / latency,
    )
    return use, prefill_time


def single_use(assumed: Assumptions, instance: Instance, load: Load) -> Use:
    """What one iteration uses that takes in just the prompt tokens of a load, not their mean.

    Args:
        assumed: which bytes and operations it costs.
        instance: the instance.
        load: its batch; `prefills` is such that `prompt` is the tokens that a prompt token attends
            to, times two.

    Returns:
        Its use, before a board slows down at its limit.

    Source: `params/assumptions.yaml`.
    """
    if assumed.step != "measured":
        return _computed_use(assumed, instance, load)[0]

    def passing(prompts: Tokens) -> ForwardPass:
        return forward_pass(
            instance.costs,
            load.batch,
            load.length,
            prompts,
            load.prompt,
            TOUCHED[assumed.experts],
            assumed.dispatch == "counted",
        )

    decoding = passing(0.0 * load.prompts)
    filling = passing(load.prompts) if assumed.prefill == "chunked" else decoding
    return _measured_use(assumed, instance, load, filling, decoding)[0]


def _computed_step(assumed: Assumptions, instance: Instance, load: Load) -> Step:
    """The mean iteration by the paper's rules, or by kernels."""
    use, weight_time, prefill_time = _computed_use(assumed, instance, load)
    kept, watts = board_power(assumed, instance, use)
    return Step(
        latency=kept,
        median_latency=kept,
        late_latency=kept,
        weight_time=weight_time,
        scan_time=use.scan_time,
        compute_time=0.0 * use.scan_time,
        prefill_time=prefill_time,
        running=load.batch,
        power=watts,
        stretch=kept / use.latency,
    )


def _computed_use(
    assumed: Assumptions, instance: Instance, load: Load
) -> tuple[Use, Seconds, Seconds]:
    """What an iteration uses by the paper's rules, or by kernels; its weight and prefill time."""
    streamed = step_weight_bytes(assumed, instance, load.batch)
    scanned = load.batch * moved_bytes(instance.cache, load.length)
    weight_time = streamed / instance.times.weight_bandwidth
    scan_time = scanned / instance.times.kv_bandwidth
    decoding = _decoding_time(assumed, instance, load, weight_time + scan_time)
    latency, prefill_time = _prefilled(assumed, instance, load, decoding)
    decoded = instance.token_flops * load.batch / instance.times.prefill_rate
    attended = (
        load.batch / instance.costs.data_parallel * attention_time(instance.costs, load.length)
    )
    idle_time = jnp.where(
        instance.times.idle_time > 0,
        instance.times.idle_time,
        weight_time + instance.times.overhead,
    )
    use = Use(
        latency=latency,
        moved=streamed + scanned,
        compute_time=decoded + attended + prefill_time,
        launch_time=0.0 * scan_time,
        batch=load.batch,
        idle_time=idle_time,
        scan_time=scan_time,
        prefill=prefill_time / latency,
    )
    return use, weight_time, prefill_time


def _prefilled(
    assumed: Assumptions, instance: Instance, load: Load, decoding: Seconds
) -> tuple[Seconds, Seconds]:
    """A step with the prefill that comes apart from decoding, and that prefill."""
    if assumed.prefill == "free":
        return decoding, 0.0 * decoding
    prefill = instance.token_flops * load.prompts / instance.times.prefill_rate
    hidden = assumed.prefill == "overlapped"
    return jnp.maximum(decoding, prefill) if hidden else decoding + prefill, prefill


def _decoding_time(
    assumed: Assumptions, instance: Instance, load: Load, memory_time: Seconds
) -> Seconds:
    if assumed.step == "kernels" and instance.kernels is not None:
        tabulated = kernels.step_latency(instance.kernels, load.batch, load.length)
        return tabulated + instance.costs.sequence * load.batch
    times = instance.times
    overhead = times.overhead + times.dispatch_overhead + times.dispatch_time * load.batch
    return memory_time + overhead


def first_token(assumed: Assumptions, instance: Instance, load: Load, prompt: Tokens) -> Seconds:
    """Time from admission to the first token of a prompt, beside a batch that decodes.

    Args:
        assumed: whether the prompt is taken in by chunks.
        instance: the instance.
        load: its batch.
        prompt: tokens of the prompt.

    Returns:
        See `chunked.first_token_time`; by the rules of the paper the prompt's arithmetic and one
        iteration that decodes.

    Source: chunked prefill, arXiv:2308.16369.
    """
    running = step(assumed, instance, load)
    if assumed.prefill == "chunked":
        return first_token_time(instance.costs, load, prompt, running.stretch)
    prefill = prompt * instance.token_flops / instance.times.prefill_rate
    return prefill + running.latency - running.prefill_time
