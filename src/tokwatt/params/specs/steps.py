"""What a step takes beyond data sheets."""

from tokwatt.params.specs.record import spec
from tokwatt.units import (
    Dimensionless,
    Seconds,
    SecondsPerToken,
)


@spec
class StepParameters:
    """What a step takes beyond what data sheets say, as the calibration found it.

    Attributes:
        bandwidth_efficiency: share of memory bandwidth that reading dense weights reaches.
        expert_bandwidth_efficiency: the same of routed experts.
        compute_efficiency: share of peak arithmetic with 16 bits.
        compute_efficiency_8bit: the same with 8 bits.
        compute_efficiency_4bit: the same with 4 bits.
        expert_compute_efficiency: the same of routed experts with 16 bits.
        expert_compute_efficiency_8bit: the same with 8 bits.
        expert_compute_efficiency_4bit: the same with 4 bits.
        attention_efficiency: share of 16-bit peak arithmetic that attention of prompts reaches.
        kv_efficiency: share of memory bandwidth that reading the KV cache reaches.
        narrow_kv_factor: a factor on it for caches of 8 bits.
        narrow_weight_factor: a factor on the bandwidth of weights of 4 bits.
        link_efficiency: share of the bandwidth of links.
        layer_overhead: launch time per layer.
        expert_layer_overhead: extra per layer with experts.
        collective_overhead: extra per layer that several GPUs share.
        step_overhead: time per step.
        sequence_overhead: time per running request.
        prompt_layer_overhead: extra per layer of a step with prefill.
        prompt_expert_layer_overhead: extra per layer with experts of a step with prefill.
        quantized_layer_overhead: extra per layer whose activations are quantised on the way.
        latent_layer_overhead: extra per layer of latent attention.
        rescaled_layer_overhead: extra per layer of experts whose blocks are rescaled on the way.
        rescaled_factor: a factor on 8-bit arithmetic of such experts.
        independence: share of tokens that choose their experts independently.
        median_share: prompt tokens of the median step with prefill over those of the mean one.
        first_token_overhead: time of client and server before a first token.
        first_token_expert_layer_overhead: extra of it per layer with experts.
        first_token_latent_layer_overhead: extra of it per layer of latent attention.
        first_token_prompt_overhead: extra of it per prompt token.
    """

    bandwidth_efficiency: Dimensionless
    expert_bandwidth_efficiency: Dimensionless
    compute_efficiency: Dimensionless
    compute_efficiency_8bit: Dimensionless
    compute_efficiency_4bit: Dimensionless
    expert_compute_efficiency: Dimensionless
    expert_compute_efficiency_8bit: Dimensionless
    expert_compute_efficiency_4bit: Dimensionless
    attention_efficiency: Dimensionless
    kv_efficiency: Dimensionless
    narrow_kv_factor: Dimensionless
    narrow_weight_factor: Dimensionless
    link_efficiency: Dimensionless
    layer_overhead: Seconds
    expert_layer_overhead: Seconds
    collective_overhead: Seconds
    step_overhead: Seconds
    sequence_overhead: Seconds
    prompt_layer_overhead: Seconds
    prompt_expert_layer_overhead: Seconds
    quantized_layer_overhead: Seconds
    latent_layer_overhead: Seconds
    rescaled_layer_overhead: Seconds
    rescaled_factor: Dimensionless
    independence: Dimensionless
    median_share: Dimensionless
    first_token_overhead: Seconds
    first_token_expert_layer_overhead: Seconds
    first_token_latent_layer_overhead: Seconds
    first_token_prompt_overhead: SecondsPerToken
