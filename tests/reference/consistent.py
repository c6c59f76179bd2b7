"""The operating point of the consistent account in plain NumPy; it imports nothing of tokwatt.

Parameters are read from the YAML records themselves. Each piece of the account is a small function
of its own: what an LLM weighs by class of parameter, what an engine leaves for the KV cache, one
forward pass, the mixture of passes under chunked prefill, and power up to the limit of a board.
"""

from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import yaml

UNITS = {
    "1": 1.0,
    "tok": 1.0,
    "seq": 1.0,
    "param": 1.0,
    "B": 1.0,
    "B/param": 1.0,
    "MiB": 2.0**20,
    "GiB": 2.0**30,
    "GB": 1e9,
    "TB/s": 1e12,
    "GB/s": 1e9,
    "TFLOP/s": 1e12,
    "W": 1.0,
    "ms": 1e-3,
    "us": 1e-6,
    "USD/h": 1 / 3600,
}
ACTIVATION, STATE, COLLECTIVES = 2.0, 4.0, 2.0


def number(record):
    """The SI number of a record."""
    value = np.asarray(record["value"], float) * UNITS[record["unit"]]
    return float(value) if value.ndim == 0 else value


def numbers(entry, **defaults):
    """The records of an entry by name."""
    records = {key: number(value) for key, value in entry.items() if isinstance(value, dict)}
    return SimpleNamespace(**defaults | records)


def sheet(folder, name):
    return yaml.safe_load((Path(folder) / f"{name}.yaml").read_text(encoding="utf-8"))


OPTIONAL = """
    feed_forward feed_forward_layers expert_feed_forward experts active_experts shared_feed_forward
    dense_layers tied_embeddings attention_gate kv_latent rope_dim query_latent nope_dim value_dim
    sliding_layers sliding_window linear_layers linear_state linear_parameters state_width
"""


@dataclass
class Machine:
    """GPUs that share an LLM, with all records that the account needs."""

    llm: SimpleNamespace
    gpu: SimpleNamespace
    precision: SimpleNamespace
    engine: SimpleNamespace
    step: SimpleNamespace
    power: SimpleNamespace
    ranks: float
    expert_ranks: float


def machine(folder, llm, gpu, precision, ranks, expert_ranks=1.0, engine="vllm"):
    """Records by name; a GPU without runs has the step and the shares of TDP of another."""
    serving, fit = sheet(folder, "serving"), sheet(folder, "calibrated")["value"]
    calibration = sheet(folder, "calibration")
    like = calibration["unmeasured"].get(gpu, {"like": gpu})["like"]
    board = numbers(sheet(folder, "gpus")[gpu], fp8_rate=0.0)
    step = numbers({**calibration["fixed"], **fit["step"]})
    step.layer_overhead = number(fit["layer_overhead"][like])
    terms = vars(numbers(fit["boards"][like], expert_layers=0.0, shared=0.0, requantized=0.0))
    cap = number(calibration["fit"]["power_cap"])
    power = SimpleNamespace(**{name: share * board.tdp for name, share in terms.items()})
    power.limit = cap * board.tdp
    widths = numbers(
        serving["precisions"][precision], mixture_attention=0.0, mixture_feed_forward=0.0
    )
    used = numbers(
        serving["engines"][engine],
        small_memory=0.0,
        small_max_num_seqs=0.0,
        logit_width=0.0,
        token_width=0.0,
        expert_width=0.0,
    )
    published = sheet(folder, "llms")[llm]["published"]
    absent = dict.fromkeys(OPTIONAL.split(), 0.0)
    architecture = numbers(published, feed_forward_matrices=3.0, routers=1.0, **absent)
    return Machine(architecture, board, widths, used, step, power, ranks, expert_ranks)


# --- what an LLM weighs, a token costs, a sequence keeps


def layers_of(llm):
    """Attention layers, feed-forward blocks, and those of them that have experts."""
    attention = llm.layers - llm.linear_layers - llm.feed_forward_layers
    blocks = llm.feed_forward_layers or llm.layers
    return attention, blocks, blocks - llm.dense_layers if llm.experts else 0.0


def attention_parameters(llm):
    """Parameters of one attention layer, and those of its latents, which are not shared out."""
    d, heads = llm.hidden, llm.query_heads
    if not llm.kv_latent:
        width = llm.head_dim * (heads * (2 + llm.attention_gate) + 2 * llm.kv_heads)
        return d * width, 0.0
    down = d * (llm.query_latent + llm.kv_latent + llm.rope_dim)
    queries = (llm.query_latent or d) * heads * (llm.nope_dim + llm.rope_dim)
    keys_and_values = llm.kv_latent * heads * (llm.nope_dim + llm.value_dim)
    return down + queries + keys_and_values + heads * llm.value_dim * d, down


