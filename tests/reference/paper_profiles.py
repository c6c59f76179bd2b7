"""Instances of the program behind arXiv:2603.17280 in plain Python; it imports nothing of tokwatt.

Written from a description of the program's behaviour (vllm-project/semantic-router, fleet-sim at
a86f4a281), not from its code. Numbers below are those of its catalogues, in seconds, bytes, tokens
and watts; `expected.json` beside this file is what the program itself prints.
"""

from dataclasses import dataclass
from math import ceil, exp, floor, inf, log2, trunc

EFFICIENCY, LAYER_TIME, IDLE, NOMINAL = 0.80, 3e-6, 0.43, 0.86
WORKSPACE = {1: 0, 2: 358612992, 4: 411041792, 8: 411041792}
KERNEL_MS = {  # at 8 tokens on an H100: (experts, active, hidden, expert width), bytes an element
    (256, 8, 7168, 2048): {2: 1.340, 1: 0.700, 0.5: 0.480},
    (128, 8, 4096, 1536): {2: 0.480, 1: 0.280, 0.5: 0.234},
    (128, 8, 2048, 768): {2: 0.240, 1: 0.140, 0.5: 0.117},
}


@dataclass(frozen=True)
class Board:
    bandwidth: float
    capacity: float
    fp16: float
    fp8: float
    tdp: float
    price: float


@dataclass(frozen=True)
class Model:
    layers: int
    heads: int
    kv_heads: int
    hidden: int
    width: int
    vocabulary: int
    expert_width: int = 0
    experts: int = 0
    active: int = 0
    shared: int = 0

    @property
    def head(self):
        return self.hidden // self.heads

    @property
    def mixture(self):
        return self.experts > 0 or self.expert_width > 0

    def feed_forward(self, experts):
        if not self.mixture:
            return 3 * self.layers * self.hidden * self.width
        shared = 3 * self.shared * self.hidden * self.width
        return self.layers * (3 * experts * self.hidden * self.expert_width + shared)

    def parameters(self, experts=None):
        """With all experts, or with `experts` of them, counted."""
        attention = 2 * self.hidden**2 + 2 * self.hidden * self.kv_heads * self.head
        experts = self.experts if experts is None else experts
        whole = self.vocabulary * self.hidden + self.layers * attention
        return whole + self.feed_forward(experts)

    def kv_bytes(self, width):
        return 2.0 * self.layers * self.kv_heads * self.head * width


BOARDS = {
    "A100": Board(2.039e12, 85899345920, 312e12, 0, 400, 2.21),
    "L40S": Board(864e9, 51539607552, 362e12, 733e12, 350, 1.80),
    "B60": Board(456e9, 25769803776, 98e12, 0, 200, 1.00),
    "H100": Board(3.35e12, 85899345920, 989e12, 1978e12, 700, 4.02),
    "H200": Board(4.8e12, 151397597184, 989e12, 1978e12, 700, 6.00),
    "B200": Board(8.0e12, 193273528320, 2250e12, 4500e12, 1000, 8.00),
    "GB200": Board(8.0e12, 214748364800, 2500e12, 5000e12, 1200, 10.00),
    "GB300": Board(8.0e12, 321122547712, 2500e12, 5000e12, 1400, 12.00),
}
MODELS = {
    "llama-3.1-8b": Model(32, 32, 8, 4096, 14336, 128256),
    "llama-3.1-70b": Model(80, 64, 8, 8192, 28672, 128256),
    "llama-3.1-405b": Model(126, 128, 8, 16384, 53248, 128256),
    "mistral-7b": Model(32, 32, 8, 4096, 14336, 32000),
    "mixtral-8x7b": Model(32, 32, 8, 4096, 14336, 32000, 14336, 8, 2, 0),
    "qwen3-8b": Model(36, 32, 8, 4096, 12288, 151936),
    "qwen3-32b": Model(64, 40, 8, 5120, 27648, 151936),
    "qwen3-235b-a22b": Model(94, 64, 4, 4096, 0, 151936, 1536, 128, 8, 0),
    "qwen3-30b-a3b": Model(48, 16, 4, 2048, 0, 151936, 768, 128, 8, 0),
    "deepseek-v3": Model(61, 128, 128, 7168, 0, 129280, 2048, 256, 8, 1),
}


@dataclass(frozen=True)
class Manual:
    """A profile that was calibrated by hand; `price` is an hour of the instance."""

    weight_time: float
    scan_time: float
    chunk: int
    blocks: int
    cap: int
    price: float
    idle: float
    nominal: float
    midpoint: float
    steepness: float = 1.0
    block: int = 16
    calibration: int = 8192

    def slots(self, window):
        by_cap = floor(self.cap * self.calibration / max(window, 1))
        return min(by_cap, floor(self.blocks / ceil(window / self.block)))

    def latency(self, batch, length=None):
        scale = 1.0 if length is None else length / self.calibration
        return self.weight_time + self.scan_time * scale * batch

    def power(self, batch):
        if batch <= 0:
            return self.idle
        if self.steepness == 0:
            return self.idle + (self.nominal - self.idle) * min(batch / self.cap, 1.0)
        logit = -self.steepness * (log2(max(1.0, batch)) - self.midpoint)
        return self.idle + (self.nominal - self.idle) / (1 + exp(logit))

    def service(self, prompt, output, window):
        chunks = ceil(prompt / self.chunk)
        return (chunks + output) * self.latency(self.slots(window), prompt + output)


