"""The operating point of the consistent account in plain NumPy; it imports nothing of tokwatt.

Parameters are read from the YAML records themselves. Each piece of the account is a small function
of its own: what an LLM weighs by class of parameter, what an engine leaves for the KV cache, one
forward pass, the mixture of passes under chunked prefill, and power up to the limit of a board.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import quick_yaml

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
    "us/tok": 1e-6,
    "USD/h": 1 / 3600,
}
ACTIVATION, STATE, COLLECTIVES = 2.0, 4.0, 2.0
SMALL, LATENT = 2e6, 0.5


def number(record):
    """The SI number of a record."""
    value = np.asarray(record["value"], float) * UNITS[record["unit"]]
    return float(value) if value.ndim == 0 else value


def numbers(entry, **defaults):
    """The records of an entry by name."""
    records = {key: number(value) for key, value in entry.items() if isinstance(value, dict)}
    return SimpleNamespace(**defaults | records)


@cache
def sheet(folder, name):
    return quick_yaml.load((Path(folder) / f"{name}.yaml").read_text(encoding="utf-8"))


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
    replicas: float
    expert_ranks: float

    @property
    def gpus(self):
        return self.ranks * self.replicas


def step_of(fit, gpu, engine):
    """Common numbers times e to the deviations of GPU, engine and both; shares are at most 1."""
    deviations = [
        numbers(fit["gpus"].get(gpu, {})),
        numbers(fit["engines"].get(engine, {})),
        numbers(fit["gpus_engines"].get(gpu, {}).get(engine, {})),
    ]
    found = {}
    for name, value in vars(numbers(fit["common"])).items():
        own = value * np.exp(sum(getattr(each, name, 0.0) for each in deviations))
        found[name] = min(1.0, own) if "efficiency" in name else own
    return SimpleNamespace(**found)


def power_of(fit, gpu, tdp, settings):
    """Watts of the law of power of a board, or of one that nobody measured."""
    board = numbers(fit["boards"].get(gpu, fit["boards"]["other"]))
    terms = {name: board.scale * share * tdp for name, share in vars(numbers(fit["power"])).items()}
    limits = {
        "limit": number(settings["power_cap"]) * tdp,
        "clock_exponent": number(settings["clock_exponent"]),
    }
    return SimpleNamespace(idle=board.idle * tdp, **terms, **limits)


def machine(folder, llm, gpu, precision, ranks, expert_ranks=1.0, replicas=1.0, engine="vllm"):
    """Records by name."""
    serving, fit = sheet(folder, "serving"), sheet(folder, "calibrated")["value"]
    board = numbers(sheet(folder, "gpus")[gpu], fp8_rate=0.0, fp4_rate=0.0)
    settings = sheet(folder, "calibration")["fit"]
    widths = numbers(
        serving["precisions"][precision],
        mixture_attention=0.0,
        mixture_feed_forward=0.0,
        block_scaled=0.0,
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
    return Machine(
        llm=numbers(published, feed_forward_matrices=3.0, routers=1.0, **absent),
        gpu=board,
        precision=widths,
        engine=used,
        step=step_of(fit, gpu, engine),
        power=power_of(fit, gpu, board.tdp, settings),
        ranks=ranks,
        replicas=replicas,
        expert_ranks=expert_ranks,
    )


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


def widths(m):
    """Widths of attention and of feed-forward blocks, of which mixtures may have their own."""
    width, mixture = m.precision, m.llm.experts > 0
    attention = (mixture and width.mixture_attention) or width.attention
    return attention, (mixture and width.mixture_feed_forward) or width.feed_forward


def weights(m):
    """Bytes on one GPU: what every step reads, all routed experts, an input table of its own."""
    count, width = parameters(m.llm), m.precision
    attention, feed_forward = widths(m)
    shared = (
        count.table * width.embedding
        + (count.mixers - count.latents) * attention
        + count.blocks * feed_forward
    )
    whole = count.latents * attention + count.routers * width.router
    routed = m.llm.experts * count.expert * width.experts / m.gpus
    untied = (1 - m.llm.tied_embeddings) * count.table * width.embedding / m.ranks
    return shared / m.ranks + whole, routed, untied


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
    each = budget / sequence_bytes(m, length)[0]
    return m.replicas * min(each, limits(m)[1]) if budget >= 0 else np.nan


# --- one forward pass


@dataclass
class Pass:
    """Duration of a pass, bytes that a GPU reads, arithmetic and launches of experts as times."""

    latency: float
    moved: float
    computed: float
    launched: float


def bits(m, width):
    """Bits of the operands that parameters of a width are multiplied as."""
    if width < 1.5:
        width = m.precision.operand if m.gpu.fp4_rate else m.precision.operand_without_fp4
    if width >= 1.5 or not m.gpu.fp8_rate:
        return 16
    return 4 if width < 0.9 and m.gpu.fp4_rate else 8


def multiply_time(m, count, width, kind=""):
    """Time to multiply so many parameters by one token, at the share of the peak of their bits."""
    found = bits(m, width)
    peak = {16: m.gpu.fp16_rate, 8: m.gpu.fp8_rate, 4: m.gpu.fp4_rate}[found]
    name = f"{kind}compute_efficiency" + ("" if found == 16 else f"_{found}bit")
    return 2 * count / (getattr(m.step, name) * peak)


def dense_time(m, tokens, answered):
    """Arithmetic of one rank but for experts; the output head only where a token comes out."""
    count, (attention, feed_forward) = parameters(m.llm), widths(m)
    each = (
        multiply_time(m, count.mixers, attention)
        + multiply_time(m, count.blocks, feed_forward)
        + multiply_time(m, count.routers, m.precision.router)
    )
    return (each * tokens + multiply_time(m, count.table, 2.0) * answered) / m.ranks


def expert_time(m, tokens):
    """Arithmetic of experts, which all GPUs share."""
    count = m.llm.active_experts * parameters(m.llm).expert / m.gpus
    return multiply_time(m, count, m.precision.experts, "expert_") * tokens


def touched(m, tokens):
    """Share of the experts that tokens touch, some of which choose alike."""
    if not m.llm.experts:
        return 0.0
    independent = 1 + m.step.independence * (tokens - 1)
    return 1 - (1 - m.llm.active_experts / m.llm.experts) ** independent


def busiest(m, tokens):
    """Experts that the busiest rank reads, over those of the mean rank."""
    if not m.llm.experts:
        return 1.0
    missed = np.exp(-tokens * m.llm.active_experts / m.llm.experts)
    own = max(0.3, m.llm.experts / m.expert_ranks * (1 - missed))
    return min(2.0, 1 + np.sqrt(2 * np.log(m.expert_ranks) * missed / own))


def narrowed(m, rate, factor, width, bound):
    """Bandwidth that reading reaches, by a factor where what is read is narrower than a bound."""
    return rate * m.gpu.hbm_bandwidth * (factor if width < bound else 1.0)


def read_times(m, tokens):
    """Time to read dense weights and experts, the latter until the busiest rank is done; bytes."""
    streamed, routed, _ = weights(m)
    read, step, factor = routed * touched(m, tokens), m.step, m.step.narrow_weight_factor
    dense = narrowed(m, step.bandwidth_efficiency, factor, widths(m)[1], 0.9)
    experts = narrowed(m, step.expert_bandwidth_efficiency, factor, m.precision.experts, 0.9)
    return streamed / dense, read * busiest(m, tokens) / experts, streamed + read


def scan_time(m, batch, length):
    """Time of a rank to read its KV cache, beside which latent attention computes; bytes."""
    llm, step = m.llm, m.step
    moved = batch * sequence_bytes(m, length)[1]
    rate = narrowed(m, step.kv_efficiency, step.narrow_kv_factor, m.precision.kv, 1.5)
    width = llm.query_heads * (2 * llm.kv_latent + llm.rope_dim) if llm.kv_latent else 0.0
    operations = 2 * batch * length * layers_of(llm)[0] * width / m.ranks
    return np.hypot(moved / rate, operations / (LATENT * m.gpu.fp16_rate)), moved


def attention_time(m, tokens, prompt):
    """Causal attention of prompts: half of the square, or what sliding layers see."""
    llm = m.llm
    full = layers_of(llm)[0] - llm.sliding_layers
    grouped = 2 * llm.head_dim
    latent = llm.nope_dim + llm.rope_dim + llm.value_dim
    seen = full * (latent if llm.kv_latent else grouped) * prompt
    seen += llm.sliding_layers * grouped * min(prompt, 2 * llm.sliding_window)
    return (
        tokens * llm.query_heads * seen / (m.ranks * m.gpu.fp16_rate * m.step.attention_efficiency)
    )


def attending_time(m, batch, length):
    """Attention of decoded tokens to all tokens before them, or to those of a window."""
    llm, rate = m.llm, m.ranks * m.gpu.fp16_rate
    full = layers_of(llm)[0] - llm.sliding_layers
    grouped = 4 * llm.query_heads * llm.head_dim / (rate * m.step.attention_efficiency)
    latent = 2 * llm.query_heads * (2 * llm.kv_latent + llm.rope_dim) / (rate * LATENT)
    windowed = llm.sliding_layers * grouped * min(length, llm.sliding_window)
    return batch * (full * (latent if llm.kv_latent else grouped) * length + windowed)


def link_time(m, tokens):
    """All-reduces within a rank, all to all where small; to experts and back between ranks."""
    message, links = (
        ACTIVATION * m.llm.hidden * tokens,
        m.step.link_efficiency * m.gpu.link_bandwidth,
    )
    reduced = 2 * COLLECTIVES * m.llm.layers * (m.ranks - 1) / m.ranks
    sent = 2 * layers_of(m.llm)[2] * min(m.llm.active_experts, m.gpus) * (m.gpus - 1) / m.gpus
    around = message + (m.ranks / 2 - 1) * min(message, SMALL)
    return (reduced * around + (sent * message if m.replicas > 1 else 0.0)) / links


def launch_time(m):
    """Launches of every pass but for those of experts."""
    layer = m.step.layer_overhead + m.step.quantized_layer_overhead * m.precision.block_scaled
    layer += m.step.latent_layer_overhead if m.llm.kv_latent else 0.0
    layer += m.step.collective_overhead if m.gpus > 1 else 0.0
    return m.step.step_overhead + layer * m.llm.layers


def prompt_launch_time(m):
    """More launches in a pass that takes in prompts."""
    own, experts = m.step.prompt_layer_overhead, m.step.prompt_expert_layer_overhead
    return own * m.llm.layers + experts * layers_of(m.llm)[2]


def forward(m, batch, length, prompts, prompt, one_rank=False):
    """A pass over a batch that takes in prompts, of which one rank has its part or all."""
    tokens, own_batch = batch + prompts, batch / m.replicas
    own = prompts if one_rank else prompts / m.replicas
    dense_read, expert_read, weight_bytes = read_times(m, tokens)
    dense, experts = (
        dense_time(m, own_batch + own, own_batch + own / prompt),
        expert_time(m, tokens),
    )
    scanning, scanned = scan_time(m, own_batch, length)
    attention = attention_time(m, own, prompt)
    launched = m.step.expert_layer_overhead * layers_of(m.llm)[2]
    latency = np.hypot(dense_read, dense) + np.hypot(expert_read, experts) + scanning + attention
    latency += link_time(m, own_batch + own) + launch_time(m) + launched
    latency += m.step.sequence_overhead * batch + (prompt_launch_time(m) if prompts else 0.0)
    attention += attending_time(m, own_batch, length)  # hides behind reading the cache
    return Pass(latency, weight_bytes + scanned, dense + experts + attention, launched)


# --- passes under chunked prefill


def chunk_of(m):
    """Most prompt tokens of a pass over all ranks."""
    return limits(m)[0] * m.replicas


def admitted(m, batch, prompts, starts):
    """What runs where no more prompts than a chunk are taken in."""
    share = min(1.0, chunk_of(m) / max(prompts, 1.0))
    return batch * share, prompts * share, starts * share


def mixture(m, batch, length, prompts, starts):
    """Requests that decode, the mean pass, its median and its 99th percentile."""
    chunk, prompt = chunk_of(m), max(1.0, prompts / starts)
    running, prompts, starts = admitted(m, batch, prompts, starts)
    decoding = forward(m, running, length, 0.0, prompt)
    filled = min(1.0, max(1 - np.exp(-starts), prompts / chunk))
    each = prompts / filled
    filling = forward(m, running, length, each, prompt)
    mean = Pass(
        *(filled * getattr(filling, n) + (1 - filled) * getattr(decoding, n) for n in NAMES)
    )
    odds = (-np.log(1 - min(filled, 1 - 1e-9)) / np.log(2)) ** 3
    mostly = odds / (1 + odds)
    typical = forward(m, running, length, m.step.median_share * each, prompt).latency
    typical -= (1 - m.step.median_share) * prompt_launch_time(m) if each else 0.0
    median = mostly * typical + (1 - mostly) * decoding.latency
    most = min(chunk, each + 2.326 * np.sqrt(each * prompt))
    late = forward(m, running, length, most, prompt) if filled > 0.01 else decoding
    return running, mean, median, max(median, late.latency)


NAMES = ("latency", "moved", "computed", "launched")


def first_token_time(m, batch, length, prompts, starts, prompt):
    """From admission: half a pass, the chunks of the prompt, the queue before them, overheads."""
    chunk, latent = chunk_of(m), m.llm.layers if m.llm.kv_latent else 0.0
    mean = mixture(m, batch, length, prompts, starts)[1]
    running, _, begun = admitted(m, batch, prompts, starts)
    decoding = forward(m, running, length, 0.0, 1.0).latency
    piece = min(prompt, chunk)
    own = forward(m, max(0.0, running - 1), length, piece, piece, one_rank=True).latency
    own *= max(1.0, prompt / chunk)
    busy = min(0.95, prompts / chunk)
    waited = 1 + min(1.0, begun * own / decoding) / 2 + busy / (2 * (1 - busy))
    fixed = m.step.first_token_overhead + m.step.first_token_prompt_overhead * prompt
    fixed += m.step.first_token_expert_layer_overhead * layers_of(m.llm)[2]
    fixed += m.step.first_token_latent_layer_overhead * latent
    stretch = within_limit(m, mean) / mean.latency
    return fixed + stretch * (mean.latency / 2 + own * waited)


# --- power


def board_power(m, mean, latency):
    law = m.power
    moving = law.memory * mean.moved / m.gpu.hbm_bandwidth / latency
    computing = law.compute * np.sqrt(mean.computed / latency)
    return law.idle + moving + computing + law.launch * mean.launched / latency


def within_limit(m, mean):
    """Duration of the mean pass at the clock at which the board keeps its limit, by halving."""
    law = m.power
    above = board_power(m, mean, mean.latency) - law.idle
    slow, fast = 0.0, 1.0
    for _ in range(200):
        clock = (slow + fast) / 2
        fits = law.idle + above * clock**law.clock_exponent <= law.limit
        slow, fast = (clock, fast) if fits else (slow, clock)
    return mean.latency / fast


def operating_point(m, window, fill, prompt_ratio, batch=None):
    """A full instance, or one at a batch size; every one of its GPUs counts."""
    length = fill * window
    concurrency = held(m, length)
    running = concurrency if batch is None else batch
    output = length / (prompt_ratio + 0.5)
    load = (running, length, prompt_ratio * running, running / output)
    decoding, mean, median, late = mixture(m, *load)
    latency = within_limit(m, mean)
    power = m.gpus * min(board_power(m, mean, mean.latency), m.power.limit)
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
