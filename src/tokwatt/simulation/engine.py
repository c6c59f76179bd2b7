"""One engine that batches continuously: a queue, running requests, a KV cache pool in blocks."""

from collections import deque
from collections.abc import Generator
from heapq import heappop, heappush
from itertools import takewhile
from typing import Protocol

from tokwatt.params.errors import ParameterError
from tokwatt.simulation.prefixes import PrefixCache
from tokwatt.simulation.requests import Limits, Request
from tokwatt.units import Seconds, Sequences, Tokens

STRETCH = 64
"""Most steps that are taken at once where nothing but decoding happens."""


class Steps(Protocol):
    """How long iterations last."""

    def decoding(self, batch: Sequences, total: Tokens) -> Seconds:
        """One that decodes a batch of so many tokens in all."""

    def filling(
        self, batch: Sequences, total: Tokens, prompts: Tokens, attended: Tokens
    ) -> Seconds:
        """One that also takes in prompt tokens."""


class SimulatedEngine:
    """An engine, and what it has left to be read.

    Args:
        steps: how long its iterations last.
        limits: what it holds.

    Attributes:
        arriving: requests to come, in the order of arrival.
        segments: steps since they were last read.
        spans: stretches of running requests since they were last read.
        done: finished requests since they were last read.
        pauses: times between two tokens of requests that were preempted in between.
        running: requests that run, in the order of admission.
        step: steps taken.
        blocked: for how many steps what kept the first request in the queue from being admitted,
            since somebody has waited without a break; empty where nobody waits.
        since: when that began.
        in_flight: requests that were offered and have not ended.
    """

    def __init__(self, steps: Steps, limits: Limits) -> None:
        self.steps, self.limits = steps, limits
        self.arriving: deque[Request] = deque()
        self.segments: list[tuple] = []  # of the fields of Segment, which is slower to make
        self.spans: list[tuple[int, int, int, int]] = []
        self.done: list[Request] = []
        self.pauses: list[float] = []
        self.running: dict[int, Request] = {}
        self.step = 0
        self.blocked: dict[str, int] = {}
        self.since = 0.0
        self.in_flight = 0
        self._prompts = 0  # tokens of requests without a first token, as of the last step taken
        self._filled: list[Request] = []  # whose prompts that step ends, if it takes in any
        self._serving = self._serve()
        next(self._serving)

    def offer(self, request: Request) -> None:
        """A request that arrives later than all before it.

        Raises:
            ParameterError: where the whole pool is too small for it.
        """
        limits = self.limits
        if -(-(request.prompt + request.output) // limits.block_size) > limits.blocks:
            raise ParameterError(
                f"request {request.number}: has {request.prompt + request.output} tokens, wanted at"
                f" most {limits.blocks * limits.block_size}, what the KV cache pool holds."
            )
        self.in_flight += 1
        self._prompts += request.prompt
        self.arriving.append(request)

    def advance(self, until: Seconds) -> None:
        """Take all steps that begin before a time, up to which every request has been offered."""
        self._serving.send(until)

    def load(self, time: Seconds) -> int:
        """Requests that have not ended at a time, up to which it advanced: not all of a step."""
        ended = takewhile(lambda it: it.finished > time, reversed(self.done))
        return self.in_flight + sum(1 for _ in ended)

    def work(self, time: Seconds) -> Tokens:
        """Prompt tokens of requests that have no first token at a time, up to which it advanced."""
        return self._prompts + sum(it.prompt for it in self._filled if it.first > time)

    def check(self, running: dict[int, Request], used: int, total: float, step: int) -> None:
        """Called after each change where a subclass wants to see it."""

    def _serve(self) -> Generator[None, float, None]:
        # One long function on purpose: its variables are local, which makes it three times as fast.
        decoding, filling_time = self.steps.decoding, self.steps.filling
        most, budget_of, blocks, size, caching, warm = self.limits
        arriving, segments, spans, done = self.arriving, self.segments, self.spans, self.done
        cache = PrefixCache(size)
        for prefix, tokens in warm.items():
            cache.keep(prefix, tokens)
        cache.shrink(cache.held - blocks)
        watched = type(self).check is not SimulatedEngine.check
        waiting: list[tuple[int, float, int, Request]] = []
        ending: list[tuple[int, int, Request]] = []
        running = self.running
        partial: list[Request] = []  # of whose prompts a part is taken in
        grown = [0] * size  # decoding requests by the step, modulo `size`, that wants a new block
        now = total = 0.0
        step = batch = used = 0
        until = yield
        while True:
            while arriving and arriving[0].arrival <= now:
                request = arriving.popleft()
                heappush(waiting, (request.priority, request.arrival, request.number, request))
            if now >= until:
                self.step = step
                until = yield
                continue
            if not (batch or partial or waiting):
                if arriving and arriving[0].arrival < until:
                    now = arriving[0].arrival
                else:
                    self.step = step
                    until = yield
                continue

            # Blocks for the tokens to come; the last admitted give theirs away if there are none.
            wanted = grown[step % size]
            preempting = used + wanted > blocks
            while used + wanted > blocks:
                request = running.popitem()[1]
                if request.joined < 0:
                    partial.remove(request)
                    held = request.prompt + request.made
                else:
                    batch -= 1
                    held = request.prompt + request.made + step - request.joined
                    total -= held
                    grown[(request.joined - request.prompt - request.made) % size] -= 1
                    wanted = grown[step % size]
                spans.append((request.number, request.began, request.joined, step))
                used -= -(-held // size)
                if request.joined >= 0:
                    request.made += 1 + step - request.joined
                request.joined = request.finish = -1
                request.position = 0
                request.preempted += 1
                request.stopped = now
                heappush(waiting, (request.priority, request.arrival, request.number, request))

            # Prompts: those begun, then those that wait, as far as tokens and blocks go.
            prompts = attended = 0
            filled: list[Request] = []
            if partial or waiting:
                budget = budget_of - batch
                used += wanted
                begun, partial = partial, []
                for request in begun:
                    length = request.prompt + request.made
                    taken = min(length - request.position, budget)
                    attended += taken * (2 * request.position + taken)
                    request.position += taken
                    prompts += taken
                    budget -= taken
                    (filled if request.position == length else partial).append(request)
                reason = "prefill"
                while waiting and not preempting:
                    if len(running) >= most:
                        reason = "batch"
                        break
                    if budget <= 0:
                        break
                    request = waiting[0][3]
                    length = request.prompt + request.made
                    needed = -(-length // size)
                    if used + needed > blocks:
                        reason = "KV cache pool"
                        break
                    heappop(waiting)
                    hits = request.reused if request.made == 0 else 0
                    if caching and request.prefix >= 0:
                        hits = cache.take(request.prefix, hits)
                    hits = min(hits, length - 1)
                    used += needed
                    taken = min(length - hits, budget)
                    attended += taken * (2 * hits + taken)
                    request.position = hits + taken
                    request.began = step
                    if request.admitted < 0:
                        request.admitted, request.hits = now, hits
                    prompts += taken
                    budget -= taken
                    running[request.number] = request
                    (filled if request.position == length else partial).append(request)
                used -= wanted
                if not waiting:
                    self.blocked.clear()
                else:
                    reason = "KV cache pool" if preempting else reason
                    if not self.blocked:
                        self.since = now
                    self.blocked[reason] = self.blocked.get(reason, 0) + 1

            # The step, or as many as pass before anything else can happen.
            if prompts:
                count, mean, grows = 1, total + batch, wanted
                if prompts == len(filled) and not partial:
                    # Of each prompt one token is left: it is as any other that is decoded.
                    mean += (attended + prompts) / 2
                    duration = decoding(batch + prompts, mean)
                    prompts = attended = 0
                else:
                    duration = filling_time(batch, mean, prompts, attended)
            else:
                count = min(ending[0][0] - step, STRETCH)
                first = decoding(batch, total + batch)
                if not waiting:
                    left = (arriving[0].arrival if arriving else until) - now
                    if left < count * first:
                        count = int(left / first) + 1
                        while (
                            count > 1
                            and left
                            <= (count - 1)
                            * (first + decoding(batch, total + batch * (count - 1)))
                            / 2
                        ):
                            count -= 1
                grows = wanted if count == 1 else _growth(grown, batch, step, count)
                while used + grows > blocks:
                    count -= 1
                    grows = _growth(grown, batch, step, count)
                mean = total + batch * (count + 1) / 2
                duration = count * (
                    first if count == 1 else (first + decoding(batch, total + batch * count)) / 2
                )
            used += grows
            if caching and used + cache.held > blocks:
                cache.shrink(used + cache.held - blocks)
            inside = len(partial) + len(filled)
            segments.append(
                (now, duration, count, batch, mean, prompts, attended, inside, used, len(waiting))
            )
            now += duration
            step += count
            total += batch * count

            # What it brings: last tokens, and first tokens.
            ended: list[Request] = []
            while ending and ending[0][0] <= step:
                request = heappop(ending)[2]
                if request.finish != step or request.joined < 0:
                    continue  # preempted since
                batch -= 1
                total -= request.prompt + request.output - 1
                grown[(request.joined - request.prompt - request.made) % size] -= 1
                ended.append(request)
            if filled:
                self._filled = filled
            for request in filled:
                if request.first < 0:
                    request.first = now
                    self._prompts -= request.prompt
                elif request.made:
                    self.pauses.append(now - request.stopped)
                held = request.prompt + request.made
                left_over = request.output - request.made - 1
                request.joined = step
                if left_over:
                    request.finish = step + left_over
                    batch += 1
                    total += held
                    grown[(step - held) % size] += 1
                    heappush(ending, (request.finish, request.number, request))
                else:
                    ended.append(request)
            for request in ended:
                held = request.prompt + request.output - 1
                used -= -(-held // size)
                request.finished, request.finish = now, -1
                spans.append((request.number, request.began, request.joined, step))
                done.append(request)
                del running[request.number]
                if caching and request.prefix >= 0:
                    cache.keep(request.prefix, held)
            self.in_flight -= len(ended)
            if watched:
                self.check(running, used, total, step)


def _growth(grown: list[int], batch: int, step: int, count: int) -> int:
    """Blocks that so many steps want beyond those in use."""
    size = len(grown)
    whole, rest = divmod(count, size)
    at = step % size
    wrapped = at + rest - size
    partly = sum(grown[at:]) + sum(grown[:wrapped]) if wrapped > 0 else sum(grown[at : at + rest])
    return whole * batch + partly
