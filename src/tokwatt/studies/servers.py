"""Servers under load beside their simulation, rate by rate: how far off it is.

========================  ======================================================================
Study                     Dataset
========================  ======================================================================
`replayed`                measured and simulated latencies and throughput, over run
========================  ======================================================================
"""

from dataclasses import field
from typing import Annotated, Any, NamedTuple

import numpy as np
import xarray as xr

from tokwatt import grid
from tokwatt.accounts.deployments import CONSISTENT, DeploymentNames, account_of, pick
from tokwatt.accounts.simulated import limits_of
from tokwatt.params.specs import spec
from tokwatt.serving.catalogue import Catalogue
from tokwatt.serving.times import instance_of
from tokwatt.simulation.arrivals import Arrived, arrived, repeated
from tokwatt.simulation.requests import Limits
from tokwatt.simulation.routers import Router
from tokwatt.simulation.run import run_pools
from tokwatt.simulation.steps import StepTable
from tokwatt.units import (
    MANY,
    Dimensionless,
    DimensionlessAxis,
    RequestsPerSecond,
    RequestsPerSecondAxis,
    Seconds,
    SecondsAxis,
    Sequences,
    Tokens,
    TokensAxis,
    TokensPerSecond,
    TokensPerSecondAxis,
)

InstancesAxis = Annotated[Any, "instance", MANY]
ROUNDS = 6
"""How often step times are corrected by what a run at the lowest rate shows of them."""
SMALLEST, LARGEST = 0.1, 10.0
"""Range of the factors of step times."""
KNEE = 4.0
"""Times the late first token of the lowest rate that it takes at the knee."""
WIDEST = 20.0
"""Largest ratio of two rates between which a knee is looked for."""
STEPS = ("calibrated", "fitted")
"""Step times of a simulation: the account's, and with two factors from a server's lowest rate."""


@spec
class Sent:
    """Requests that clients sent.

    Attributes:
        prompt: prompt tokens.
        output: output tokens.
        arrival: when they arrive, in mean gaps; one gap after another if left out.
        reused: prompt tokens that an earlier prompt has; none if left out.
        conversation: of which they are; -1 where it is not known.
    """

    prompt: TokensAxis
    output: TokensAxis
    arrival: DimensionlessAxis = field(default_factory=lambda: np.zeros(0))
    reused: TokensAxis = field(default_factory=lambda: np.zeros(0))
    conversation: DimensionlessAxis = field(default_factory=lambda: np.zeros(0))


@spec
class Server:
    """A server, and what was measured of it at each arrival rate, from the lowest on.

    Attributes:
        llm: an LLM by name.
        gpu: a GPU by name.
        gpus: GPUs of an instance that share every layer.
        data_parallel: ranks of attention.
        engine: a serving engine by name.
        memory_fraction: share of the memory that it may use.
        kv_tokens: tokens of its KV cache pool; as memory has it if left out.
        kv_tokens_seen: the same as requests show it; counts where step times are fitted.
        max_num_batched_tokens: most tokens of a step; its engine's if left out.
        max_num_seqs: most running requests; its engine's if left out.
        workload: what the clients sent.
        cached: where reused tokens are found: in blocks that are still there, always, never.
        cold: whether nothing was cached at the lowest rate.
        runs: names of the runs.
        instances: of each run.
        arrival_rate: of each run.
        throughput: output tokens per second, from the first arrival to the last token.
        first_token: median time to first token.
        first_token_p99: its 99th percentile.
        time_per_output_token: median of requests' mean time between tokens.
        time_per_output_token_p99: its 99th percentile.
    """

    llm: str
    gpu: str
    gpus: Dimensionless
    engine: str
    memory_fraction: Dimensionless
    workload: str
    cached: str
    runs: list[str]
    instances: InstancesAxis
    arrival_rate: RequestsPerSecondAxis
    throughput: TokensPerSecondAxis
    first_token: SecondsAxis
    first_token_p99: SecondsAxis
    time_per_output_token: SecondsAxis
    time_per_output_token_p99: SecondsAxis
    data_parallel: Dimensionless = 1.0
    kv_tokens: Tokens = 0.0
    kv_tokens_seen: Tokens = 0.0
    max_num_batched_tokens: Tokens = 0.0
    max_num_seqs: Sequences = 0.0
    cold: bool = False