def parameters(llm):
    """Parameters by class; of the experts, one in each layer that has any."""
    attention_layers, blocks, mixed = layers_of(llm)
    one, latents = attention_parameters(llm)
    matrix = llm.feed_forward_matrices * llm.hidden
    shared = mixed * matrix * llm.shared_feed_forward
    return SimpleNamespace(
        table=llm.vocabulary * llm.hidden,
        mixers=attention_layers * one + llm.linear_layers * llm.linear_parameters,
        latents=attention_layers * latents,
        blocks=(blocks - mixed) * matrix * llm.feed_forward + shared,
        routers=llm.routers * mixed * llm.hidden * llm.experts,
        expert=mixed * matrix * llm.expert_feed_forward,
    )


def weights(m):
    """Bytes on one GPU: what every step reads, all routed experts, an input table of its own."""
    count, width, mixture = parameters(m.llm), m.precision, m.llm.experts > 0
    attention = (mixture and width.mixture_attention) or width.attention
    feed_forward = (mixture and width.mixture_feed_forward) or width.feed_forward
    shared = (
        count.table * width.embedding
        + (count.mixers - count.latents) * attention
        + count.blocks * feed_forward
    )
    whole = count.latents * attention + count.routers * width.router
    routed = m.llm.experts * count.expert * width.experts / m.ranks
    untied = (1 - m.llm.tied_embeddings) * count.table * width.embedding / m.ranks
    return shared / m.ranks + whole, routed, untied


def token_flops(m):
    """Two operations for each parameter that a token multiplies, on one GPU."""
    count = parameters(m.llm)
    always = count.table + count.mixers + count.blocks + count.routers
    return 2 * (always + m.llm.active_experts * count.expert) / m.ranks


def sequence_bytes(m, length):
    """KV cache and recurrent state of a sequence on one GPU: held, and moved by a step."""
    llm = m.llm
    full = layers_of(llm)[0] - llm.sliding_layers
    head = 2 * np.ceil(llm.kv_heads / m.ranks) * llm.head_dim * m.precision.kv
    latent = (llm.kv_latent + llm.rope_dim) * m.precision.kv
    per_token = full * (latent if llm.kv_latent else head)
    cache = per_token * length + llm.sliding_layers * head * min(length, llm.sliding_window)
    state = llm.linear_layers * llm.linear_state * (llm.state_width or STATE) / m.ranks
    return cache + state, cache + 2 * state


# --- what an engine leaves for the KV cache


def limits(m):
    """Most tokens and most requests of a step."""
    engine, gpu = m.engine, m.gpu
    small = gpu.usable_memory < engine.small_memory or gpu.fp8_rate <= 0
    if small and engine.small_max_num_seqs > 0:
        return engine.small_max_num_batched_tokens, engine.small_max_num_seqs
    return engine.max_num_batched_tokens, engine.max_num_seqs


def pool(m):
    """Bytes of the KV cache pool of one GPU."""
    engine, llm = m.engine, m.llm
    tokens, sequences = limits(m)
    width = llm.expert_feed_forward / m.ranks
    columns = llm.active_experts * (max(2 * width, llm.hidden) + width)
    beside = (
        engine.context
        + np.interp(m.ranks, engine.workspace_gpus, engine.workspace)
        + sequences * llm.vocabulary * engine.logit_width
        + tokens * llm.hidden * engine.token_width
        + tokens * columns * engine.expert_width
    )
    free = engine.memory_fraction * m.gpu.usable_memory - sum(weights(m)) - beside
    return free * engine.free_fraction if free > 0 else free


def held(m, length):
    """Running requests that the pool holds, at most those of the engine; unknown without a pool."""
    budget = pool(m)
    return min(budget / sequence_bytes(m, length)[0], limits(m)[1]) if budget >= 0 else np.nan


# --- one forward pass


@dataclass
class Pass:
    """Duration of a pass, bytes that a GPU reads in it, operations that it does."""

    latency: float
    moved: float
    computed: float


def touched(m, tokens):
    """Share of the experts that independent tokens touch."""
    return 1 - (1 - m.llm.active_experts / m.llm.experts) ** tokens if m.llm.experts else 0.0


def busiest(m, tokens):
    """Experts that the busiest rank reads, over those of the mean rank."""
    if not m.llm.experts:
        return 1.0
    missed = np.exp(-tokens * m.llm.active_experts / m.llm.experts)
    own = max(0.3, m.llm.experts / m.expert_ranks * (1 - missed))
    return min(2.0, 1 + np.sqrt(2 * np.log(m.expert_ranks) * missed / own))


def read_time(m, tokens):
    """Time to read weights, experts at their own rate and as long as the busiest rank takes."""
    streamed, routed, _ = weights(m)
    read = routed * touched(m, tokens)
    dense = streamed / m.step.bandwidth_efficiency
    experts = read * busiest(m, tokens) / m.step.expert_efficiency
    return (dense + experts) / m.gpu.hbm_bandwidth, streamed + read


