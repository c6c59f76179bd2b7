"""Corrections to the paper's account one by one in plain NumPy; it imports nothing of tokwatt.

Lengths are summed exactly, over every whole length of a distribution or over the rows of a trace;
instances, queues and the search are those of `paper_profiles` and `paper_program`. What a
correction means is said where it is made.
"""

from dataclasses import dataclass
from math import ceil, trunc

import numpy as np
from reference import paper_profiles as profiles
from reference import paper_program as program


@dataclass(frozen=True)
class Requests:
    """Kinds of request with their shares of all that arrive."""

    share: np.ndarray
    prompt: np.ndarray
    output: np.ndarray

    @property
    def length(self):
        return self.prompt + self.output

    def where(self, chosen):
        return Requests(self.share[chosen], self.prompt[chosen], self.output[chosen])

    def mean(self, values):
        return float(self.share @ values / self.share.sum())


def of_distribution(knots, prompt_share=0.8, mass=1.0):
    """Every whole length of a bin is equally likely; prompts are cut to whole tokens."""
    lengths, shares, below, within = [], [], 0, 0.0
    for knot, fraction in knots:
        inside = np.arange(below + 1, int(knot) + 1)
        lengths.append(inside)
        shares.append(np.full(len(inside), mass * (fraction - within) / len(inside)))
        below, within = int(knot), fraction
    length = np.concatenate(lengths).astype(float)
    prompt = np.maximum(1, np.floor(prompt_share * length))
    return Requests(np.concatenate(shares), prompt, np.maximum(1, length - prompt))


def of_trace(prompt, output):
    """Every row counts the same."""
    return Requests(np.full(len(prompt), 1 / len(prompt)), prompt, output)


@dataclass(frozen=True)
class Pool:
    instances: int
    power: float
    credited: float
    generated: float


def size_pool(arriving, served, profile, window, demand):
    """A pool, credited with the output of what arrives; it generates that of what is served."""
    slots = profile.slots(window)
    steps = np.ceil(served.prompt / profile.chunk) + served.output
    times = steps * profile.latency(slots, served.length)
    mean, square = served.mean(times), served.mean(times**2)
    rate, scv = slots / mean, max(0.01, square / mean**2 - 1)
    arrivals = demand.arrivals * served.share.sum()
    count = program.instances_required(arrivals, rate, demand.target, scv, demand.most, slots)
    batch = max(1, trunc(arrivals / (count * rate) * slots))
    return Pool(
        instances=count,
        power=count * profile.power(batch),
        credited=demand.arrivals * float(arriving.share @ arriving.output),
        generated=demand.arrivals * float(served.share @ served.output),
    )


def one_pool(requests, profile, window, demand):
    """What no window holds is left out."""
    fitting = requests.where(requests.length <= window)
    return [size_pool(fitting, fitting, profile, window, demand)]


def two_pools(short, long, profile, windows, demand):
    """Pairs of requests as they arrive and as they are served, the short pool first."""
    return [
        size_pool(*pair, profile, window, demand)
        for pair, window in zip((short, long), windows, strict=True)
    ]


def tokens_per_joule(pools):
    return sum(pool.credited for pool in pools) / sum(pool.power for pool in pools)


def overflowing(requests, split, cut, how, prompt_share=None):
    """The short pool's requests as they arrive and as they are served, and the window they need.

    `credit`: a full short window, credited with what was asked for (the paper); `clip`: the same,
    credited with what it generates; `compress`: the prompt is shortened until the output fits;
    `widen`: the window holds them; `none`: they go to the long pool.
    """
    arriving = requests.where(requests.length <= (split if how == "none" else cut))
    if how in ("none", "widen"):
        return (arriving, arriving), cut if how == "widen" else split
    long = arriving.length > split
    if how == "compress":
        prompt, output = np.maximum(1, split - arriving.output), arriving.output
    else:
        share = prompt_share or arriving.prompt / arriving.length
        prompt = np.maximum(1, np.floor(share * split))
        output = np.maximum(1, split - prompt)
    prompt = np.where(long, prompt, arriving.prompt)
    served = Requests(arriving.share, prompt, np.where(long, output, arriving.output))
    return (arriving if how == "credit" else served, served), split


