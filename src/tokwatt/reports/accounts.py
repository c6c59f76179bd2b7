"""On which account, and whose watts, a dataset stands: the section `accounts` of `paper.yaml`."""

from collections.abc import Iterable
from pathlib import Path

import msgspec

from tokwatt.params.folder import Folder
from tokwatt.params.section import Section
from tokwatt.reports.markdown import Markdown, joined


class Accounts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What each dataset stands on.

    Attributes:
        jobs: a sentence for every job, which holds for the grids that it computes.
        grids: a sentence for a grid that differs from the others of its job.
    """

    jobs: dict[str, str]
    grids: dict[str, str]


def accounts_of(paper: Section) -> dict[str, str]:
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


def account_line(params: Path, datasets: Iterable[str]) -> Markdown:
    """The line of a page that says what the datasets behind its numbers stand on."""
    sentences = accounts_of(Folder(params).section("paper"))
    stands_on = dict.fromkeys(sentences[name] for name in datasets)
    return Markdown(f"Account and basis: {joined(stands_on, '; ')}.")
