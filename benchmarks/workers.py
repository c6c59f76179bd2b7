"""What is measured; `python -m benchmarks NAME THREADS` prints rows as JSON lines.

Results are asserted equal before anything is timed: integers exactly, numbers to 1e-9 of
themselves.
"""

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from resource import RUSAGE_SELF, getrusage
from typing import Any

import numpy as np

from benchmarks import machine, peers
from benchmarks.timing import OURS, RUNS, Row, rates, seconds, shared

PARAMS = Path(__file__).parent.parent / "params"
WINDOWS, SHARES, FILLS = (
    np.round(np.geomspace(1024, 65536, 512)),
    np.linspace(0.1, 1, 256),
    np.linspace(0.1, 1, 256),
)
PLANE = np.round(np.geomspace(1024, 65536, 8192)), np.linspace(0.1, 1, 4096), np.array([0.5])
SPLITS, RATES = (
    np.unique(np.round(np.geomspace(128, 6000, 128))).astype(int),
    np.geomspace(10, 10000, 1024),
)
PLAIN_RULES = {
    "lengths": "exact",
    "oversized": "fitting_window",
    "long_pool": "from_split",
    "output_rounding": "none",
    "batch_rounding": "none",
    "search_start": "fewest",
}
"""What changes the paper's rules for fleets to those without its rounding and clipping."""
LOOPED = slice(None, None, 32), slice(None, None, 128)
equal = partial(np.testing.assert_allclose, rtol=1e-9)


@cache
def catalogue() -> Any:
    import tokwatt

    return tokwatt.load(PARAMS)


@cache
def plain(name: str = "H100") -> Any:
    """A profile as plain numbers."""
    import jax

    return jax.tree.map(float, catalogue().profiles[name])


def account(changes: dict[str, str] | None = None, name: str = "paper") -> Any:
    """An assumption set, changed in some choices."""
    from tokwatt.accounts.assumptions import AssumptionSets

    return AssumptionSets(catalogue()).account(name, changes)


def whole_grid() -> Callable:
    """Tokens per joule of a profile over windows, utilizations and fills, in one call of jit."""
    import jax

    from tokwatt import grid
    from tokwatt.studies import models

    paper = account()
    return jax.jit(
        lambda profile, *axes: grid.nested(
            lambda **point: models.profiles(catalogue(), paper, profile, **point).tokens_per_joule,
            ("context_window", "utilization", "mean_fill"),
        )(*axes)
    )


def sweep(
    windows: np.ndarray,
    shares: np.ndarray,
    fills: np.ndarray,
    quantities: dict[str, str] | None = None,
) -> Any:
    """The operating points as a study would ask for them."""
    from tokwatt.studies import models

    axes = {"context_window": windows, "utilization": shares} | (
        {"mean_fill": fills} if len(fills) > 1 else {}
    )
    fixed = {"profile": catalogue().profiles["H100"]} | (
        {} if len(fills) > 1 else {"mean_fill": float(fills[0])}
    )
    function = partial(models.profiles, catalogue(), account())
    return streamed_sweep(function, axes, fixed, quantities or {"tokens_per_joule": "tok/J"})


def streamed_sweep(function: Callable, axes: dict, fixed: dict, quantities: dict[str, str]) -> Any:
    """Any grid as a study would ask for it."""
    from tokwatt.studies.blocks import StreamedSweep

    return StreamedSweep(
        function=function,
        axes=axes,
        fixed=fixed,
        units=dict.fromkeys(axes),
        quantities=quantities,
        dtype="float64",
        provenance={},
    )


def points(threads: int) -> list[Row]:
    """Operating points: with an axis that leaves the power alone, and with none."""
    rows = machine.fills(threads)
    for what, axes in (
        ("points, three axes", (WINDOWS, SHARES, FILLS)),
        ("points, two axes", PLANE),
    ):
        rows += _points(what, threads, *axes, limits=rows[:3])
    return rows