def arithmetic_time(m, tokens):
    narrow = m.precision.dense <= 1 and m.gpu.fp8_rate > 0
    peak = m.gpu.fp8_rate if narrow else m.gpu.fp16_rate
    return token_flops(m) * tokens / (m.step.compute_efficiency * peak)


def host_time(m, batch):
    per_layer = m.step.layer_overhead * m.llm.layers
    per_expert_layer = m.step.expert_layer_overhead * layers_of(m.llm)[2]
    return m.step.step_overhead + per_layer + per_expert_layer + m.step.sequence_overhead * batch


def collective_time(m, tokens):
    if m.ranks == 1:
        return 0.0
    sent = COLLECTIVES * ACTIVATION * tokens * m.llm.hidden * (m.ranks - 1) / m.ranks
    links = m.step.link_efficiency * m.gpu.link_bandwidth
    return m.llm.layers * (m.step.shared_layer_overhead + sent / links)


def launch_time(m):
    """Least time of a pass with prefill."""
    own, ranks = m.step.prompt_layer_overhead, m.step.prompt_expert_layer_overhead
    return m.llm.layers * (ranks if m.expert_ranks > 1 else own)


def forward(m, batch, length, prompts):
    """One pass over a batch that also takes in so many prompt tokens."""
    tokens = batch + prompts
    reading, weight_bytes = read_time(m, tokens)
    scanned = batch * sequence_bytes(m, length)[1]
    scanning = scanned / (m.step.kv_efficiency * m.gpu.hbm_bandwidth)
    latency = np.hypot(reading, arithmetic_time(m, tokens)) + scanning
    latency += host_time(m, batch) + collective_time(m, tokens)
    if prompts > 0:
        latency = (latency**6 + launch_time(m) ** 6) ** (1 / 6)
    return Pass(latency, weight_bytes + scanned, token_flops(m) * tokens)


# --- passes under chunked prefill


def mixture(m, batch, length, prompts, starts):
    """Requests that decode, the mean pass, its median and its 99th percentile."""
    chunk = limits(m)[0]
    running = batch
    if prompts > chunk:
        running, starts, prompts = batch * chunk / prompts, starts * chunk / prompts, chunk
    decoding = forward(m, running, length, 0.0)
    if not prompts:
        return running, decoding, decoding.latency, decoding.latency
    filled = min(1.0, max(1 - np.exp(-starts), prompts / chunk))
    each = prompts / filled
    filling = forward(m, running, length, each)
    mean = Pass(
        *(filled * getattr(filling, n) + (1 - filled) * getattr(decoding, n) for n in NAMES)
    )
    odds = -np.log(1 - min(filled, 1 - 1e-9)) - np.log(2)
    mostly = 1 / (1 + np.exp(-4 * odds))
    typical = forward(m, running, length, m.step.median_share * each).latency
    median = mostly * typical + (1 - mostly) * decoding.latency
    at_once = prompts / starts * max(1.0, starts + 2.326 * np.sqrt(starts))
    most = forward(m, running, length, min(max(at_once, each), max(each, chunk))).latency
    return running, mean, median, max(median, most if filled > 0.01 else decoding.latency)


NAMES = ("latency", "moved", "computed")


# --- power


def board_power(m, mean, latency):
    constant = m.power.idle + m.power.expert_layers * layers_of(m.llm)[2] / 100
    constant -= m.power.shared if m.ranks > 1 else 0.0
    moving = m.power.memory * mean.moved / m.gpu.hbm_bandwidth / latency
    computing = m.power.compute * np.sqrt(mean.computed / m.gpu.fp16_rate / latency)
    return constant + moving + computing


def within_limit(m, mean):
    """Duration of the mean pass at which the board keeps its limit, by halving."""
    if board_power(m, mean, mean.latency) <= m.power.limit:
        return mean.latency
    short, long = mean.latency, mean.latency
    while board_power(m, mean, long) > m.power.limit:
        long *= 2
    for _ in range(200):
        middle = (short + long) / 2
        fits = board_power(m, mean, middle) <= m.power.limit
        short, long = (short, middle) if fits else (middle, long)
    return long


def operating_point(m, window, fill, prompt_ratio, batch=None):
    """A full instance, or one at a batch size; every one of its GPUs counts."""
    length = fill * window
    concurrency = held(m, length)
    running = concurrency if batch is None else batch
    output = length / (prompt_ratio + 0.5)
    load = (running, length, prompt_ratio * running, running / output)
    decoding, mean, median, late = mixture(m, *load)
    latency = within_limit(m, mean)
    power = m.ranks * board_power(m, mean, latency)
    throughput = decoding / latency
    return {
        "concurrency": concurrency,
        "batch": running,
        "iteration_latency": latency,
        "median_latency": median * latency / mean.latency,
        "late_latency": late * latency / mean.latency,
        "throughput": throughput,
        "power": power,
        "tokens_per_joule": throughput / power,
        "missing": max(0.0, -pool(m)),
    }
