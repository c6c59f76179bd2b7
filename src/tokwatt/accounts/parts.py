"""Pools by the names of their instances: one deployment, or one that prefills for another."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from tokwatt.accounts.deployments import DeploymentNames, require, require_limited
from tokwatt.params.errors import ParameterError, require_kind, shown
from tokwatt.serving.account import Account
from tokwatt.serving.catalogue import Catalogue
from tokwatt.serving.demand.traffic import Part
from tokwatt.units import Instances, Tokens


@dataclass(frozen=True, kw_only=True)
class Disaggregated:
    """Instances of a pool whose prefill and decode are apart.

    Attributes:
        prefill: instances that take in prompts.
        decode: instances that are given their KV cache, of equal width.
    """

    prefill: DeploymentNames
    decode: DeploymentNames


PoolNames = DeploymentNames | Disaggregated
"""What the instances of a pool are."""


class PoolPart(NamedTuple):
    """Instances of one kind.

    Attributes:
        pool: place of their pool, by rising window.
        part: what they do for a request.
        names: their deployment.
    """

    pool: int
    part: Part
    names: DeploymentNames


def each_pool(
    names: PoolNames | Sequence[PoolNames] | None, split_lengths: Sequence[Tokens]
) -> Sequence[PoolNames]:
    """What the instances of each pool are: eight H100 with Llama-3.1-70B where nobody says it.

    Raises:
        ParameterError: where there are not as many as pools between the lengths that split them.
    """
    require_list("split_lengths", split_lengths)
    pools = len(split_lengths) + 1
    if names is None or isinstance(names, PoolNames):
        return [names or DeploymentNames()] * pools
    require_list("names", names)
    if len(names) != pools:
        wanted = f"one for each of {pools} pools"
        raise ParameterError(f"names: has {len(names)} deployments, wanted {wanted}.")
    for own in names:
        require_kind("names", own, PoolNames, "tokwatt.DeploymentNames(llm=..., gpu=...) of each")
    return names


def require_list(name: str, values: object) -> None:
    """Refuse what is no list, of which a text is none."""
    if isinstance(values, str) or not isinstance(values, Sequence | np.ndarray):
        raise ParameterError(f"{name}: is {shown(values)}, wanted a list of them.")


def parts_of(each: Sequence[PoolNames]) -> list[PoolPart]:
    """Instances by kind: those of a pool, or those that prefill and then those that decode."""
    found = []
    for pool, names in enumerate(each):
        if isinstance(names, Disaggregated):
            found.append(PoolPart(pool, "prefill", names.prefill))
            found.append(PoolPart(pool, "decode", names.decode))
        else:
            found.append(PoolPart(pool, "both", names))
    return found


def pools_of(parts: Sequence[PoolPart]) -> list[PoolNames]:
    """What the instances of each pool are, of parts in their order."""
    found: list[PoolNames] = []
    for place, it in enumerate(parts):
        if it.part == "both":
            found.append(it.names)
        elif it.part == "decode":
            found.append(Disaggregated(prefill=parts[place - 1].names, decode=it.names))
    return found


def require_chunked(account: Account, apart: bool) -> None:
    """Refuse accounts that know no prefill apart, where it is asked for."""
    if apart and account.assumed.prefill != "chunked":
        found = f"has prefill={account.assumed.prefill} where prefill and decode are apart"
        raise ParameterError(f"account: {found}, wanted prefill=chunked, as in consistent.")


def require_instances(
    name: str, instances: Sequence[Instances], parts: Sequence[PoolPart], most: Instances
) -> None:
    """Refuse numbers of instances that are not one for each part."""
    require_list(name, instances)
    if len(instances) != len(parts):
        wanted = f"{len(parts)}, one for each pool"
        raise ParameterError(f"{name}: has {len(instances)} numbers, wanted {wanted}.")
    for number in instances:
        require(name, number, 0, most)


def require_parts(catalogue: Catalogue, account: Account, parts: Sequence[PoolPart]) -> None:
    """Refuse parts that cannot serve the same request, or that an account does not know."""
    require_limited(account, [it.names for it in parts])
    apart = [it.names for it in parts if it.part != "both"]
    require_chunked(account, bool(apart))
    for prefill, decode in zip(apart[::2], apart[1::2], strict=True):
        for name in ("llm", "engine"):
            own, other = getattr(prefill, name), getattr(decode, name)
            if own != other:
                wanted = f"{own}, as where prompts are prefilled"
                raise ParameterError(f"{name}: is {other} where requests decode, wanted {wanted}.")
        widths = [float(own.deployment(catalogue).precision.kv) for own in (prefill, decode)]
        if widths[0] != widths[1]:
            found = f"is {widths[1]:g} B a number where requests decode"
            raise ParameterError(f"kv_precision: {found}, wanted {widths[0]:g} B, as in prefill.")