def _points(
    what: str,
    threads: int,
    windows: np.ndarray,
    shares: np.ndarray,
    fills: np.ndarray,
    limits: list[Row],
) -> list[Row]:
    import jax

    streamed, profile, count = (
        sweep(windows, shares, fills),
        plain(),
        len(windows) * len(shares) * len(fills),
    )
    evaluate, blocks = streamed.evaluate, list(streamed.blocks)
    whole = whole_grid()
    parts = [
        tuple(
            axis[cut]
            for axis, cut in zip((windows, shares, fills), (*region, slice(None)), strict=False)
        )
        for region in blocks
    ]
    full = [
        [np.ascontiguousarray(axis) for axis in np.meshgrid(*part, indexing="ij")] for part in parts
    ]
    all_of = np.ix_(windows, shares, fills)

    with shared(threads) as spread:
        programs: dict[str, tuple[Callable, int]] = {
            OURS: (lambda: spread(evaluate, blocks), count),
            f"{OURS}, compiled blocks alone": (
                lambda: spread(lambda part: jax.block_until_ready(whole(profile, *part)), parts),
                count,
            ),
            f"{OURS}, one call of jit": (
                lambda: jax.block_until_ready(whole(profile, windows, shares, fills)),
                count,
            ),
            "NumPy, full grid": (
                lambda: peers.points(profile, *np.broadcast_arrays(*all_of)),
                count,
            ),
            "NumPy, full grid in blocks": (
                lambda: spread(lambda part: peers.points(profile, *part), full),
                count,
            ),
            "NumPy, open axes in blocks": (
                lambda: spread(lambda part: peers.points(profile, *np.ix_(*part)), parts),
                count,
            ),
        }
        results = [evaluate(region)["tokens_per_joule"] for region in blocks]
        ones = np.asarray(whole(profile, windows, shares, fills))
        for region, part, mesh, ours in zip(blocks, parts, full, results, strict=True):
            equal(ours.reshape(mesh[0].shape), peers.points(profile, *mesh))
            equal(ours.reshape(mesh[0].shape), ones[region])
            equal(ours.reshape(mesh[0].shape), peers.points(profile, *np.ix_(*part)))
        programs |= _numba(profile, threads, parts, results, count)
        programs |= _fleet_sim(ones, windows, shares, fills)
        rows = rates(what, threads, "points/s", programs)
    rows += [
        _renamed(row, what, f"limit: one float64 a point to {row.what[8:]}", "points/s", 1e9 / 8)
        for row in limits
    ]
    if threads == 1:
        rows += _compiles(what, streamed, blocks[0], parts[0])
    return rows


def _renamed(row: Row, what: str, program: str, unit: str, factor: float) -> Row:
    return row._replace(
        what=what, program=program, unit=unit, values=[factor * value for value in row.values]
    )


def _numba(
    profile: Any, threads: int, parts: list, results: list, count: int
) -> dict[str, tuple[Callable, int]]:
    try:
        tight = peers.tight_points(profile, threads)
    except ImportError:
        return {}
    out = np.empty((len(parts[0][0]) * len(parts[0][1]), len(parts[0][2])))
    for part, ours in zip(parts, results, strict=True):
        tight(*part, out)
        equal(out.ravel(), ours.ravel())
    return {"numba, tight loop": (lambda: [tight(*part, out) for part in parts], count)}


