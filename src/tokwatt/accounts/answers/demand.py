"""What a fleet must carry: the demand of the parameter folder with other numbers."""

from dataclasses import fields, replace
from math import inf

from tokwatt.accounts.assumptions import AssumptionSets
from tokwatt.accounts.deployments import require
from tokwatt.params.errors import ParameterError, one_of, require_kind
from tokwatt.params.specs import Demand
from tokwatt.serving.account import Account
from tokwatt.serving.catalogue import Catalogue
from tokwatt.units import Dimensionless, Seconds


def demanded(catalogue: Catalogue, **numbers: Dimensionless | None) -> Demand:
    """The demand of `params/assumptions.yaml` with other numbers; None leaves one as it is.

    An output share is that of all requests under the choice `output_share=fifth`; without it they
    keep the measured one.
    """
    known = [field.name for field in fields(Demand)]
    for name in numbers:
        if name not in known:
            raise ParameterError(f"{name}: is no number of a demand, wanted {one_of(name, known)}.")
    given = {name: number for name, number in numbers.items() if number is not None}
    return replace(AssumptionSets(catalogue).demand, **given)


def require_demand(demand: Demand) -> None:
    """Refuse what is no demand, and numbers outside their domain."""
    require_kind("demand", demand, Demand, "a demand, as tokwatt.demanded makes it")
    require("arrival_rate", demand.arrival_rate, 1e-9, 1e12, "req/s")
    require("latency_target", demand.latency_target, 1e-9, 1e9, "s")
    require("ttft_per_token", demand.ttft_per_token, 0, 1e6)
    require("itl_target", demand.itl_target, 1e-9, inf, "s")
    require("max_utilization", demand.max_utilization, 1e-6, 1)
    require("output_share", demand.output_share, 0, 1)
    require("spare_instances", demand.spare_instances, 0, 1e6)
    for name in ("ttft_quantile", "itl_quantile"):
        quantile = getattr(demand, name)
        if require(name, quantile, 0, 1) not in (0.5, 0.99):
            raise ParameterError(f"{name}: is {quantile:g}, wanted 0.5 or 0.99.")


def require_targets(catalogue: Catalogue, account: Account, demand: Demand) -> None:
    """Refuse a target that an account does not know, or would leave out where it is tight."""
    target = account.assumed.target
    if demand.ttft_per_token and target == "wait":
        found = f"is {1000 * float(demand.ttft_per_token):g} s for 1,000 tokens beside target=wait"
        raise ParameterError(f"ttft_per_token: {found}, wanted target=both, as in consistent.")
    own, usual = float(demand.itl_target), float(AssumptionSets(catalogue).demand.itl_target)
    if target != "both" and own < usual:
        found = f"is {own:g} s beside target={target}, which asks nothing of it"
        raise ParameterError(f"itl_target: {found}, wanted target=both, as in consistent.")


def require_share(catalogue: Catalogue, account: Account, demand: Demand) -> None:
    """Refuse an output share that is asked for where requests keep the one that was measured."""
    own, usual = float(demand.output_share), float(AssumptionSets(catalogue).demand.output_share)
    if account.assumed.output_share == "trace" and own != usual:
        found = f"is {own:g} beside output_share=trace, the measured one"
        raise ParameterError(f"output_share: {found}, wanted the choice output_share=fifth.")


def targets_in_words(account: Account, demand: Demand) -> str:
    """The targets of a demand that an account compares with something, in words."""
    target, more = account.assumed.target, 1000 * float(demand.ttft_per_token)
    first = "wait" if target == "wait" else "time to first token"
    longer = f" and {more:.4g} s for each 1,000 prompt tokens" * (more > 0)
    said = [_within(first, demand.latency_target, demand.ttft_quantile) + longer]
    if target == "both" and float(demand.itl_target) < inf:
        said.append(_within("inter-token latency", demand.itl_target, demand.itl_quantile))
    return ", ".join(said)


def _within(name: str, target: Seconds, quantile: Dimensionless) -> str:
    share = "median" if float(quantile) <= 0.5 else f"p{100 * float(quantile):g}"
    return f"{name} ({share}) within {float(target):.4g} s"
