"""Prefill and decode on instances of their own, between which the KV cache of a prompt moves."""

import math
from dataclasses import replace

from tokwatt.params.folder import Folder
from tokwatt.params.specs import Demand, spec
from tokwatt.serving.demand.traffic import Part
from tokwatt.serving.gpu.share import GpuShare, held_bytes
from tokwatt.serving.pools.pool import Pool
from tokwatt.units import BytesPerSecond, Seconds, Share, Tokens


@spec
class Disaggregation:
    """What lies between prefill and decode that are apart.

    Attributes:
        transfer: bytes per second at which the KV cache of a prompt leaves each GPU.
        decode_share: share of the target on the first token that decode may take.
    """

    transfer: BytesPerSecond
    decode_share: Share

    @classmethod
    def of(cls, folder: Folder) -> "Disaggregation":
        """The record of `params/views.yaml`."""
        return folder.section("views").child("disaggregated").spec(cls)


def transfer_time(prefill: GpuShare, prompt: Tokens, transfer: BytesPerSecond) -> Seconds:
    """Time in which each GPU of an instance that prefills sends its share of a prompt's cache.

    Args:
        prefill: the share of a GPU.
        prompt: prompt tokens.
        transfer: bytes per second of its link; transfers do not wait for each other.

    Source: definition; arXiv:2401.09670, Section 4.3.
    """
    return held_bytes(prefill, prompt) / transfer


def demand_of_part(
    demand: Demand, part: Part, between: Disaggregation, sending: Seconds = 0.0
) -> Demand:
    """What one part is asked for, so that both together keep the targets.

    Args:
        demand: what the whole is asked for.
        part: the part.
        between: what lies between the two.
        sending: time of the transfer, which counts as prefill's.

    Returns:
        The first token's target in two shares, what a prompt allows beside it in that of prefill;
        only decode has inter-token latencies.
    """
    share, target = between.decode_share, demand.latency_target
    if part == "decode":
        return replace(demand, latency_target=share * target, ttft_per_token=0.0)
    if part == "prefill":
        left = (1 - share) * target - sending
        return replace(demand, latency_target=left, itl_target=math.inf)
    return demand


def chained(
    prefill: Pool, decode: Pool, median_sending: Seconds, late_sending: Seconds
) -> tuple[Pool, Pool]:
    """Two parts of a pool with latencies as the requests have them that pass through both.

    Args:
        prefill: the part that prefills, on its own.
        decode: the part that decodes, on its own.
        median_sending: transfer of the median prompt.
        late_sending: transfer of the 99th percentile of prompts.

    Returns:
        The same pools. Prefill has no inter-token latency, as its token is computed anew where the
        request decodes: the first token of decode is the first that comes, after the percentile of
        prefill, of the transfer and of its own wait, a sum that is an upper bound.

    Source: as vLLM serves it; arXiv:2401.09670 for the parts.
    """
    silent = prefill._replace(
        median_latency=0.0 * prefill.median_latency, late_latency=0.0 * prefill.late_latency
    )
    return silent, decode._replace(
        median_first_token=prefill.median_first_token + median_sending + decode.median_first_token,
        late_first_token=prefill.late_first_token + late_sending + decode.late_first_token,
    )