def long_from_one(knots, cut):
    """The long pool of the paper: its first bin begins at one token."""
    _, long = program.split(knots, cut)
    return of_distribution(long, mass=1 - program.fraction_within(knots, cut))


# --- instances with the KV cache shared out over the GPUs


def sharded(gpu, llm, window=8192, gpus=8, width=2.0):
    """A computed instance of the paper on which each GPU keeps the cache of its own heads."""
    profile = profiles.Computed(profiles.BOARDS[gpu], profiles.MODELS[llm], gpus, width)
    model = profile.model
    held = 2.0 * model.layers * ceil(model.kv_heads / gpus) * model.head * width
    batch = profile.budget // (held * window)
    step = profile.weight_time + profile.scan_time * (window / 2) / profile.mean * batch
    return {
        "concurrency": batch,
        "tokens_per_joule": batch / step / profile.power(batch, window / 2),
    }


def published_budget(gpu, parameters, gpus=8, width=2.0):
    """Bytes of one GPU left for the KV cache; negative if the parameters do not fit."""
    usable = trunc(profiles.BOARDS[gpu].capacity * 0.9)
    return usable - parameters * width / gpus - profiles.WORKSPACE[gpus]


def deepseek_v3_parameters():
    """DeepSeek-V3 as published (arXiv:2412.19437), both embedding tables counted."""
    hidden, heads = 7168, 128
    queries = hidden * 1536 + 1536 * heads * (128 + 64)
    latent = hidden * (512 + 64) + 512 * heads * (128 + 128)
    attention = queries + latent + heads * 128 * hidden
    dense = 3 * hidden * 18432
    mixture = (256 + 1) * 3 * hidden * 2048 + hidden * 256
    return 2 * 129280 * hidden + 61 * attention + 3 * dense + 58 * mixture


def published(gpu, llm, window=8192, gpus=8, width=2.0):
    """An instance of an LLM as published; a step reads the experts that its batch touches.

    Tokens choose their experts independently. The output head counts, the input table does not; a
    GPU keeps at least one head of the cache.
    """
    board = profiles.BOARDS[gpu]
    layers, heads, kv_heads, hidden, head, ffn, vocabulary, experts, active = PUBLISHED[llm]
    attention = 2 * hidden * head * (heads + kv_heads)
    always = vocabulary * hidden + layers * (attention + hidden * experts)
    expert = layers * 3 * hidden * ffn
    routed, streamed = (experts * expert, always) if experts else (0, always + expert)
    budget = published_budget(gpu, streamed + routed, gpus, width)
    per_token = 2.0 * layers * ceil(kv_heads / gpus) * head * width
    batch = budget // (per_token * window)
    rate = 0.8 * board.bandwidth
    touched = 1 - (1 - active / experts) ** batch if experts else 0
    weights = (streamed + routed * touched) * width / gpus / rate + 3e-6 * layers
    scan = batch * per_token * window / 2 / rate
    computing = 2 * (streamed + active * expert * bool(experts)) / gpus * batch / board.fp16
    busy = min(1.0, (scan + computing) / (weights + scan))
    power = (0.43 + (0.86 - 0.43) * busy) * board.tdp
    return {"concurrency": batch, "tokens_per_joule": batch / (weights + scan) / power}


# layers, query heads, KV heads, hidden, head width, block width, vocabulary, experts, active ones
PUBLISHED = {
    "llama-3.1-70b": (80, 64, 8, 8192, 128, 28672, 128256, 0, 0),
    "qwen3-235b-a22b": (94, 64, 4, 4096, 128, 1536, 151936, 128, 8),
}
