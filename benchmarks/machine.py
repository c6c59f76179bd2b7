"""What the measurements ran on, and how fast it fills memory."""

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

from benchmarks.timing import RUNS, Row, seconds, shared

PACKAGES = (
    "tokwatt",
    "jax",
    "jaxlib",
    "numpy",
    "scipy",
    "numba",
    "zarr",
    "numcodecs",
    "vllm-sr-sim",
    "aiconfigurator",
)
LARGE, BLOCK = 2**27, 2**20


def describe() -> dict[str, object]:
    """CPU, cores, memory and versions."""
    return {
        "cpu": _first("/proc/cpuinfo", "model name") or platform.processor() or platform.machine(),
        "vector_extensions": " ".join(
            flag
            for flag in _first("/proc/cpuinfo", "flags").split()
            if flag in ("avx2", "avx512f", "avx512dq", "fma")
        ),
        "cores": len(cores()),
        "caches": {
            path.parent.name: f"{_text(path.with_name('level'))}: {_text(path)}"
            for path in _caches()
        },
        "memory_GiB": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "transparent_hugepages": _text(Path("/sys/kernel/mm/transparent_hugepage/enabled")),
        "system": platform.platform(),
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in PACKAGES},
    }


def cores() -> list[int]:
    """Cores this process may use."""
    return (
        sorted(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else list(range(os.cpu_count() or 1))
    )


def fills(threads: int) -> list[Row]:
    """Bytes per second of `ndarray.fill`: over 1 GiB in use, over 1 GiB fresh, over a block."""
    rows = []
    for where, size, times in (
        ("memory", LARGE // threads, 1),
        ("fresh memory", LARGE // threads, 1),
        ("cache", BLOCK // threads, 128),
    ):
        arrays = [np.zeros(size) for _ in range(threads)]

        def fill(
            array: np.ndarray, times: int = times, fresh: bool = where == "fresh memory"
        ) -> None:
            for _ in range(times):
                (np.empty_like(array) if fresh else array).fill(1.0)

        with shared(threads) as spread:
            spread(fill, arrays)
            values = [
                8e-9
                * size
                * threads
                * times
                / seconds(lambda fill=fill, arrays=arrays: spread(fill, arrays))
                for _ in range(RUNS)
            ]
        rows.append(Row(f"fill of {where}", "ndarray.fill", threads, "warm", values, "GB/s"))
    return rows


def _caches() -> list[Path]:
    return sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*/size"))


def _first(path: str, key: str) -> str:
    lines = _text(Path(path)).splitlines()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith(key)), "")


def _text(path: Path) -> str:
    return path.read_text().strip() if path.exists() else ""


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
