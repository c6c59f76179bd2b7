"""What the engine of an instance holds."""

from tokwatt.serving.account import Account
from tokwatt.serving.demand.requests import Requests
from tokwatt.serving.gpu.share import held_bytes
from tokwatt.serving.instance import Instance, concurrency
from tokwatt.simulation.requests import Limits
from tokwatt.units import Tokens

MOST_SEQUENCES = 4096
"""Most running requests of an engine that is simulated."""


def limits_of(account: Account, instance: Instance, window: Tokens, requests: Requests) -> Limits:
    """What the engine of an instance holds.

    Args:
        account: whether windows are reserved or the cache is paged.
        instance: the instance.
        window: longest request.
        requests: what it serves, whose mean length matters where layers keep a window or a state;
            weights need not sum to 1.

    Returns:
        Its limits, of all ranks of attention together. Reserved windows limit the batch, and blocks
        are no matter then.
    """
    assumed, ranks = account.assumed, float(instance.data_parallel)
    size, weight = int(instance.block_size), requests.weight
    length = float(weight @ (requests.prompt + requests.output / 2) / weight.sum())
    most = min(MOST_SEQUENCES, ranks * float(instance.max_sequences))
    blocks = float(instance.kv_budget) / (float(held_bytes(instance, length)) / length) / size
    if assumed.kv_allocation == "reserved":
        most = min(most, float(concurrency(assumed, instance, window, length)))
        blocks = most * -(-window // size)
    chunk = int(instance.costs.chunk)
    return Limits(int(most), max(chunk, int(most)), int(max(0.0, blocks * ranks)), size)
