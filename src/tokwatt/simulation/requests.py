"""Requests on their way, and what an engine holds and leaves behind."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from tokwatt.units import DimensionlessAxis, Seconds, SecondsAxis, SequencesAxis, TokensAxis


class Limits(NamedTuple):
    """What an engine holds and how much a step of it takes.

    Attributes:
        sequences: most running requests, `max_num_seqs`.
        tokens: most tokens of a step, `max_num_batched_tokens`.
        blocks: KV blocks of the pool.
        block_size: tokens of a block.
        caching: whether blocks of finished requests serve later ones of the same prefix.
        warm: tokens of each prefix that the cache holds from the start.
    """

    sequences: int
    tokens: int
    blocks: int
    block_size: int
    caching: bool = False
    warm: Mapping[int, int] = MappingProxyType({})


class Request:
    """A request on its way: what it asks, how far it is, and when it got there.

    Attributes:
        number: its place in the order of arrival.
        arrival: when it arrives.
        prompt: prompt tokens.
        output: output tokens.
        reused: prompt tokens that a prefix cache may hold.
        prefix: whose blocks those are; -1: the cache holds them without further ado.
        priority: requests of a smaller number go first.
        made: output tokens before it was preempted.
        position: tokens that are computed.
        joined: step from which it decodes; -1 where it does not.
        finish: step after which it ends.
        began: step in which it was admitted.
        admitted: when that was, for the first time.
        first: when its first token came; negative before.
        finished: when it ended.
        preempted: how often its blocks were taken away.
        stopped: when they last were.
        hits: prompt tokens that the prefix cache held.
    """

    __slots__ = (
        "admitted",
        "arrival",
        "began",
        "finish",
        "finished",
        "first",
        "hits",
        "joined",
        "made",
        "number",
        "output",
        "position",
        "preempted",
        "prefix",
        "priority",
        "prompt",
        "reused",
        "stopped",
    )

    def __init__(
        self,
        number: int,
        arrival: Seconds,
        prompt: int,
        output: int,
        reused: int = 0,
        prefix: int = -1,
        priority: int = 0,
    ) -> None:
        self.number, self.arrival, self.prompt, self.output = number, arrival, prompt, output
        self.reused, self.prefix, self.priority = reused, prefix, priority
        self.made = self.position = self.preempted = self.hits = 0
        self.joined = self.finish = self.began = -1
        self.admitted = self.first = self.finished = self.stopped = -1.0


class Segment(NamedTuple):
    """Steps of one kind, one after the other; or an array of each number of many of them.

    Attributes:
        start: when they begin.
        duration: how long they last together.
        steps: how many there are.
        batch: requests that decode.
        total: tokens that those hold in the mean step.
        prompts: prompt tokens that are taken in.
        attended: tokens that those attend to, twice the pairs.
        filling: requests whose prompts are taken in; without prompts those of which one token was
            left, which decode beside the batch.
        blocks: KV blocks in use.
        waiting: requests that wait.
    """

    start: SecondsAxis
    duration: SecondsAxis
    steps: DimensionlessAxis
    batch: SequencesAxis
    total: TokensAxis
    prompts: TokensAxis
    attended: TokensAxis
    filling: SequencesAxis
    blocks: DimensionlessAxis
    waiting: SequencesAxis


class Span(NamedTuple):
    """Steps during which a request ran: from `began` on, decoding from `joined` on, to `ended`."""

    request: int
    began: int
    joined: int
    ended: int
