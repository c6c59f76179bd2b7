"""The same calculations as others write them: NumPy and SciPy, numba, and the paper's fleet-sim.

Nothing here imports tokwatt. A profile is anything with the fields of `tokwatt.specs.Profile` as
plain numbers.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy.special import gammaincc, gammaln

TARGET, MAX_UTILIZATION, OUTPUT_SHARE, LONGEST, OVERFLOW = 0.5, 0.85, 0.2, 65536, 2.0


# --- operating points


def concurrency(profile: Any, window: Any) -> Any:
    scaled = np.floor(profile.max_sequences * profile.calibration_length / window)
    return np.minimum(scaled, np.floor(profile.kv_blocks / np.ceil(window / profile.block_size)))


def power(profile: Any, batch: Any) -> Any:
    curve = profile.power
    return curve.idle + (curve.nominal - curve.idle) / (
        1 + np.exp(-curve.steepness * (np.log2(batch) - curve.log2_midpoint))
    )


def points(profile: Any, window: Any, utilization: Any, fill: Any) -> Any:
    """Tokens per joule, in NumPy."""
    batch = utilization * concurrency(profile, window)
    latency = (
        profile.weight_time
        + profile.scan_time * (fill * window / profile.calibration_length) * batch
    )
    return batch / latency / power(profile, batch)


def tight_points(profile: Any, threads: int) -> Callable:
    """Tokens per joule of a block, in a compiled loop: what an axis does not change is outside."""
    import numba

    curve = profile.power
    weight, scan, length, size = (
        profile.weight_time,
        profile.scan_time,
        profile.calibration_length,
        profile.block_size,
    )
    blocks, sequences = profile.kv_blocks, profile.max_sequences
    idle, span, steepness, midpoint = (
        curve.idle,
        curve.nominal - curve.idle,
        curve.steepness,
        curve.log2_midpoint,
    )
    numba.set_num_threads(threads)

    @numba.njit(parallel=True, error_model="numpy")
    def block(windows, utilizations, fills, out):
        for row in numba.prange(len(windows) * len(utilizations)):
            window = windows[row // len(utilizations)]
            held = min(
                np.floor(sequences * length / window), np.floor(blocks / np.ceil(window / size))
            )
            batch = utilizations[row % len(utilizations)] * held
            watts = idle + span / (1 + np.exp(-steepness * (np.log2(batch) - midpoint)))
            for column in range(len(fills)):
                out[row, column] = (
                    batch / (weight + scan * (fills[column] * window / length) * batch) / watts
                )

    return block


def fleet_sim_points(
    windows: Sequence[int], utilizations: Sequence[float], fills: Sequence[float]
) -> np.ndarray:
    """Tokens per joule, point by point with fleet-sim's own profile."""
    from fleet_sim.gpu_profiles.profiles import H100_80GB as gpu

    points = []
    for window in windows:
        for utilization in utilizations:
            for fill in fills:
                batch = utilization * gpu.n_slots(window)
                points.append(
                    batch / gpu.iter_latency(batch, fill * window) / gpu.power_at_concurrency(batch)
                )
    return np.reshape(points, (len(windows), len(utilizations), len(fills)))


# --- waiting


def erlang_c(
    servers: Any,
    load: Any,
    gammaincc: Callable = gammaincc,
    gammaln: Callable = gammaln,
    numpy: Any = np,
) -> Any:
    """Erlang C by the incomplete gamma function, in SciPy or, with its functions, in JAX."""
    blocked = numpy.exp(servers * numpy.log(load) - load - gammaln(servers + 1)) / gammaincc(
        servers + 1, load
    )
    return blocked / (1 - load / servers * (1 - blocked))


def wait_99(servers: Any, arrival_rate: Any, service_rate: Any, scv: Any) -> Any:
    spare = servers * service_rate - arrival_rate
    delayed = np.maximum(1.0, erlang_c(servers, arrival_rate / service_rate) / 0.01)
    return np.where(
        spare > 0, np.log(delayed) * (1 + scv) / (2 * np.where(spare > 0, spare, 1)), np.inf
    )


def least_instances(start: Any, rate: Any, service_rate: Any, scv: Any, slots: Any) -> Any:
    """Count up from `start`, all pools at once, those that still wait too long."""
    count, rate, service_rate, scv, slots = (
        np.array(array, float)
        for array in np.broadcast_arrays(start, rate, service_rate, scv, slots)
    )
    pending = np.ones(count.shape, bool)
    while pending.any():
        late = (
            wait_99(
                (count * slots)[pending],
                rate[pending],
                (service_rate / slots)[pending],
                scv[pending],
            )
            > TARGET
        )
        pending[pending] = late
        count[pending] += 1
    return np.maximum(count, np.ceil(rate / (service_rate * MAX_UTILIZATION)))


# --- fleets


class Service(NamedTuple):
    """Moments of a pool's service time."""

    rate: float
    scv: float
    slots: int


def request_sums(chunk: float) -> np.ndarray:
    """Running sums of (1, output, steps, steps l, steps^2, steps^2 l, steps^2 l^2) over lengths."""
    return _running(np.ones(LONGEST), chunk)


