"""Studies on a Slurm cluster of two virtual nodes: bytes of a local run, failures, reruns.

Opt-in, as root on a machine that may be changed: TOKWATT_SLURM=1 .venv/bin/pytest
tests/test_slurm.py
"""

import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from conftest import ROOT, workflow_in

from tokwatt.studies import study

BIN = Path(sys.executable).parent
SCRIPTS = ROOT / "tests" / "slurm"
STORE = "results/studies/blocks.zarr"
CHUNKS = "tokens_per_joule/c"
PARTS = 4
STUDY = """
title: Sixteen blocks
model: instances
axes:
  gpu: [H100, H200, B200, GB200]
  llm: [llama-3.1-8b, llama-3.1-70b, llama-3.1-405b, qwen3-32b]
  context_window: {geomspace: [1024, 131072, 1024], unit: tok}
  utilization: {linspace: [0.01, 1, 1024], unit: "1"}
fixed:
  precision: bfloat16
  tensor_parallel: {value: 8, unit: "1"}
  mean_fill: {value: 0.5, unit: "1"}
quantities: [tokens_per_joule]
"""


def missing():
    """What stands in the way of these tests."""
    if os.environ.get("TOKWATT_SLURM") != "1":
        return "opt-in: TOKWATT_SLURM=1 starts Slurm's daemons on this machine"
    if os.geteuid() != 0:
        return "needs root"
    tools = [tool for tool in ["slurmctld", "slurmd", "sbatch", "munged"] if not shutil.which(tool)]
    if tools:
        return f"needs {', '.join(tools)}: apt-get install slurmctld slurmd slurm-client munge"
    if not find_spec("snakemake_executor_plugin_slurm"):
        return "needs the extra: pip install tokwatt[cluster]"
    return None


def on_a_cluster(test):
    """Marks a test that needs Slurm's daemons."""
    opted = pytest.mark.skipif(bool(missing()), reason=str(missing()))
    return pytest.mark.slow(pytest.mark.slurm(opted(test)))


def run(folder, *command, limit=60):
    """Run a command that is killed when its time is over."""
    return subprocess.run(
        ["timeout", "-k", "5", str(limit), *map(str, command)],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(folder / "src")},
        capture_output=True,
        text=True,
        check=False,
    )


def submit(folder):
    options = [
        "--retries",
        "0",
        "--slurm-init-seconds-before-status-checks",
        "2",
        "--latency-wait",
        "5",
    ]
    return run(
        folder,
        BIN / "snakemake",
        "--profile",
        "profiles/slurm",
        STORE,
        *options,
        "--config",
        f"parts={PARTS}",
        limit=400,
    )


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    folder = tmp_path_factory.mktemp("slurm")
    try:
        started = run(folder, "bash", SCRIPTS / "start.sh", folder)
        assert started.returncode == 0, started.stderr
        yield folder
    finally:
        run(folder, "bash", SCRIPTS / "stop.sh", folder)


@pytest.fixture
def checkout(tmp_path):
    folder = workflow_in(tmp_path)
    (folder / "params/studies/blocks.yaml").write_text(STUDY, encoding="utf-8")
    return folder


@pytest.fixture
def disk(checkout):
    """A disk of its own for the stores, that can be made larger."""
    place = checkout / "results/studies"
    place.mkdir(parents=True)

    def size(megabytes, *remount):
        subprocess.run(
            [
                "mount",
                "-t",
                "tmpfs",
                "-o",
                ",".join([*remount, f"size={megabytes}m"]),
                "tmpfs",
                place,
            ],
            check=True,
            timeout=10,
        )

    yield size
    subprocess.run(["umount", "--lazy", place], check=True, timeout=10)


def local(folder):
    """The files of the store as this process's own machine writes them."""
    made = run(folder, BIN / "tokwatt", "study", "blocks", "--out", "local", limit=120)
    assert made.returncode == 0, made.stderr
    return contents(folder / "local/blocks.zarr")


def contents(store):
    files = (
        path for path in store.rglob("*") if path.is_file() and path.name != ".snakemake_timestamp"
    )
    return {path.relative_to(store): path.read_bytes() for path in files}


def changed(store):
    """When each finished chunk was written."""
    files = (
        path for path in store.rglob("0") if path.is_file() and path.is_relative_to(store / CHUNKS)
    )
    return {path.relative_to(store): path.stat().st_mtime_ns for path in files}


def nodes():
    shown = subprocess.run(
        ["scontrol", "--oneliner", "show", "jobs"],
        capture_output=True,
        text=True,
        check=True,
        timeout=20,
    ).stdout
    return {
        word.removeprefix("NodeList=") for word in shown.split() if word.startswith("NodeList=node")
    }


def test_the_study_of_these_tests_is_one_that_is_read(checkout, parameters):
    """Where there is no cluster, too, so that it changes with the files of studies."""
    blocks = study.load_study(checkout / "params", "blocks", parameters)
    assert [len(values) for values in blocks.axes.values()] == [4, 4, 1024, 1024]


@on_a_cluster
def test_parts_on_two_nodes_make_the_bytes_of_a_local_run(cluster, checkout):
    done = submit(checkout)
    assert done.returncode == 0, done.stdout + done.stderr
    assert nodes() == {"node1", "node2"}
    assert len(list((checkout / "results/studies/blocks.parts").iterdir())) == PARTS
    assert contents(checkout / STORE) == local(checkout)


@on_a_cluster
def test_a_full_disk_fails_the_run_and_a_rerun_continues_to_the_same_bytes(cluster, checkout, disk):
    expected = local(checkout)
    whole = sum(len(data) for data in expected.values()) / 2**20
    disk(int(whole * 0.6))
    failed = submit(checkout)
    assert failed.returncode == 1, failed.stdout + failed.stderr
    assert "No space left on device; what is finished is kept" in failed.stdout + failed.stderr
    assert not (checkout / STORE).exists()

    (partial,) = (checkout / "results/studies").glob("blocks*.partial")
    before = changed(partial)
    assert 0 < len(before) < len([path for path in expected if path.is_relative_to(CHUNKS)])
    disk(int(whole * 3), "remount")
    again = submit(checkout)
    assert again.returncode == 0, again.stdout + again.stderr
    assert contents(checkout / STORE) == expected
    after = changed(checkout / STORE)
    assert {chunk: after[chunk] for chunk in before} == before


@on_a_cluster
def test_a_cancelled_job_fails_the_run(cluster, checkout):
    """Half of the parts are cancelled while they wait for a free node."""
    cancel = "scancel --verbose --state=PENDING --user=root 2>&1 | grep -q Terminating"
    command = ["bash", "-c", f"until {cancel}; do sleep 0.2; done"]
    with subprocess.Popen(["timeout", "-k", "5", "120", *command]) as axe:
        failed = submit(checkout)
        assert axe.wait(timeout=130) == 0
    assert failed.returncode == 1, failed.stdout + failed.stderr
    assert "CANCELLED" in failed.stdout + failed.stderr
    assert not (checkout / STORE).exists()
