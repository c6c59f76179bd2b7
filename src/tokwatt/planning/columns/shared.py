"""Columns of one fleet for several traces: as many instances as the trace that needs most."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from tokwatt.planning.columns.columns import Columns
from tokwatt.planning.columns.pairs import APART, BOTH, useful_pairs


def shared_columns(each: Sequence[Columns]) -> list[Columns]:
    r"""What pools take under each trace that have instances enough for all of them.

    .. math:: n_{kc} = \max_t n_{tkc}

    Args:
        each: columns of each trace, of the same configurations between the same lengths.

    Returns:
        Columns of each trace with the instances that the neediest has, its watts from the same
        sizing; infinite in all where one trace misses a target.
    """
    most = {
        part: np.max([own.parts[part].instances for own in each], axis=0) for part in each[0].parts
    }
    kept = [{part: replace(it, kept=most[part]) for part, it in own.parts.items()} for own in each]
    rows = tuple(row for row in each[0].rows if row.parts == BOTH)
    if each[0].between is not None:
        rows += tuple(useful_pairs(*([parts[part] for parts in kept] for part in APART)))
    return [replace(own, parts=parts, rows=rows) for own, parts in zip(each, kept, strict=True)]