def _fleet_sim(
    ones: np.ndarray, windows: np.ndarray, shares: np.ndarray, fills: np.ndarray
) -> dict[str, tuple[Callable, int]]:
    try:
        from fleet_sim.gpu_profiles.profiles import H100_80GB
    except ImportError:
        return {}
    assert [H100_80GB.n_slots(int(window)) for window in windows] == peers.concurrency(
        plain(), windows
    ).tolist()
    steps = tuple(slice(None, None, max(1, len(axis) // 32)) for axis in (windows, shares, fills))
    some = (
        [int(window) for window in windows[steps[0]]],
        shares[steps[1]].tolist(),
        fills[steps[2]].tolist(),
    )
    few = some[0][::2], some[1], some[2]
    equal(peers.fleet_sim_points(*some), ones[steps])
    return {
        "fleet-sim": (lambda: peers.fleet_sim_points(*few), len(few[0]) * len(few[1]) * len(few[2]))
    }


def _compiles(what: str, streamed: Any, region: Any, part: tuple) -> list[Row]:
    """Seconds of the first call less those of the second, nothing kept between them."""
    import jax

    def ours() -> float:
        jax.clear_caches()
        evaluate = replace(streamed).evaluate
        return seconds(lambda: evaluate(region)) - seconds(lambda: evaluate(region))

    rows = [Row(what, OURS, 1, "compile", [ours() for _ in range(RUNS)], "s")]
    try:
        import numba  # noqa: F401
    except ImportError:
        return rows
    out = np.empty((len(part[0]) * len(part[1]), len(part[2])))

    def theirs() -> float:
        tight = peers.tight_points(plain(), 1)
        return seconds(lambda: tight(*part, out)) - seconds(lambda: tight(*part, out))

    return [
        *rows,
        Row(what, "numba, tight loop", 1, "compile", [theirs() for _ in range(RUNS)], "s"),
    ]


def fleets(threads: int) -> list[Row]:
    """Two-pool fleets over split length and arrival rate, by the paper's and by plain rules."""
    import jax

    from tokwatt.grid import nested
    from tokwatt.params.specs import Demand
    from tokwatt.serving.demand.running_sums import law_table
    from tokwatt.serving.pools.fleet import split_fleet
    from tokwatt.serving.steps.times import instance_of
    from tokwatt.studies.replay import exact

    profile, workload, count = plain(), catalogue().workloads["azure"], len(SPLITS) * len(RATES)
    demand = partial(
        Demand,
        latency_target=peers.TARGET,
        max_utilization=peers.MAX_UTILIZATION,
        output_share=peers.OUTPUT_SHARE,
    )
    arguments = workload, peers.OUTPUT_SHARE, profile.prefill_chunk
    law = jax.jit(exact.law_of, static_argnums=3)(*arguments, peers.LONGEST)
    table = law_table(account(PLAIN_RULES).assumed, *arguments, peers.LONGEST)
    longest = float(peers.LONGEST)

    def compiled(two_pools: Callable, changes: dict[str, str], *fixed: float) -> Callable:
        rules = account(changes)

        @jax.jit
        def run(sums: Any, profile: Any, splits: Any, rates: Any) -> Any:
            instance = instance_of(rules, catalogue().profiled(profile))

            def fleet(split: Any, rate: Any) -> Any:
                carried = demand(arrival_rate=rate)
                return two_pools(rules, instance, sums, carried, split, *fixed, longest)

            return nested(fleet, ("split", "rate"))(splits, rates)

        return run

    by_paper = compiled(exact.two_pools, {"lengths": "exact"}, peers.OVERFLOW)
    by_plain = compiled(split_fleet, PLAIN_RULES)
    parts = np.array_split(SPLITS.astype(float), 8)
    rows = []
    for what, run, sums, peer in (
        ("fleets, paper's rules", by_paper, law, peers.paper_fleets),
        ("fleets, plain rules", by_plain, table, peers.plain_fleets),
    ):
        with shared(threads) as spread:

            def part(splits: Any, run: Callable = run, sums: Any = sums) -> Any:
                return jax.block_until_ready(run(sums, profile, splits, RATES))

            results = run(sums, profile, SPLITS.astype(float), RATES)._asdict()
            twin = peer(profile, workload, SPLITS, RATES)
            np.testing.assert_array_equal(results["instances"], twin["instances"])
            for field in ("power", "throughput", "tokens_per_joule"):
                equal(results[field], twin[field])
            programs: dict[str, tuple[Callable, int]] = {
                OURS: (lambda part=part: spread(part, parts), count),
                f"{OURS}, one call of jit": (lambda part=part: part(SPLITS.astype(float)), count),
                "NumPy and SciPy": (
                    lambda peer=peer: peer(profile, workload, SPLITS, RATES),
                    count,
                ),
            }
            if what == "fleets, paper's rules":
                programs |= _fleet_sim_fleets(results, workload, profile.prefill_chunk)
            rows += rates(what, threads, "fleets/s", programs)
    return rows + _waits(threads)


def _fleet_sim_fleets(
    results: dict, workload: Any, chunk: float
) -> dict[str, tuple[Callable, int]]:
    """fleet-sim on a thinned grid: as it is, and equal to ours with exact moments."""
    try:
        import fleet_sim.optimizer  # noqa: F401
    except ImportError:
        return {}
    splits, arrivals, cdf = (
        SPLITS[LOOPED[0]].tolist(),
        RATES[LOOPED[1]].tolist(),
        peers.law_of(workload),
    )
    exactly = peers.ExactFleetSim(chunk)

    def patched(arrivals: list[float]) -> dict[str, np.ndarray]:
        with exactly:
            return peers.fleet_sim_fleets(cdf, splits, arrivals)

    twin = patched(arrivals)
    np.testing.assert_array_equal(np.asarray(results["instances"])[LOOPED], twin["instances"])
    for field in ("power", "tokens_per_joule"):
        equal(np.asarray(results[field])[LOOPED], twin[field])
    arrivals = arrivals[::2]
    count = len(splits) * len(arrivals)
    return {
        "fleet-sim": (lambda: peers.fleet_sim_fleets(cdf, splits, arrivals), count),
        "fleet-sim, exact moments": (lambda: patched(arrivals), count),
    }


def _waits(threads: int) -> list[Row]:
    """Erlang C alone, from 1 to 10,000 servers."""
    import jax
    import jax.numpy as jnp

    from tokwatt.equations.erlang import erlang_c

    servers = np.round(np.geomspace(1, 10000, 2**18))
    load = servers * np.linspace(0.9, 0.999, 2**18)
    ours = jax.jit(erlang_c)
    gamma = jax.jit(
        partial(
            peers.erlang_c,
            gammaincc=jax.scipy.special.gammaincc,
            gammaln=jax.scipy.special.gammaln,
            numpy=jnp,
        )
    )
    few = slice(None, None, 64)
    equal(ours(servers, load), peers.erlang_c(servers, load))
    equal(ours(servers, load)[few], gamma(servers[few], load[few]))
    with shared(threads) as spread:
        parts = list(zip(np.split(servers, 4), np.split(load, 4), strict=True))
        programs: dict[str, tuple[Callable, int]] = {
            OURS: (
                lambda: spread(lambda part: jax.block_until_ready(ours(*part)), parts),
                len(load),
            ),
            "SciPy, gammaincc": (
                lambda: spread(lambda part: peers.erlang_c(*part), parts),
                len(load),
            ),
            "JAX, gammaincc": (
                lambda: jax.block_until_ready(gamma(servers[few], load[few])),
                len(load[few]),
            ),
        }
        try:
            from fleet_sim.optimizer import analytical
        except ImportError:
            return rates("Erlang C", threads, "values/s", programs)
        thin = slice(None, None, 2048)
        pairs = [
            (int(count), float(offered))
            for count, offered in zip(servers[thin], load[thin], strict=True)
        ]
        equal(ours(servers, load)[thin], [analytical.erlang_c(*pair) for pair in pairs])
        programs["fleet-sim"] = (lambda: [analytical.erlang_c(*pair) for pair in pairs], len(pairs))
        return rates("Erlang C", threads, "values/s", programs)


def atlas(threads: int) -> list[Row]:
    """The atlas streamed into a store, then verified, then only evaluated."""
    from tokwatt.studies import study

    streamed = study.load_study(PARAMS, "atlas")
    durations = [_seconds_to_stream(streamed) for _ in range(RUNS)]
    peak = getrusage(RUSAGE_SELF).ru_maxrss / 2**20
    evaluate, blocks = streamed.evaluate, list(streamed.blocks)
    with shared(threads) as spread:
        only = [streamed.points / seconds(lambda: spread(evaluate, blocks)) for _ in range(RUNS)]
    return [
        Row(
            "atlas to Zarr",
            OURS,
            threads,
            "warm",
            [streamed.points / took for took in durations],
            "points/s",
        ),
        Row("atlas to Zarr", f"{OURS}, time", threads, "warm", durations, "s"),
        Row("atlas to Zarr", f"{OURS}, peak memory", threads, "warm", [peak], "GiB"),
        Row("atlas to Zarr", f"{OURS}, not written", threads, "warm", only, "points/s"),
        *_verified(streamed, threads),
    ]


def _verified(streamed: Any, threads: int) -> list[Row]:
    """Seconds to verify a store, as it is done when it is opened and with every byte read."""
    from tokwatt import stores
    from tokwatt.studies import stream

    rows = []
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "atlas.zarr"
        stream.stream(streamed, store)
        for how, every_byte in (("as opened", False), ("every byte", True)):
            durations = [
                seconds(lambda whole=every_byte: list(stores.damages(store, whole)))
                for _ in range(RUNS)
            ]
            rows.append(Row("atlas verified", f"{OURS}, {how}", threads, "warm", durations, "s"))
    return rows


def scaling(threads: int, size: int) -> list[Row]:
    """An atlas of about `size` points, with more windows or fewer, in a process of its own."""
    from tokwatt.studies import study

    streamed = study.load_study(PARAMS, "atlas")
    windows = round(size / (streamed.points / len(streamed.axes["context_window"])))
    streamed = replace(
        streamed, axes=streamed.axes | {"context_window": np.geomspace(1024, 131072, windows)}
    )
    took = _seconds_to_stream(streamed)
    name = f"{size:.0e}".replace("e+0", "e")
    return [
        Row(f"store of {name} points", OURS, threads, "cold", [streamed.points / took], "points/s"),
        Row(f"store of {name} points", f"{OURS}, time", threads, "cold", [took], "s"),
        Row(
            f"store of {name} points",
            f"{OURS}, peak memory",
            threads,
            "cold",
            [getrusage(RUSAGE_SELF).ru_maxrss / 2**20],
            "GiB",
        ),
    ]


def _seconds_to_stream(streamed: Any) -> float:
    from tokwatt.studies import stream

    with tempfile.TemporaryDirectory() as folder:
        return seconds(lambda: stream.stream(streamed, Path(folder) / "atlas.zarr"))


def room() -> int:
    """Free bytes where stores are made."""
    return shutil.disk_usage(tempfile.gettempdir()).free


def accelerator(threads: int) -> list[Row]:
    """The same operating points on a GPU or TPU, and how fast it fills its memory."""
    import jax
    import jax.numpy as jnp

    import tokwatt.x64  # noqa: F401  (64-bit floats)

    device = jax.devices()[0]
    if device.platform == "cpu":
        return [Row("points on an accelerator", "no accelerator seen", 0, "warm", [], "points/s")]
    whole = whole_grid()
    rows = []
    for what, (windows, shares, fills) in {
        "points on an accelerator, three axes": (
            np.round(np.geomspace(1024, 65536, 4096)),
            SHARES,
            FILLS,
        ),
        "points on an accelerator, two axes": (
            np.round(np.geomspace(1024, 65536, 16384)),
            np.linspace(0.1, 1, 16384),
            np.array([0.5]),
        ),
    }.items():
        axes = [jax.device_put(jnp.asarray(axis), device) for axis in (windows, shares, fills)]
        count = len(windows) * len(shares) * len(fills)
        shape = len(windows), len(shares), len(fills)
        fill = jax.jit(partial(jnp.full, shape))
        some = slice(None, None, 512)
        equal(
            np.asarray(whole(plain(), *axes)[some]),
            peers.points(plain(), *np.ix_(windows[some], shares, fills)),
        )
        programs = {
            OURS: (lambda axes=axes: jax.block_until_ready(whole(plain(), *axes)), count),
            "limit: one float64 a point to memory": (
                lambda fill=fill: jax.block_until_ready(fill(1.0)),
                count,
            ),
        }
        rows += [
            row._replace(state=f"warm, {device.device_kind}")
            for row in rates(what, threads, "points/s", programs)
        ]
    return rows


def cold(threads: int, program: str) -> list[Row]:
    """A first block of a new process; the caller takes the time."""
    if program == OURS:
        streamed = sweep(WINDOWS, SHARES, FILLS)
        streamed.evaluate(next(iter(streamed.blocks)))
    elif program == "NumPy":
        from types import SimpleNamespace as Plain

        curve = Plain(idle=300.0, nominal=600.0, steepness=1.0, log2_midpoint=4.2)
        fields = {"weight_time": 0.004, "scan_time": 0.00032, "calibration_length": 8192.0}
        profile = Plain(
            **fields, block_size=16.0, kv_blocks=65536.0, max_sequences=256.0, power=curve
        )
        peers.points(profile, *np.broadcast_arrays(*np.ix_(WINDOWS[:16], SHARES, FILLS)))
    else:
        peers.fleet_sim_points([8192], SHARES[:16].tolist(), FILLS[:16].tolist())
    return []


MEASURED = {work.__name__: work for work in (points, fleets, atlas, scaling, accelerator, cold)}
