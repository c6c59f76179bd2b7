"""Seeded fuzz: how many cases of each kind are tried, and what must hold of every one."""

import os
import resource
import time

import pytest

from tokwatt.params.errors import StoreError

SHARES = {
    "parameters": 60,
    "traces": 60,
    "configurations": 60,
    "runs": 50,
    "arguments": 80,
    "finished stores": 30,
    "unfinished stores": 30,
    "disks": 10,
    "outputs": 20,
}
"""Cases of each kind in the suite, 400 in all."""
TOTAL = int(os.environ.get("TOKWATT_FUZZ", "400"))
"""`TOKWATT_FUZZ=10000 pytest -m fuzz` tries as many in the same shares."""
SLOWEST = 30.0
"""Seconds of a processor that a case may take, however busy the machine is."""
LARGEST = 4 * 2**20
"""Kibibytes that the process may hold more than before."""


def seeds(kind):
    """One seed for each case of a kind."""
    return range(SHARES[kind] * TOTAL // sum(SHARES.values()))


def refusal(seed, case):
    """The printable sentence that refuses a case, or None; no case is slow, large or another error.

    Args:
        seed: of the case, which a failure names.
        case: a function without arguments.
    """
    begin, held = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    sentence = None
    try:
        case()
    except (ValueError, StoreError) as error:
        sentence = str(error)
        assert sentence.isprintable() and sentence.endswith("."), (seed, sentence)
        assert len(sentence) < 1500, (seed, sentence)
    except Exception as error:
        pytest.fail(f"seed {seed}: {error!r:.300}")
    assert time.process_time() - begin < SLOWEST, seed
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < held + LARGEST, seed
    return sentence
