"""What datasets call each account of a measured run: studies write it, reports read it."""

from enum import StrEnum


class AccountName(StrEnum):
    """An account of a run.

    Attributes:
        MEASURED: what was measured.
        PAPER: the paper's calculation.
        CONSISTENT: the assumption set `consistent`.
        KERNELS: steps composed from kernel tables.
        IN_SAMPLE: the calibrated step, fitted to every run.
        HELD_OUT: the calibrated step, fitted without the LLM of the run.
    """

    MEASURED = "measured"
    PAPER = "paper"
    CONSISTENT = "consistent"
    KERNELS = "kernels"
    IN_SAMPLE = "in_sample"
    HELD_OUT = "held_out"


PREDICTIONS = tuple(name for name in AccountName if name is not AccountName.MEASURED)