def weighted_sums(workload: Any, chunk: float) -> np.ndarray:
    """The same, each length weighted by its probability."""
    within = np.interp(
        np.arange(LONGEST + 1.0), np.append(0, workload.lengths), np.append(0, workload.fractions)
    )
    return _running(np.diff(within), chunk)


def _running(weights: np.ndarray, chunk: float) -> np.ndarray:
    length = np.arange(1.0, LONGEST + 1)
    prompt = np.maximum(1, np.trunc((1 - OUTPUT_SHARE) * length))
    output = np.maximum(1, length - prompt)
    total, steps = prompt + output, np.ceil(prompt / chunk) + output
    powers = np.stack(
        [
            np.ones(LONGEST),
            output,
            steps,
            steps * total,
            steps**2,
            steps**2 * total,
            (steps * total) ** 2,
        ]
    )
    return np.concatenate([np.zeros((7, 1)), np.cumsum(weights * powers, axis=1)], axis=1).T


def service(profile: Any, slots: int, mean: Sequence[float]) -> Service:
    """Service at full concurrency from mean (steps, steps l, steps^2, steps^2 l, steps^2 l^2)."""
    fixed, scan = profile.weight_time, profile.scan_time * slots / profile.calibration_length
    first = fixed * mean[0] + scan * mean[1]
    second = fixed**2 * mean[2] + 2 * fixed * scan * mean[3] + scan**2 * mean[4]
    return Service(slots / first, second / first**2 - 1, slots)


def law_mean(
    cdf: Sequence[tuple[int, float]], window: int, sums: np.ndarray, shortest: int = 1
) -> np.ndarray:
    """What fleet-sim estimates by 3,000 draws: exact means, over bins that a window may cut."""
    mean, before, reached = np.zeros(5), 0, 0.0
    for knot, fraction in cdf:
        low, high = max(before, shortest - 1), min(window, knot)
        low, high = (low, high) if low < high else (window - 1, window)
        mean += max(0.0, fraction - reached) * (sums[high] - sums[low])[2:] / (high - low)
        before, reached = knot, max(reached, fraction)
    return mean


def law_within(cdf: Sequence[tuple[int, float]], length: int) -> float:
    knots, fractions = zip(*cdf, strict=True)
    return float(np.interp(length, (0, *knots), (0, *fractions)))


def split_law(cdf: Sequence[tuple[int, float]], cut: int) -> tuple[list, list]:
    """The laws below and above a length, as fleet-sim splits them."""
    share = law_within(cdf, cut)
    short = [(knot, fraction / share) for knot, fraction in cdf if knot < cut] + [(cut, 1.0)]
    long = [(knot, (fraction - share) / (1 - share)) for knot, fraction in cdf if knot > cut]
    return short, long


def mean_output(cdf: Sequence[tuple[int, float]]) -> int:
    knots, fractions = np.array(cdf).T
    middles = knots - np.diff(knots, prepend=0) / 2
    return max(1, int(OUTPUT_SHARE * float(np.sum(np.diff(fractions, prepend=0) * middles))))


def paper_fleets(
    profile: Any, workload: Any, splits: Sequence[int], rates: np.ndarray
) -> dict[str, np.ndarray]:
    """Two pools by the paper's rules with exact moments: a loop over splits alone."""
    sums, cdf = request_sums(profile.prefill_chunk), law_of(workload)
    rows = []
    for split in splits:
        cut = int(OVERFLOW * split)
        share = law_within(cdf, cut)
        for law, part, window in zip(
            split_law(cdf, cut), (share, 1 - share), (split, LONGEST), strict=True
        ):
            rows.append(
                [
                    part,
                    *service(
                        profile, int(concurrency(profile, window)), law_mean(law, window, sums)
                    ),
                    mean_output(law),
                ]
            )
    part, rate, scv, slots, outputs = np.array(rows).T.reshape(5, len(splits), 2, 1)
    arrivals, scv = part * rates, np.maximum(0.01, scv)
    instances = least_instances(
        np.maximum(1, np.ceil(arrivals / rate) + 1), arrivals, rate, scv, slots
    )
    watts = instances * power(
        profile, np.maximum(1, np.trunc(arrivals / (instances * rate) * slots))
    )
    return _fleet(instances, watts, arrivals * outputs)


def plain_fleets(
    profile: Any, workload: Any, splits: Sequence[int], rates: np.ndarray
) -> dict[str, np.ndarray]:
    """Two pools by plain rules: requests as they are, a search from the load, real batch sizes."""
    sums = weighted_sums(workload, profile.prefill_chunk)
    edges = [(low, high) for split in splits for low, high in ((0, split), (split, LONGEST))]
    parts = np.array([sums[high] - sums[low] for low, high in edges])
    rows = [
        [sums[0], *service(profile, int(concurrency(profile, high)), sums[2:] / sums[0]), sums[1]]
        for sums, (_, high) in zip(parts, edges, strict=True)
    ]
    part, rate, scv, slots, outputs = np.array(rows).T.reshape(5, len(splits), 2, 1)
    arrivals = part * rates
    instances = least_instances(
        np.maximum(1, np.ceil(arrivals / (rate * MAX_UTILIZATION))), arrivals, rate, scv, slots
    )
    watts = instances * power(profile, arrivals / (instances * rate) * slots)
    return _fleet(instances, watts, outputs * rates)


