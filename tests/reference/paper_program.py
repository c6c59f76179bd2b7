"""Queues, request lengths and fleets of the program behind arXiv:2603.17280 in plain Python.

Written from a description of the program's behaviour (vllm-project/semantic-router, fleet-sim at
a86f4a281), not from its code; it imports nothing of tokwatt. `expected.json` beside this file is
what the program itself prints.
"""

from dataclasses import dataclass, replace
from math import ceil, inf, log, trunc
from random import Random


def erlang_c(servers, load):
    """Probability of delay in M/M/c by the recursion of the reciprocal blocking probability."""
    if servers <= 0 or load <= 0:
        return 0.0
    if load / servers >= 1:
        return 1.0
    inverse = 1.0
    for server in range(1, int(servers) + 1):
        inverse = 1 + server / load * inverse
        if inverse > 1e300:
            return 0.0
    blocked, busy = 1 / inverse, load / servers
    return blocked / (1 - busy + busy * blocked)


def wait_99(servers, arrivals, service_rate, scv):
    if min(servers, arrivals, service_rate) <= 0 or arrivals / service_rate / servers >= 1:
        return inf
    delayed = erlang_c(servers, arrivals / service_rate)
    if delayed <= 0.01:
        return 0.0
    decay = 2 * (servers * service_rate - arrivals) / max(1e-9, 1 + scv)
    return log(delayed / 0.01) / decay


def instances_required(arrivals, service_rate, target, scv, most=0.85, slots=1):
    """Instances by the search that starts one above the load and by the bound on utilization."""
    if arrivals <= 0:
        return 1
    count = max(1, ceil(arrivals / service_rate) + 1)
    while wait_99(count * slots, arrivals, service_rate / slots, scv) > target:
        count += 1
        if count > 5000:
            return count
    return count if most >= 1 else max(count, ceil(arrivals / (service_rate * most)))


# --- request lengths


def draws(knots, window, smallest=1, count=3000):
    """Lengths as the program draws them: a bin by a uniform number, a length by `randint`."""
    generator, lengths = Random(42), []
    bins = [(fraction, *ends) for fraction, _, ends in _bins(knots, window, smallest)]
    for _ in range(count):
        number = generator.random()
        low, high = next(ends for fraction, *ends in bins if number <= fraction)
        lengths.append(generator.randint(low, high) if low <= high else int(window))
    return [(length, 1 / count) for length in lengths]


def summed(knots, window, smallest=1):
    """Every length that can be drawn, with its probability."""
    lengths = []
    for _, mass, (low, high) in _bins(knots, window, smallest):
        inside = range(low, high + 1) if low <= high else [int(window)]
        lengths += [(length, mass / len(inside)) for length in inside]
    return lengths


def _bins(knots, window, smallest):
    """Share of requests up to each bin's end, share in it, and its shortest and longest length."""
    below, within = 0, 0.0
    for knot, fraction in knots:
        ends = (max(smallest, below + 1), min(int(window), int(knot)))
        yield fraction, max(0.0, fraction - within), ends
        below, within = int(knot), max(within, fraction)


def fraction_within(knots, length):
    """Share of requests of at most `length` tokens, linear between knots and through the origin."""
    below, share = 0.0, 0.0
    for knot, fraction in knots:
        if length <= knot:
            return share + (fraction - share) * (length - below) / (knot - below)
        below, share = knot, fraction
    return share


def split(knots, cut):
    """The distributions of the short pool and of the long one."""
    share = min(max(fraction_within(knots, cut), 1e-6), 1 - 1e-6)
    short = [(knot, fraction / share) for knot, fraction in knots if knot <= cut]
    if short and short[-1][0] == cut:
        short.pop()
    upper = [(knot, fraction) for knot, fraction in knots if knot > cut]
    long = [(knot, max(0.0, (fraction - share) / (1 - share))) for knot, fraction in upper]
    long = [*long[:-1], (long[-1][0], 1.0)] if long else [(cut + 1, 1.0)]
    return [*short, (cut, 1.0)], long


def mean_output(knots, share=0.20):
    """Output tokens credited to each request of a distribution, cut to a whole number."""
    below, within, total, mass = 0.0, 0.0, 0.0, 0.0
    for knot, fraction in knots:
        total += (fraction - within) * (below + (knot - below) / 2)
        mass += fraction - within
        below, within = knot, fraction
    return max(1, trunc(share * (total / mass)))


# --- pools and fleets


@dataclass(frozen=True)
class Demand:
    arrivals: float = 1000.0
    target: float = 0.5
    most: float = 0.85
    forced: float = 0.0


@dataclass(frozen=True)
class Pool:
    arrivals: float
    slots: int
    service_rate: float
    scv: float
    prefill: float
    instances: int
    utilization: float
    power: float
    output: int
    wait: float


def size_pool(knots, profile, window, demand, law=draws):
    """A pool with its service averaged over 3,000 draws, or over every length by `summed`."""
    mean, square, prefill = 0.0, 0.0, 0.0
    for length, weight in law(knots, window):
        prompt = max(1, trunc(0.80 * length))
        time = profile.service(prompt, max(1, length - prompt), window)
        mean, square = mean + weight * time, square + weight * time**2
        prefill += weight * ceil(prompt / profile.chunk) * profile.latency(1)
    slots = profile.slots(window)
    rate, scv = slots / mean, max(0.01, square / mean**2 - 1)
    arrivals = demand.arrivals
    if demand.forced:
        count = max(1, ceil(arrivals / (rate * min(max(demand.forced, 0.05), 0.95))))
    else:
        count = instances_required(arrivals, rate, demand.target, scv, demand.most, slots)
    busy = arrivals / (count * rate)
    return Pool(
        arrivals=arrivals,
        slots=slots,
        service_rate=rate,
        scv=scv,
        prefill=prefill,
        instances=count,
        utilization=busy,
        power=profile.power(max(1, trunc(busy * slots))),
        output=mean_output(knots),
        wait=wait_99(count * slots, arrivals, rate / slots, scv),
    )


def fleet(knots, profile, demand, window=65536, short=0, overflow=1.0, law=draws):
    """One pool, or two where `short` is the window of requests of up to `overflow` times it."""
    if not short:
        return [size_pool(knots, profile, window, demand, law)]
    cut = trunc(overflow * short)
    share, (lower, upper) = min(1.0, fraction_within(knots, cut)), split(knots, cut)
    rates = share * demand.arrivals, (1 - share) * demand.arrivals
    return [
        size_pool(lower, profile, short, replace(demand, arrivals=rates[0]), law),
        size_pool(upper, profile, window, replace(demand, arrivals=rates[1]), law),
    ]


def totals(pools):
    """Instances, watts of one GPU of each, credited tokens a second and tokens per joule."""
    watts = sum(pool.instances * pool.power for pool in pools)
    credited = sum(pool.arrivals * pool.output for pool in pools)
    count = sum(pool.instances for pool in pools)
    return {
        "instances": count,
        "power": watts,
        "credited": credited,
        "tokens_per_joule": credited / watts,
    }
