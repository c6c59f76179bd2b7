"""What is deployed: an LLM on GPUs of one kind, with all that any assumption may need to know."""

from dataclasses import replace

from tokwatt.params.specs import (
    ActivityPower,
    Engine,
    Gpu,
    LlmRecord,
    LogisticPower,
    Parallelism,
    Precision,
    Profile,
    ServingEngine,
    UtilizationPower,
    spec,
)
from tokwatt.serving.kernels import StepTable
from tokwatt.units import Parameters, Tokens


@spec
class Deployment:
    """An LLM on GPUs of one kind, with all that any assumption may need to know.

    Attributes:
        gpu: the data sheet of the GPUs.
        logistic: board power by batch size.
        activity: board power by the busy share of a step.
        utilization: board power by the use of bandwidth and arithmetic.
        llm: the LLM.
        parallelism: how the GPUs share it.
        precision: widths of weights and KV cache.
        engine: how the paper's program runs it.
        active_parameters: parameters of one token as the paper prints them; 0 where it prints none.
        serving_engine: how a serving engine uses its memory, or None.
        profile: a hand-calibrated instance of it, or None.
        kernels: times of its kernels, or None.
    """

    gpu: Gpu
    logistic: LogisticPower
    activity: ActivityPower
    utilization: UtilizationPower
    llm: LlmRecord
    parallelism: Parallelism
    precision: Precision
    engine: Engine
    active_parameters: Parameters = 0.0
    serving_engine: ServingEngine | None = None
    profile: Profile | None = None
    kernels: StepTable | None = None

    @property
    def prefill_chunk(self) -> Tokens:
        """Prompt tokens that a step takes in."""
        return (self.profile or self.engine).prefill_chunk

    def equipped(
        self,
        logistic: LogisticPower,
        active_parameters: Parameters,
        profile: Profile | None,
        kernels: StepTable | None,
    ) -> "Deployment":
        """The same with what only some deployments have."""
        return replace(
            self,
            logistic=logistic,
            active_parameters=active_parameters,
            profile=profile,
            kernels=kernels,
        )