def _fleet(
    instances: np.ndarray, watts: np.ndarray, throughput: np.ndarray
) -> dict[str, np.ndarray]:
    power, tokens = watts.sum(1), throughput.sum(1)
    sums = {"instances": instances.sum(1), "power": power, "throughput": tokens}
    return sums | {"tokens_per_joule": tokens / power}


def law_of(workload: Any) -> list[tuple[int, float]]:
    """A workload as fleet-sim writes it."""
    return [
        (int(knot), float(fraction))
        for knot, fraction in zip(workload.lengths, workload.fractions, strict=True)
    ]


def fleet_sim_fleets(
    cdf: list[tuple[int, float]], splits: Sequence[int], rates: Sequence[float]
) -> dict[str, np.ndarray]:
    """Two pools by fleet-sim itself, one after the other."""
    from fleet_sim.gpu_profiles.profiles import H100_80GB as gpu
    from fleet_sim.optimizer import _split_cdf, analytical, fleet_tpw_analysis

    fleets = []
    for split in splits:
        for rate in rates:
            cut = int(OVERFLOW * split)
            short, long, _ = _split_cdf(cdf, cut)
            share = min(1.0, analytical.cdf_eval(cdf, cut))
            pools = [
                {"gpu": gpu, "cdf": short, "lam": share * rate, "max_ctx": split},
                {"gpu": gpu, "cdf": long, "lam": (1 - share) * rate, "max_ctx": LONGEST},
            ]
            fleet = fleet_tpw_analysis(pools, rate, 1000 * TARGET)
            fleets.append((fleet.total_gpus, 1000 * fleet.fleet_power_kw, fleet.fleet_tpw))
    columns = np.array(fleets).T.reshape(3, len(splits), len(rates))
    return dict(zip(("instances", "power", "tokens_per_joule"), columns, strict=True))


def fleet_sim_optimized(
    cdf: list[tuple[int, float]], splits: Sequence[int], rate: float
) -> list[tuple[int, Any]]:
    """Fleets that fleet-sim's optimizer may buy, the cheapest first; none of them is simulated."""
    from fleet_sim.gpu_profiles.profiles import H100_80GB as gpu
    from fleet_sim.optimizer import FleetOptimizer

    found = []
    for split in splits:
        own = FleetOptimizer(gpu, gpu, split, 1000 * TARGET, LONGEST)
        report = own.optimize(cdf, rate, verify_top_n=0, verbose=False)
        found += [(split, fleet) for fleet in report.analytical if fleet.slo_met]
    return sorted(found, key=lambda it: it[1].cost_per_hr)


def fleet_sim_served(cdf: list[tuple[int, float]], rate: float, instances: int, count: int) -> int:
    """Requests that fleet-sim's discrete events serve by one pool."""
    from fleet_sim import core
    from fleet_sim.gpu_profiles.profiles import H100_80GB as gpu

    draws = np.random.default_rng(0)
    knots, shares = np.array([(0.0, 0.0), *cdf]).T
    lengths = np.maximum(2, np.rint(np.interp(draws.uniform(size=count), shares, knots)))
    outputs = np.maximum(1, np.rint(OUTPUT_SHARE * lengths))
    arrivals = np.cumsum(draws.exponential(1 / rate, count))
    columns = arrivals, (lengths - outputs).astype(int), outputs.astype(int)
    asked = [
        (arrival, core.Request(number, arrival, prompt, output))
        for number, (arrival, prompt, output) in enumerate(
            zip(*(column.tolist() for column in columns), strict=True)
        )
    ]
    pool = core.PoolConfig("pool", gpu, instances, gpu.calibration_ctx)
    fleet = core.Fleet(core.FleetConfig([pool], router_type="RandomRouter"))
    return len(fleet.run(asked).completed)


class ExactFleetSim:
    """fleet-sim with its 3,000 draws replaced by exact moments, as a context."""

    def __init__(self, chunk: float):
        self.sums = request_sums(chunk)

    def __enter__(self) -> None:
        from fleet_sim.optimizer import analytical

        self.module, self.sampled = analytical, analytical.calibrate
        analytical.calibrate = self.calibrate

    def __exit__(self, *_: object) -> None:
        self.module.calibrate = self.sampled

    def calibrate(
        self, cdf: list, window: int, gpu: Any, lo_clamp: int = 1
    ) -> tuple[float, float, int, float]:
        slots, mean = gpu.n_slots(window), law_mean(cdf, window, self.sums, lo_clamp)
        scan = gpu.H * slots / gpu.calibration_ctx
        first = gpu.W * mean[0] + scan * mean[1]
        second = gpu.W**2 * mean[2] + 2 * gpu.W * scan * mean[3] + scan**2 * mean[4]
        return slots / first, max(0.01, second / first**2 - 1), slots, 0.0
