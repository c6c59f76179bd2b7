"""What an answer stands on, in words."""

from collections.abc import Mapping

from tokwatt.accounts.answers.answer import Basis
from tokwatt.accounts.answers.support import Support
from tokwatt.params.specs import Demand
from tokwatt.serving.account import Account

WATTS = {
    "gpu": "watts of one GPU",
    "instance": "watts of every GPU",
    "server": "watts of servers",
    "facility": "watts of the facility",
}
"""Whose watts a basis counts, in words."""


def basis_of(
    account: str,
    changes: Mapping[str, str] | None,
    chosen: Account,
    support: Support | None,
    precision: str,
) -> Basis:
    """The basis of an answer of a chosen account: names, runs and what they do not reach."""
    return Basis(
        account=named_account(account, changes),
        basis=WATTS[chosen.assumed.basis],
        engine=support.names.engine if support else "",
        precision=precision,
        calibrated_on=support.calibrated_on if support else "",
        extrapolated=support.extrapolated if support else (),
    )


def changes_in_words(changes: Mapping[str, str] | None, demand: Demand) -> dict[str, str]:
    """Changes as they are said: a stated share of output by its number."""
    share = {"output_share": f"{float(demand.output_share):g}"}
    given = dict(changes or {})
    return given | (share if given.get("output_share") == "fifth" else {})


def named_account(account: str, changes: Mapping[str, str] | None) -> str:
    """An account in words: its assumption set, and what was changed in it."""
    return account + "".join(f", {name} {value}" for name, value in (changes or {}).items())
