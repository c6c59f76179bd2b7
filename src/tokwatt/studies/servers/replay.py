"""A server simulated at one of its arrival rates, with step times of the account or fitted."""

from typing import NamedTuple

import numpy as np

from tokwatt.accounts.deployments import CONSISTENT, DeploymentNames, account_of
from tokwatt.serving.catalogue import Catalogue
from tokwatt.serving.demand.requests import pairs_of
from tokwatt.serving.steps.times import instance_of
from tokwatt.simulation.arrivals import Arrived, arrived, repeated
from tokwatt.simulation.limits import limits_of
from tokwatt.simulation.requests import Limits
from tokwatt.simulation.routers import Router
from tokwatt.simulation.run import run_pools
from tokwatt.simulation.steps import StepTable
from tokwatt.studies.servers.records import Sent, Server
from tokwatt.units import Seconds, Tokens, TokensPerSecond

ROUNDS = 6
"""How often step times are corrected by what a run at the lowest rate shows of them."""
SMALLEST, LARGEST = 0.1, 10.0
"""Range of the factors of step times."""
STEPS = ("calibrated", "fitted")
"""Step times of a simulation: the account's, and with two factors from a server's lowest rate."""


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
        requests = pairs_of(sent.prompt, sent.output, np.ones(len(sent.prompt)))
        limits = limits_of(self.account, self.instance, self.longest, requests)
        self.limits = limits._replace(
            sequences=int(server.max_num_seqs) or limits.sequences,
            tokens=int(server.max_num_batched_tokens) or limits.tokens,
            blocks=self._blocks(server.kv_tokens) or limits.blocks,
        )

    def scores(self, place: int, factors: tuple[float, float] = (1.0, 1.0)) -> Scores:
        """A run as it is simulated, with step times by two factors longer than the account's."""
        server = self.server
        table = StepTable(self.account, self.instance, self.limits, self.longest, *factors)
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