class Scores(NamedTuple):
    """What a run is judged by.

    Attributes:
        throughput: output tokens per second, from the first arrival to the last token.
        time_per_output_token: median of requests' mean time between tokens.
        time_per_output_token_p99: its 99th percentile.
        first_token: median time to first token.
        first_token_p99: its 99th percentile.
    """

    throughput: TokensPerSecond
    time_per_output_token: Seconds
    time_per_output_token_p99: Seconds
    first_token: Seconds
    first_token_p99: Seconds


class Facts(NamedTuple):
    """What is known of a run.

    Attributes:
        server: the server.
        llm: its LLM.
        gpu: its GPU.
        gpus: GPUs of all its instances.
        arrival_rate: requests per second.
        lowest: 1 for the lowest rate of its server, at which step times are fitted.
        saturated: 1 from the knee on; NaN where there is no lower rate to tell it by.
        factor: by which decoding takes longer than the account says, as fitted.
        prompt_factor: by which what prompts add does.
    """

    server: Any
    llm: Any
    gpu: Any
    gpus: Dimensionless
    arrival_rate: RequestsPerSecond
    lowest: Dimensionless
    saturated: Dimensionless
    factor: Dimensionless
    prompt_factor: Dimensionless


class Knees(NamedTuple):
    """Arrival rate from which the late first token takes several times that of the lowest."""

    knee: RequestsPerSecond


class Replay:
    """A server and its simulation.

    Args:
        catalogue: the parameter folder.
        server: the server.
        sent: what clients sent to it.
        steps: one of STEPS.
    """

    def __init__(self, catalogue: Catalogue, server: Server, sent: Sent, steps: str) -> None:
        self.server, self.sent, self.steps = server, sent, steps
        names = DeploymentNames(
            llm=server.llm,
            gpu=server.gpu,
            gpus=int(server.gpus),
            data_parallel=int(server.data_parallel),
            engine=server.engine,
            memory_utilization=float(server.memory_fraction),
        )
        self.account = account_of(catalogue, CONSISTENT, names)
        self.instance = instance_of(self.account, names.deployment(catalogue))
        self.longest = float((sent.prompt + sent.output).max())
        mean = float((sent.prompt + sent.output / 2).mean())
        limits = limits_of(self.account, self.instance, self.longest, mean)
        self.limits = limits._replace(
            sequences=int(server.max_num_seqs) or limits.sequences,
            tokens=int(server.max_num_batched_tokens) or limits.tokens,
            blocks=self._blocks(server.kv_tokens) or limits.blocks,
        )

    def scores(self, place: int, factors: tuple[float, float] = (1.0, 1.0)) -> Scores:
        """A run as it is simulated, with step times by two factors longer than the account's."""
        server = self.server
        table = StepTable(
            self.account, self.instance, self.limits.sequences, self.limits.tokens, self.longest,
            *factors,
        )  # fmt: skip
        several = int(server.instances[place])
        limits = self._limits(several)
        router = Router("random" if several > 1 else "round_robin", [several])
        done = run_pools([table], [limits], repeated(self._stream(place)), router)
        finished = done.finished
        longer = finished.output > 1
        decoding = (finished.latency - finished.first_token)[longer]
        each = decoding / (finished.output[longer] - 1)
        return Scores(
            float(finished.output.sum()) / done.duration,
            *np.quantile(each, (0.5, 0.99)).tolist(),
            *np.quantile(finished.first_token, (0.5, 0.99)).tolist(),
        )

    def measured(self, place: int) -> Scores:
        """A run as it was measured."""
        return Scores(*(float(getattr(self.server, name)[place]) for name in Scores._fields))

    def factors(self) -> tuple[float, float]:
        """Those with which the run at the lowest rate has the measured medians; 1 if not fitted."""
        factor = prompt_factor = 1.0
        wanted = self.measured(0)
        for _ in range(ROUNDS if self.steps == "fitted" else 0):
            found = self.scores(0, (factor, prompt_factor))
            factor *= wanted.time_per_output_token / found.time_per_output_token
            prompt_factor *= wanted.first_token / found.first_token
            factor, prompt_factor = np.clip((factor, prompt_factor), SMALLEST, LARGEST).tolist()
        return factor, prompt_factor

    def _stream(self, place: int) -> Arrived:
        sent, server = self.sent, self.server
        gaps = sent.arrival if len(sent.arrival) else np.arange(len(sent.prompt))
        cold = server.cached == "never" or (server.cold and place == 0)
        reused = 0 * sent.prompt if cold or not len(sent.reused) else sent.reused
        found_in_blocks = server.cached == "blocks"
        prefix = sent.conversation if found_in_blocks else 0 * sent.prompt - 1
        return arrived(gaps / server.arrival_rate[place], sent.prompt, sent.output, reused, prefix)

    def _blocks(self, tokens: Tokens) -> int:
        return int(tokens) // int(self.instance.block_size)

    def _limits(self, several: int) -> Limits:
        """What an instance holds, and what the clients' warm-up has left in the cache of one."""
        seen = self._blocks(self.server.kv_tokens_seen) if self.steps == "fitted" else 0
        limits = self.limits._replace(blocks=seen or self.limits.blocks)
        if self.server.cached != "blocks":
            return limits
        if several > 1:  # nobody knows which of them has seen which conversation
            return limits._replace(caching=True)
        conversations, first = np.unique(self.sent.conversation, return_index=True)
        warm = zip(conversations.astype(int), self.sent.reused[first].astype(int), strict=True)
        return limits._replace(caching=True, warm=dict(warm))


