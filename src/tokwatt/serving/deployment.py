"""What is deployed: an LLM on GPUs of one kind, with all that any assumption may need to know."""

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
    StepParameters,
    UtilizationPower,
    spec,
)
from tokwatt.serving.gpu.limits import step_limits
from tokwatt.serving.steps.kernels import KernelSteps
from tokwatt.units import Parameters, Tokens


@spec
class Layout:
    """An LLM laid out on GPUs of one kind.

    Attributes:
        gpu: the data sheet of the GPUs.
        llm: the LLM.
        parallelism: how the GPUs share it.
        precision: widths of weights and KV cache.
        engine: how the paper's program runs it.
        serving_engine: how a serving engine runs it.
    """

    gpu: Gpu
    llm: LlmRecord
    parallelism: Parallelism
    precision: Precision
    engine: Engine
    serving_engine: ServingEngine


@spec
class Deployment(Layout):
    """A layout with all that any assumption may need to know of its boards.

    Attributes:
        logistic: board power by batch size.
        activity: board power by the busy share of a step.
        utilization: board power by the use of bandwidth and arithmetic, as calibrated.
        fitted: what a step takes beyond what the data sheet says, as calibrated.
        active_parameters: parameters of one token as the paper prints them; 0 where it prints none.
        profile: a hand-calibrated instance of it, or None.
        kernels: times of its kernels, or None.
    """

    logistic: LogisticPower
    activity: ActivityPower
    utilization: UtilizationPower
    fitted: StepParameters
    active_parameters: Parameters = 0.0
    profile: Profile | None = None
    kernels: KernelSteps | None = None

    def prefill_chunk(self, chunked: bool) -> Tokens:
        """Prompt tokens that a step takes in: the engine's, or those of the paper's program."""
        if chunked:
            return step_limits(self.serving_engine, self.gpu).tokens
        return (self.profile or self.engine).prefill_chunk