@dataclass(frozen=True)
class Computed:
    """A profile by data sheets: `width` in bytes an element; a `cap` of 0 is no limit."""

    board: Board
    model: Model
    gpus: int
    width: float
    mean: int = 4096
    block: int = 16
    fraction: float = 0.90
    chunk: int = 512
    cap: int = 0

    @property
    def price(self):
        return self.gpus * self.board.price

    @property
    def weight_time(self):
        model, rate = self.model, EFFICIENCY * self.board.bandwidth
        launches = LAYER_TIME * model.layers
        if not model.mixture:
            return model.parameters() * self.width / self.gpus / rate + launches
        table = KERNEL_MS.get((model.experts, model.active, model.hidden, model.expert_width))
        if table:
            nearest = min(table, key=lambda width: abs(width - self.width))
            kernel = table[nearest] * (3.35e12 / self.board.bandwidth) ** 0.7 / 1000
        else:
            kernel = model.active * 2 * model.expert_width * model.hidden * self.width / rate
        heads = (model.heads + 2 * model.kv_heads) * model.head * model.hidden + model.hidden**2
        return (
            kernel * model.layers + heads * self.width * model.layers / self.gpus / rate + launches
        )

    @property
    def scan_time(self):
        rate = EFFICIENCY * self.board.bandwidth
        return self.mean * self.model.kv_bytes(self.width) / rate / self.gpus

    @property
    def budget(self):
        weights = self.model.parameters() * self.width / self.gpus
        return trunc(self.board.capacity * self.fraction) - weights - WORKSPACE[self.gpus]

    @property
    def blocks(self):
        return trunc(max(0, max(0, self.budget) // (self.model.kv_bytes(self.width) * self.block)))

    def slots(self, window):
        fitting = max(1, floor(self.blocks / ceil(window / self.block)))
        return min(fitting, self.cap) if self.cap > 0 else fitting

    def latency(self, batch, length=None):
        scale = 1.0 if length is None else length / self.mean
        return self.weight_time + self.scan_time * scale * batch

    def power(self, batch, mean=None):
        scan = self.scan_time * ((mean or self.mean) / self.mean) * batch
        step = self.weight_time + scan
        active = self.model.parameters(self.model.active) / self.gpus
        busy = min(1.0, scan / step + 2 * active * batch / (step * self.board.fp16))
        return IDLE * self.board.tdp + (NOMINAL - IDLE) * self.board.tdp * busy

    def prefill_latency(self, history, batch, length):
        """A step with one chunk of a prompt in it, the longer of its bytes and its arithmetic."""
        model, chunk = self.model, self.chunk
        projections = 2 * chunk * model.hidden * (2 * model.heads + 2 * model.kv_heads)
        scores = 4 * model.heads * model.head * chunk * (chunk / 2 + history) * model.layers
        width = model.active * model.expert_width + model.shared * model.width
        width = width if model.mixture else model.width
        blocks = 6 * model.hidden * width * chunk * model.layers
        work = (projections * model.head * model.layers + scores + blocks) / self.gpus
        fast = self.width <= 1 and self.board.fp8 > 0
        return max(
            self.latency(batch, length), work / (self.board.fp8 if fast else self.board.fp16)
        )

    def service(self, prompt, output, window):
        batch, length = self.slots(window), prompt + output
        prefill = self.prefill_latency(prompt / 2, batch, length)
        return ceil(prompt / self.chunk) * prefill + output * self.latency(batch, length)


H100_70B, B200_70B = (
    Computed(BOARDS[name], MODELS["llama-3.1-70b"], 8, 2.0) for name in ("H100", "B200")
)
_RATIO, _SCAN = B200_70B.blocks / H100_70B.blocks, 0.00032 * (3.35e12 / 8e12)
MANUAL = {
    "H100": Manual(0.004, 0.00032, 1024, 65536, 256, 4.02, 300, 600, 4.2),
    "B200": Manual(
        B200_70B.weight_time,
        _SCAN,
        2048,
        trunc(65536 * _RATIO),
        trunc(256 * _RATIO),
        64.0,
        1000 * IDLE,
        1000 * NOMINAL,
        log2(B200_70B.weight_time / _SCAN),
    ),
}


def calibrated_point(profile, window):
    """A row of Table 1."""
    return _point(profile.slots(window), profile, window / 2)


def computed_point(profile, window=8192, active=0.0):
    """A row of Table 2 or 5; `active` are printed parameters that replace the weight time."""
    batch = max(1, trunc(floor(profile.blocks * profile.block / window)))
    weights = active * profile.width / profile.gpus / profile.board.bandwidth
    step = (weights if active else profile.weight_time) + profile.scan_time * batch
    watts = profile.power(batch)
    return _row(batch, step, watts)


def _point(batch, profile, length):
    return _row(batch, profile.latency(batch, length), profile.power(batch))


def _row(batch, step, watts):
    return {
        "concurrency": batch,
        "iteration_latency": step,
        "throughput": batch / step,
        "power": watts,
        "tokens_per_joule": batch / step / watts if watts else inf,
    }
