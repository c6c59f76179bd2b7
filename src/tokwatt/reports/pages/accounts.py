"""On which account, and whose watts, a dataset stands: the section `accounts` of `paper.yaml`."""

from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import msgspec

from tokwatt.params.folder import Folder
from tokwatt.params.records.section import Section
from tokwatt.reports.markdown import Markdown, joined

Kind = Literal["paper", "both", "consistent", "other", "measured", "catalogue"]
LABELS: dict[Kind, str] = {
    "paper": "The paper's account",
    "both": "The paper's account beside the consistent one",
    "consistent": "The consistent account",
    "other": "Another account",
    "measured": "Measured",
    "catalogue": "No account",
}
"""How a page names each kind, in the order in which it lists them."""


class AccountEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What numbers stand on.

    Attributes:
        account: its kind.
        meaning: which account it is, and whose watts it counts.
    """

    account: Kind
    meaning: str

    @property
    def label(self) -> str:
        """How a page names its kind."""
        return LABELS[self.account]


class Accounts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What each dataset stands on.

    Attributes:
        jobs: the account of every job, which holds for the grids that it computes.
        grids: the account of a grid that differs from the others of its job.
    """

    jobs: dict[str, AccountEntry]
    grids: dict[str, AccountEntry]


def accounts_of(paper: Section) -> dict[str, AccountEntry]:
    """What every grid of `paper.yaml` stands on, by its name.

    Raises:
        ParameterError: with one sentence, where a grid has no account or an account no grid.
    """
    section = paper.child("accounts")
    accounts = section.convert(Accounts)
    jobs = {name: str(grid.get("job")) for name, grid in paper.child("grids").raw.items()}
    for name in accounts.grids:
        section.child("grids").pick("", name, jobs)
    by_job = {
        name: section.child("jobs").pick("", job, accounts.jobs) for name, job in jobs.items()
    }
    return by_job | accounts.grids


def by_kind(accounts: Iterable[AccountEntry]) -> list[AccountEntry]:
    """One account of each kind, which says what all of that kind do."""
    meanings: dict[Kind, dict[str, None]] = {kind: {} for kind in LABELS}
    for account in accounts:
        meanings[account.account][account.meaning] = None
    return [AccountEntry(kind, "; ".join(texts)) for kind, texts in meanings.items() if texts]


def account_lines(accounts: Iterable[AccountEntry]) -> Markdown:
    """The lines of a page that say what its numbers stand on; the site colours them."""
    lines = (
        joined([Markdown(f"**{account.label}.** Account and basis:"), account.meaning], " ")
        for account in by_kind(accounts)
    )
    return Markdown("\n\n".join(f"{line}." for line in lines))


def lines_of(params: Path, datasets: Iterable[str]) -> Markdown:
    """The lines of a page on some datasets of a parameter folder."""
    accounts = accounts_of(Folder(params).section("paper"))
    return account_lines(accounts[name] for name in datasets)
