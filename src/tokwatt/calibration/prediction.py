"""What a run does, from the requests it serves: the serving step as measured runs see it."""

from typing import NamedTuple

import jax.numpy as jnp

from tokwatt.equations import roofline
from tokwatt.equations.batching import resident_tokens
from tokwatt.params.specs import StepParameters, UtilizationPower, spec
from tokwatt.serving.chunked import Load, iterations
from tokwatt.serving.instance import GpuShare
from tokwatt.serving.power import power_by_use, within_limit
from tokwatt.units import (
    Bytes,
    Dimensionless,
    Flops,
    Seconds,
    Sequences,
    Tokens,
    TokensPerJoule,
    TokensPerSecond,
    Watts,
)


@spec
class RequestMix:
    """The requests that an instance runs, on the average.

    Attributes:
        batch: running requests.
        prompt: prompt tokens of a request.
        output: output tokens of a request.
        output_scv: squared coefficient of variation of them.
    """

    batch: Sequences
    prompt: Tokens
    output: Tokens
    output_scv: Dimensionless

    @property
    def residents(self) -> Tokens:
        """Tokens that a running request holds on the average."""
        return resident_tokens(self.prompt, self.output, self.output_scv)

    @property
    def load(self) -> Load:
        """What each iteration takes in."""
        prefills = self.batch / self.output
        return Load(self.batch, self.residents, self.prompt * prefills, prefills)


class MixedSteps(NamedTuple):
    """Steps of which some take in prompts.

    Attributes:
        median_latency: median inter-token latency.
        mean_latency: duration of the mean step.
        moved: bytes that one GPU reads in the mean step.
        computed: operations that one GPU does in it.
        running: requests that decode in it.
    """

    median_latency: Seconds
    mean_latency: Seconds
    moved: Bytes
    computed: Flops
    running: Sequences


class Prediction(NamedTuple):
    """What a run does.

    Attributes:
        latency: median inter-token latency.
        throughput: output tokens per second of the instance.
        power: watts of one GPU.
        tokens_per_joule: output tokens per joule of all its GPUs.
    """

    latency: Seconds
    throughput: TokensPerSecond
    power: Watts
    tokens_per_joule: TokensPerJoule


def mixed_steps(share: GpuShare, parameters: StepParameters, mix: RequestMix) -> MixedSteps:
    """Steps of a run in which requests end and are admitted."""
    return _steps(share, parameters, mix.load)


def decoding_steps(
    share: GpuShare, parameters: StepParameters, mix: RequestMix, residents: Tokens
) -> MixedSteps:
    """Steps of a batch that only decodes, each sequence holding `residents` tokens."""
    none = jnp.zeros_like(mix.batch)
    return _steps(share, parameters, Load(mix.batch, residents, none, none))


def _steps(share: GpuShare, parameters: StepParameters, load: Load) -> MixedSteps:
    found = iterations(share, parameters, load)
    mean = found.mean
    return MixedSteps(found.median_latency, mean.latency, mean.moved, mean.computed, found.running)


def predicted(share: GpuShare, law: UtilizationPower, steps: MixedSteps) -> Prediction:
    """What a run does, from its steps and its law of power; at its limit a board slows down."""
    own = steps.mean_latency
    latency = within_limit(share, law, steps.moved, steps.computed, own)
    watts = power_by_use(share, law, steps.moved, steps.computed, latency)
    rate = roofline.throughput(steps.running, latency)
    efficiency = roofline.tokens_per_joule(rate, watts * share.gpus)
    return Prediction(steps.median_latency * latency / own, rate, watts, efficiency)
