"""Sizes of the pools of a fleet, of both parts where prefill and decode are apart."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

from tokwatt.accounts.answers.pools import LaidOut
from tokwatt.accounts.parts import PoolPart
from tokwatt.params.errors import ParameterError
from tokwatt.params.specs import Demand
from tokwatt.serving.account import Account
from tokwatt.serving.demand.traffic import Part, Traffic
from tokwatt.serving.instance import Instance
from tokwatt.serving.pools.disaggregated import (
    Disaggregation,
    chained,
    demand_of_part,
    transfer_time,
)
from tokwatt.serving.pools.fleet import compiled_instance, sized_pool
from tokwatt.serving.pools.pool import Pool
from tokwatt.serving.pools.targets import least_latencies, prompt_within
from tokwatt.serving.results import plain_numbers
from tokwatt.units import Dimensionless, Instances, Seconds, Tokens


class SizedPart(NamedTuple):
    """Instances of one kind, and how many there are.

    Attributes:
        own: which pool they are of, what they do and what they are.
        laid: requests as they are shared out over pools of them.
        sized: what they serve, and how.
    """

    own: PoolPart
    laid: LaidOut
    sized: Pool

    @property
    def traffic(self) -> Traffic:
        """What they are asked for."""
        return self.laid.routed.pools[self.own.pool]

    @property
    def window(self) -> Tokens:
        """Longest request."""
        return float(self.laid.routed.windows[self.own.pool])

    @property
    def name(self) -> str:
        """What they do, and for which requests."""
        does = "requests" if self.own.part == "both" else self.own.part
        return f"of {does} up to {self.window:.0f}"

    @property
    def gpus(self) -> Dimensionless:
        """GPUs of an instance."""
        return float(self.laid.gpus)


def size_parts(
    account: Account,
    parts: Sequence[PoolPart],
    share_out: Callable[[PoolPart], LaidOut],
    demand: Demand,
    between: Disaggregation,
    least: Sequence[Instances],
) -> list[SizedPart]:
    """The smallest pools that keep the targets.

    Args:
        account: how tokens and joules are counted.
        parts: instances by kind, prefill before decode.
        share_out: requests as pools of such instances share them.
        demand: what they must carry.
        between: what lies between prefill and decode.
        least: instances of each that there are in any case.

    Raises:
        ParameterError: where one does not exist, with the target that it misses and by how much.
    """
    found: list[SizedPart] = []
    for own, fewest in zip(parts, least, strict=True):
        laid = share_out(own)
        instance = compiled_instance(account, laid.case.deployment)
        traffic, window = laid.routed.pools[own.pool], laid.routed.windows[own.pool]
        prompt = prompt_within(traffic, demand)
        sending = _sending(instance, prompt, between) if own.part == "prefill" else 0.0
        asked = demand_of_part(demand, own.part, between, sending)
        asked = replace(asked, least_instances=max(fewest, float(demand.least_instances)))
        pool = plain_numbers(sized_pool(account, instance, traffic, window, asked))
        _require_served(account, instance, pool, traffic, window, asked, own.part)
        part = SizedPart(own, laid, pool)
        if own.part == "decode":
            found[-1], part = _chained(account, found[-1], part, between)
        found.append(part)
    return found


def _sending(instance: Instance, prompt: Tokens, between: Disaggregation) -> Seconds:
    """Time in which the cache of a prompt leaves an instance that prefills."""
    return float(transfer_time(instance, prompt, between.transfer))


def _chained(
    account: Account, prefill: SizedPart, decode: SizedPart, between: Disaggregation
) -> tuple[SizedPart, SizedPart]:
    """Both parts of a pool, with latencies as the requests have them that pass through both."""
    instance = compiled_instance(account, prefill.laid.case.deployment)
    prompts = prefill.traffic.median_prompt, prefill.traffic.long_prompt
    median, late = (_sending(instance, prompt, between) for prompt in prompts)
    first, second = map(plain_numbers, chained(prefill.sized, decode.sized, median, late))
    return prefill._replace(sized=first), decode._replace(sized=second)


def _require_served(
    account: Account,
    instance: Instance,
    pool: Pool,
    traffic: Traffic,
    window: Tokens,
    demand: Demand,
    part: Part,
) -> None:
    """Refuse a pool that does not exist, with the target that it misses and by how much."""
    if math.isfinite(pool.power) and not math.isnan(pool.batch):
        return
    if math.isnan(pool.concurrency):
        wanted = "more GPUs an instance, more memory or a narrower precision"
        raise ParameterError(f"llm: does not fit on an instance, wanted {wanted}.")
    if account.assumed.target != "both":
        found = f"is {demand.latency_target:g} s, but beside {pool.concurrency:.4g} requests of the"
        whole = f"pool of {window:.0f} tokens, all that it holds,"
        late = f"{whole} a prompt takes {pool.prompt_time:.4g} s"
        raise ParameterError(f"ttft: {found} {late}, wanted a longer target or target=both.")
    itl, ttft = least_latencies(account, instance, traffic, demand)
    targets = {"itl": (itl, demand.itl_target), "ttft": (ttft, demand.latency_target)}
    missed = [name for name, (least, target) in targets.items() if least > target]
    name = missed[0] if missed else "ttft"
    least, target = targets[name]
    share = "" if part == "both" else f" for {part} apart"
    beyond = " beyond its own" if name == "ttft" and demand.ttft_per_token else ""
    raise ParameterError(
        f"{name}: is {target:g} s{share}, but one request alone in the pool of {window:.0f} tokens"
        f" takes {least:.4g} s{beyond}, wanted a longer target, more GPUs an instance or a faster"
        " GPU."
    )