def knee(rates: RequestsPerSecondAxis, late: SecondsAxis) -> RequestsPerSecond:
    """Rate at which the late first token takes KNEE times that of the lowest; NaN if none is.

    Between two rates it is interpolated on logarithmic scales.
    """
    ratios = np.log(late / late[0] / KNEE)
    beyond = np.flatnonzero(ratios > 0)
    if not len(beyond):
        return float("nan")
    pair = slice(beyond[0] - 1, beyond[0] + 1)
    if rates[pair][1] > WIDEST * rates[pair][0]:
        return float("nan")
    return float(np.exp(np.interp(0.0, ratios[pair], np.log(rates[pair]))))


def replayed(catalogue: Catalogue) -> xr.Dataset:
    """Every run of the records, as it was measured and as it is simulated with each step time."""
    records = catalogue.section("measured/servers").only("source", "quality", "requests", "servers")
    sent = records.child("requests").specs(Sent)
    servers = records.child("servers").specs(Server)
    facts, scores, knees, names = [], [], [], []
    for name, server in servers.items():
        replays = [
            Replay(catalogue, server, pick("workload", server.workload, sent), steps)
            for steps in STEPS
        ]
        places = range(len(server.runs))
        factors = [replay.factors() for replay in replays]
        found = [[replays[0].measured(place) for place in places]]
        found += [
            [replay.scores(place, pair) for place in places]
            for replay, pair in zip(replays, factors, strict=True)
        ]
        table: np.ndarray = np.array(found)
        late = table[:, :, Scores._fields.index("first_token_p99")]
        knees.append([knee(server.arrival_rate, row) for row in late])
        scores.append(table)
        names += server.runs
        facts += [_facts(name, server, place, knees[-1][0], factors[-1]) for place in places]
    series = ["measured", *STEPS]
    columns = Scores(*np.concatenate(scores, axis=1).transpose(2, 0, 1))
    known = Facts(*(np.array(column) for column in zip(*facts, strict=True)))
    return (
        grid.dataset({"run": names}, known)
        .merge(grid.dataset({"series": series, "run": names}, columns))
        .merge(
            grid.dataset({"server_name": list(servers), "series": series}, Knees(np.array(knees)))
        )
    )


def _facts(
    name: str,
    server: Server,
    place: int,
    beyond: RequestsPerSecond,
    factors: tuple[float, float],
) -> Facts:
    rate = float(server.arrival_rate[place])
    alone = len(server.runs) == 1
    return Facts(
        server=name,
        llm=server.llm,
        gpu=server.gpu,
        gpus=float(server.gpus * server.data_parallel * server.instances[place]),
        arrival_rate=rate,
        lowest=float(place == 0),
        saturated=float("nan") if alone else float(rate >= beyond),
        factor=factors[0],
        prompt_factor=factors[1],
    )
