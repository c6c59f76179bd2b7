"""Run everything, a process after another, and write `bench.*` and `machine.json`."""

import csv
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter

from benchmarks import consistent, figure, machine, workers
from benchmarks.timing import OURS, RUNS, Row

OUT = Path("results/bench")
FIELDS = (
    "what",
    "program",
    "threads",
    "state",
    "value",
    "unit",
    "ours_over_this",
    "least",
    "greatest",
    "runs",
)
SIZES = (100_000_000, 300_000_000, 1_000_000_000)
LINE = "{what:<37}{program:<43}{threads} {state:<12}{value:>10} {unit:<9} {ours_over_this}"
LONGEST = 60
"""Seconds a store may take."""
BYTES = 5
"""Bytes of a point on disk."""


def main() -> None:
    """Either one worker's rows on standard output, or everything."""
    if len(sys.argv) > 1:
        name, *numbers = sys.argv[1:]
        threads, *rest = numbers or ["1"]
        measured = workers.MEASURED | consistent.MEASURED
        if name not in measured:  # it imports the program, which a cold start times
            from benchmarks import layouts, optimizer, plans, routers

            measured |= optimizer.MEASURED | plans.MEASURED | layouts.MEASURED
            measured |= routers.MEASURED
        if name not in measured or not threads.isdigit():
            wanted = f"one of {', '.join(measured)}, and a number of threads"
            sys.exit(f"benchmarks: found {' '.join(sys.argv[1:])!r}, wanted {wanted}.")
        work = measured[name]
        extra = [int(text) if text.isdigit() else text for text in rest]
        for row in work(int(threads), *extra):
            print("ROW", json.dumps(row))
        return
    busy = os.getloadavg()[0]
    if busy > 0.5:
        print(
            f"The machine is busy (load {busy:.1f}): what follows is slower than it could be.",
            file=sys.stderr,
        )
    began, several = perf_counter(), min(2, len(machine.cores()))
    rows = []
    for threads in sorted({1, several}):
        rows += run("points", threads) + run("fleets", threads)
        rows += run("consistent_points", threads) + run("consistent_fleets", threads)
    rows += run("consistent_simulated", 1) + run("consistent_planned", several)
    rows += run("plans_optimized", 1) + run("layouts", 1)
    for threads in sorted({1, several}):
        rows += colds(threads, several)
    rows += run("atlas", several)
    pace = 0.0
    for size in SIZES:
        if size * pace < LONGEST and size * BYTES < workers.room():
            scaled = run("scaling", several, str(size))
            rows += scaled
            pace = 1 / scaled[0].values[0]
    rows += run("accelerator", 1, platform=None)
    ran = {
        "bench_seconds": round(perf_counter() - began),
        "load_before": busy,
        "load_after": os.getloadavg()[0],
    }
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "machine.json").write_text(json.dumps(machine.describe() | ran, indent=1) + "\n")
    table = summary(rows)
    with (OUT / "bench.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, FIELDS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(table)
    figure.write(table, OUT / "bench")
    for row in table:
        print(LINE.format(**row))


def environment(threads: int, platform: str | None, cache: str | None) -> dict[str, str]:
    """One core means one thread everywhere; compiled code is kept only where a folder is named."""
    single = {"XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false"} if threads == 1 else {}
    limits = dict.fromkeys(
        ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), str(max(1, threads))
    )
    kept = (
        {"JAX_COMPILATION_CACHE_DIR": cache} if cache else {"JAX_ENABLE_COMPILATION_CACHE": "false"}
    )
    backend = {"JAX_PLATFORMS": platform} if platform else {}
    return {**os.environ, **limits, **kept, **single, **backend}


def run(
    name: str, threads: int, *rest: str, platform: str | None = "cpu", cache: str | None = None
) -> list[Row]:
    """A worker in a new process on as many cores as it has threads."""
    command = [sys.executable, "-m", "benchmarks", name, str(threads), *rest]
    used = set(machine.cores()[-threads:])
    pin = (
        (lambda: os.sched_setaffinity(0, used))
        if hasattr(os, "sched_setaffinity") and platform
        else None
    )
    done = subprocess.run(
        command,
        env=environment(threads, platform, cache),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        preexec_fn=pin,
    )
    return [
        Row(*json.loads(line[4:])) for line in done.stdout.splitlines() if line.startswith("ROW ")
    ]


def colds(threads: int, several: int) -> list[Row]:
    """Seconds from the start of a process to a first block: import, compilation and all."""

    def timed(program: str, cache: str | None = None) -> float:
        start = perf_counter()
        run("cold", threads, program, cache=cache)
        return perf_counter() - start

    what = "points, three axes"
    rows = [Row(what, OURS, threads, "cold", [timed(OURS) for _ in range(RUNS)], "s")]
    if threads == several:
        with tempfile.TemporaryDirectory() as cache:
            timed(OURS, cache)
            rows.append(
                Row(
                    what,
                    OURS,
                    threads,
                    "cold, cache",
                    [timed(OURS, cache) for _ in range(RUNS)],
                    "s",
                )
            )
        rows.append(
            Row(
                what,
                "NumPy, full grid",
                threads,
                "cold",
                [timed("NumPy") for _ in range(RUNS)],
                "s",
            )
        )
    return rows


def summary(rows: list[Row]) -> list[dict[str, object]]:
    """Medians, and how many times as fast ours is, warm, at the same with as many threads."""
    ours = {
        (row.what, row.threads): median(row.values)
        for row in rows
        if row.program == OURS and row.state.startswith("warm")
    }
    table = []
    for row in rows:
        value = median(row.values) if row.values else None
        base = (
            ours.get((row.what, row.threads))
            if row.state.startswith("warm") and row.unit.endswith("/s")
            else None
        )
        ratio = f"{base / value:.4g}" if base and value else ""
        spread = (f"{min(row.values):.4g}", f"{max(row.values):.4g}") if row.values else ("", "")
        shown = f"{value:.4g}" if value is not None else ""
        table.append(
            dict(
                zip(
                    FIELDS,
                    (*row[:4], shown, row.unit, ratio, *spread, len(row.values)),
                    strict=True,
                )
            )
        )
    return table


if __name__ == "__main__":
    main()
