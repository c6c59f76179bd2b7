"""The oracles of this folder against the printouts of the program they restate."""

import itertools

import pytest
from reference import corrected
from reference import paper_profiles as profiles
from reference import paper_program as program

SHORT = {"Azure": 4096, "LMSYS": 1536}
TOPOLOGIES = {"Homo": (0, 1.0), "Pool": (1, 1.0), "FleetOpt": (1, 2.0)}
TABLE_2 = {  # GPUs, bytes an element, printed active parameters
    "Llama-3.1-8B": (1, 2.0, 0),
    "Llama-3.1-70B": (8, 2.0, 0),
    "Llama-3.1-405B": (8, 2.0, 0),
    "Qwen3-235B-A22B": (8, 2.0, 22e9),
    "DeepSeek-V3": (8, 1.0, 37e9),
}

POOL = {
    "arrivals": "lam",
    "slots": "n_slots",
    "service_rate": "mu_gpu",
    "scv": "cv2",
    "prefill": "mean_prefill_s",
    "instances": "n_gpus",
    "utilization": "rho",
    "power": "P_W",
    "wait": "p99_wait_s",
    "output": "mean_l_out",
}
SUMMED_POOL = {
    "slots": "ns",
    "service_rate": "mu",
    "scv": "cv2",
    "prefill": "pref",
    "instances": "n",
    "utilization": "rho",
    "power": "P",
    "output": "lout",
}


def agree(found, row, names):
    """Numbers to twelve digits, whole ones exactly."""
    for name, printed in names.items():
        wanted = row[printed]
        assert found[name] == pytest.approx(
            wanted, rel=0 if isinstance(wanted, int) else 1e-11, abs=0
        )


@pytest.mark.parametrize("gpu", ["H100", "B200"])
def test_table_1(gpu, expected):
    names = {"concurrency": "n_max", "iteration_latency": "tau_s", "power": "P_W"}
    for window, row in expected["table1"].items():
        point = profiles.calibrated_point(profiles.MANUAL[gpu], 1024 * int(window[:-1]))
        agree(point, row[gpu], {**names, "tokens_per_joule": "tok_per_W"})


@pytest.mark.parametrize("gpu", ["H100", "B200"])
@pytest.mark.parametrize("llm", TABLE_2)
def test_table_2(llm, gpu, expected):
    gpus, width, active = TABLE_2[llm]
    row = expected["table2"][llm][gpu]
    profile = profiles.Computed(profiles.BOARDS[gpu], profiles.MODELS[llm.lower()], gpus, width)
    names = {"concurrency": "n_max", "iteration_latency": "tau_s", "tokens_per_joule": "tok_per_W"}
    agree(profiles.computed_point(profile, 8192, active), row, names)
    held = {"W": profile.weight_time, "H": profile.scan_time, "blocks": profile.blocks}
    agree(held, row["profile"], {"W": "W", "H": "H", "blocks": "total_kv_blks"})


def fleet_of_table_3(knots, workload, topology, gpu, law):
    two, overflow = TOPOLOGIES[topology]
    short = two * SHORT[workload]
    law_of, profile = knots[workload.lower()], profiles.MANUAL[gpu]
    return program.fleet(law_of, profile, program.Demand(), 65536, short, overflow, law)


each_fleet = pytest.mark.parametrize(
    "workload, topology, gpu", list(itertools.product(SHORT, TOPOLOGIES, ["H100", "B200"]))
)


@each_fleet
def test_table_3(workload, topology, gpu, knots, expected):
    row = expected["table3"][workload][topology][gpu]
    pools = fleet_of_table_3(knots, workload, topology, gpu, program.draws)
    names = {"instances": "gpus", "tokens_per_joule": "tok_per_W", "credited": "out_tok_s"}
    agree(program.totals(pools), row, names)
    for pool, printed in zip(pools, row["pools"], strict=True):
        agree(vars(pool), printed, POOL)


@each_fleet
def test_table_3_with_the_lengths_summed(workload, topology, gpu, knots, exact_references):
    row = exact_references[f"{workload}/{topology}/{gpu}"]
    pools = fleet_of_table_3(knots, workload, topology, gpu, program.summed)
    agree(program.totals(pools), row["exact"], {"instances": "gpus", "tokens_per_joule": "tpw"})
    for pool, printed in zip(pools, row["exact_pools"], strict=True):
        agree(vars(pool), printed, SUMMED_POOL)


# Values that an earlier calculation, independent of this one, reported to so many digits.


def test_corrections_of_one_pool(knots):
    requests, profile = corrected.of_distribution(knots["azure"]), profiles.MANUAL["H100"]
    reported = {65536: (145, 5.437), 16384: (None, 8.17), 8192: (None, 9.24)}
    for window, (instances, efficiency) in reported.items():
        pools = corrected.one_pool(requests, profile, window, program.Demand())
        assert instances in (None, pools[0].instances)
        assert corrected.tokens_per_joule(pools) == pytest.approx(efficiency, rel=5e-4)


def test_corrections_of_two_pools(knots):
    requests, profile = corrected.of_distribution(knots["azure"]), profiles.MANUAL["H100"]
    long = corrected.long_from_one(knots["azure"], 8192)
    for how, efficiency in {"clip": 12.46, "compress": 11.71, "widen": 9.08}.items():
        short, window = corrected.overflowing(requests, 4096, 8192, how, 0.8)
        windows = (window, 65536)
        pools = corrected.two_pools(short, (long, long), profile, windows, program.Demand())
        assert corrected.tokens_per_joule(pools) == pytest.approx(efficiency, rel=5e-4)


def test_instances_with_the_cache_sharded():
    reported = {"H100": (177, 18.4), "H200": (353, 29.0), "B200": (465, 35.7), "GB200": (522, 30.4)}
    for gpu, (sequences, efficiency) in reported.items():
        instance = corrected.sharded(gpu, "llama-3.1-70b")
        assert instance["concurrency"] == sequences
        assert instance["tokens_per_joule"] == pytest.approx(efficiency, abs=0.05)


def test_bytes_that_are_missing_on_eight_h100():
    llama = profiles.MODELS["llama-3.1-405b"].parameters()
    deepseek = corrected.deepseek_v3_parameters()
    assert corrected.published_budget("H100", llama) == pytest.approx(-24.0e9, abs=0.05e9)
    assert corrected.published_budget("H100", deepseek, width=1.0) == pytest.approx(-7e9, abs=5e7)


def test_a_mixture_of_experts_beside_a_dense_llm():
    mixture = corrected.published("H100", "qwen3-235b-a22b")
    dense = corrected.published("H100", "llama-3.1-70b")
    assert mixture["concurrency"] == 46
    assert mixture["tokens_per_joule"] == pytest.approx(5.4, abs=0.05)
    ratio = mixture["tokens_per_joule"] / dense["tokens_per_joule"]
    assert ratio == pytest.approx(0.30, abs=0.005)
