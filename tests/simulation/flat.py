"""Engines whose steps are known, and which look at themselves after each change."""

from tokwatt.simulation.engine import SimulatedEngine
from tokwatt.simulation.requests import Limits, Request


class FlatSteps:
    """Steps of one duration, longer by a share for each running request and each prompt token."""

    def __init__(self, fixed=1.0, each=0.0, prompt=0.0):
        self.fixed, self.each, self.prompt = fixed, each, prompt

    def decoding(self, batch, total):
        return self.fixed + self.each * batch

    def filling(self, batch, total, prompts, attended):
        return self.fixed + self.each * batch + self.prompt * prompts


class CheckedEngine(SimulatedEngine):
    """Blocks and tokens in use are those of the running requests, whatever happened."""

    checks = 0

    def check(self, running, used, total, step):
        size = self.limits.block_size
        requests = list(running.values())
        held = [
            request.prompt + request.made + max(0, step - request.joined) * (request.joined >= 0)
            for request in requests
        ]
        assert used == sum(-(-tokens // size) for tokens in held) <= self.limits.blocks
        decoding = [request.joined >= 0 for request in requests]
        assert total == sum(t for t, decodes in zip(held, decoding, strict=True) if decodes)
        assert len(requests) <= self.limits.sequences
        waiting = self.in_flight - len(requests)
        assert waiting >= 0
        type(self).checks += 1


def served(steps, limits, rows, engine_type=CheckedEngine):
    """The engine after it has served rows of arrival, prompt, output and, if it has, more."""
    engine = engine_type(steps, limits)
    for number, row in enumerate(sorted(rows, key=lambda row: row[0])):
        engine.offer(Request(number, *row))
    engine.advance(float("inf"))
    return engine


def ample(sequences=10**6):
    """Limits that are never met."""
    return Limits(sequences, 10**9, 10**9, 16)
