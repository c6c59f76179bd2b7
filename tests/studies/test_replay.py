"""The paper's tables under the set `paper` against what its program printed, to the last digit."""

import itertools
from functools import cache

import numpy as np
import pytest

from tokwatt.accounts.assumptions import AssumptionSets
from tokwatt.equations import erlang, queueing
from tokwatt.params.specs import Demand
from tokwatt.serving.demand import sampling
from tokwatt.serving.gpu import profile as program
from tokwatt.serving.point import operating_point
from tokwatt.studies.fleets.topologies import PaperFleetInputs, PaperFleets, TrafficEntry
from tokwatt.studies.replay.points import LlmLayout, roofline_point

CLOSE = {"rel": 1e-9, "abs": 0}
SHORT_WINDOW, LONG_WINDOW = {"Azure": 4096.0, "LMSYS": 1536.0}, 65536.0
DEMAND = Demand(arrival_rate=1000.0, latency_target=0.5, max_utilization=0.85, output_share=0.2)
TOPOLOGIES = {"Homo": "homogeneous", "Pool": "pool", "FleetOpt": "fleetopt"}
CELLS = list(itertools.product(SHORT_WINDOW, TOPOLOGIES, ("H100", "B200")))

each_cell = pytest.mark.parametrize(("workload", "topology", "gpu"), CELLS)


@pytest.fixture(scope="session")
def account(parameters):
    return AssumptionSets(parameters).account("paper")


@pytest.fixture(scope="session")
def fleet_of(parameters):
    common = PaperFleetInputs(
        profiles=parameters.profiles,
        long_window=LONG_WINDOW,
        overflow_factor=2.0,
        demand=DEMAND,
    )
    fleets = PaperFleets(parameters, common)

    @cache
    def build(workload, topology, gpu, sampler=sampling.sampled):
        law = parameters.workloads[workload.lower()]
        traffic = TrafficEntry(workload=law, short_window=SHORT_WINDOW[workload])
        return fleets.fleet(traffic, TOPOLOGIES[topology], gpu, sampler)

    return build


@pytest.fixture(scope="session")
def computed(parameters):
    """An LLM by data sheets, as the paper's program lays it out."""
    account = AssumptionSets(parameters).account("paper", {"step": "program", "power": "activity"})

    def build(llm, gpu, gpus=8.0, precision="bfloat16"):
        layout = LlmLayout(
            llm=parameters.llms[llm],
            tensor_parallel=gpus,
            precision=parameters.precisions[precision],
        )
        deployment = layout.on(parameters.boards[gpu], parameters)
        return deployment, roofline_point(account, deployment, 8192.0)

    return build


def agree(found, wanted):
    """Integers exactly, all else to nine digits; `wanted` may hold more."""
    for key, value in found.items():
        if isinstance(wanted[key], int):
            assert int(value) == value == wanted[key], key
        else:
            assert float(value) == pytest.approx(wanted[key], **CLOSE), key


@pytest.mark.parametrize("gpu", ["H100", "B200"])
def test_manual_profiles(gpu, profiles, expected):
    profile, power = profiles[gpu], profiles[gpu].power
    found = {
        "W": profile.weight_time,
        "H": profile.scan_time,
        "calibration_ctx": profile.calibration_length,
        "chunk": profile.prefill_chunk,
        "blk_size": profile.block_size,
        "total_kv_blks": profile.kv_blocks,
        "max_slots": profile.max_sequences,
        "cost_per_hr": profile.price * 3600,
        "power_idle_w": power.idle,
        "power_nominal_w": power.nominal,
        "power_logistic_k": power.steepness,
        "power_logistic_x0": power.log2_midpoint,
    }
    wanted = expected["profiles"][f"{gpu}_manual"]
    agree(found, wanted)
    assert set(found) == set(wanted)


def computed_fields(deployment, point):
    width, gpus = deployment.precision.dense, deployment.parallelism.tensor_parallel
    efficiency = deployment.engine.bandwidth_efficiency
    return {
        "W": point.own_weight_time,
        "H": point.scan_time,
        "calibration_ctx": 4096.0,
        "total_kv_blks": point.kv_blocks,
        "param_count": point.parameters,
        "active_param_count": point.active_parameters,
        "head_dim": deployment.llm.paper.head_dim,
        "kv_bytes_per_token": point.kv_bytes_per_token,
        "param_bytes_per_gpu": point.parameters * width / gpus,
        "kv_budget_unclamped_bytes": point.kv_budget,
        "effective_mem_bw": efficiency * deployment.gpu.hbm_bandwidth,
        "cost_per_hr": gpus * deployment.gpu.price * 3600,
    }


@pytest.mark.parametrize("gpu", ["H100", "H200", "B200", "GB200"])
def test_computed_profiles_of_llama_70b(gpu, computed, expected):
    found = computed_fields(*computed("llama-3.1-70b", gpu))
    wanted = expected["profiles"][f"{gpu}_computed_70B"]
    agree(found, wanted)
    assert set(found) == set(wanted)


def test_the_ratios_that_carry_the_h100_profile_to_the_b200(computed, parameters, expected):
    blocks = {gpu: computed("llama-3.1-70b", gpu)[1].kv_blocks for gpu in ("H100", "B200")}
    bandwidths = {gpu: parameters.gpus[gpu].hbm_bandwidth for gpu in ("H100", "B200")}
    ratio = blocks["B200"] / blocks["H100"]
    assert ratio == pytest.approx(expected["profiles"]["kv_ratio"], **CLOSE)
    ratio = expected["profiles"]["bw_ratio_H100_over_B200"]
    assert bandwidths["H100"] / bandwidths["B200"] == pytest.approx(ratio, **CLOSE)


LAYOUTS = {"Llama-3.1-8B": (1.0, "bfloat16"), "DeepSeek-V3": (8.0, "fp8")}
TABLE_2 = ["Llama-3.1-8B", "Llama-3.1-70B", "Llama-3.1-405B", "Qwen3-235B-A22B", "DeepSeek-V3"]


@pytest.mark.parametrize(("llm", "gpu"), list(itertools.product(TABLE_2, ("H100", "B200"))))
def test_computed_profiles_of_table_2(llm, gpu, computed, expected):
    row = expected["table2"][llm][gpu]
    deployment, point = computed(llm.lower(), gpu, *LAYOUTS.get(llm, (8.0, "bfloat16")))
    agree(computed_fields(deployment, point), row["profile"])
    agree({"n_max": point.concurrency, "P_W": point.power, "H_s": point.scan_time}, row)
    gpus, engine = deployment.parallelism, deployment.engine
    held = program.program_kv_blocks(
        deployment.gpu, deployment.llm, gpus, deployment.precision, engine
    )
    assert point.kv_blocks == max(0.0, held)


@pytest.mark.parametrize("gpu", ["H100", "B200"])
def test_calibrated_instances_of_table_1(gpu, account, parameters, expected):
    deployment = parameters.profiled(parameters.profiles[gpu])
    for label, row in expected["table1"].items():
        window = 1024.0 * int(label[:-1])
        point = operating_point(account, deployment, window, 0.5, 0.0)
        found = {
            "n_max": point.concurrency,
            "P_W": point.power,
            "tau_s": point.iteration_latency,
        }
        agree(found, row[gpu])


@each_cell
def test_fleets_of_table_3(workload, topology, gpu, fleet_of, expected):
    row, homogeneous = fleet_of(workload, topology, gpu).row, fleet_of(workload, "Homo", "H100").row
    found = {
        "gpus": row.instances,
        "kW": row.power / 1000,
        "tok_per_W": row.tokens_per_joule,
        "worst_p99_ms": row.first_token_time * 1000,
        "cost_per_mil": row.dollars_per_million,
        "out_tok_s": row.throughput,
    }
    wanted = expected["table3"][workload][topology][gpu]
    agree(found, wanted)
    assert set(wanted) - set(found) == {"pools", "vs_H100_homo_pct"}
    gain = 100 * (row.tokens_per_joule / homogeneous.tokens_per_joule - 1)
    assert gain == pytest.approx(wanted["vs_H100_homo_pct"], rel=1e-9, abs=1e-12)


def pool_rows(fleet):
    """Rows of the pools, the short one first."""
    return [fleet.pool_row(place) for place in reversed(range(len(fleet.pools)))]


@each_cell
def test_pools_of_table_3(workload, topology, gpu, fleet_of, knots, profiles, expected):
    law = knots[workload.lower()]
    cut = SHORT_WINDOW[workload] * (2 if topology == "FleetOpt" else 1)
    laws = [law] if topology == "Homo" else sampling.split(law, cut)
    fleet = fleet_of(workload, topology, gpu)
    times, price = fleet.first_token_times(), float(profiles[gpu].price)
    wanted = expected["table3"][workload][topology][gpu]["pools"]
    for row, time, cdf, printed in zip(pool_rows(fleet), times, laws, wanted, strict=True):
        offered = row.arrival_rate / row.service_rate
        waiting = row.arrival_rate, row.service_rate, row.service_scv, row.concurrency, 0.5, np.inf
        start, throughput = np.ceil(offered) + 1, row.arrival_rate * row.mean_output
        slots = row.instances * row.concurrency
        found = {
            "lam": row.arrival_rate,
            "max_ctx": row.context_window,
            "mu_gpu": row.service_rate,
            "cv2": row.service_scv,
            "n_slots": row.concurrency,
            "mean_prefill_s": time - row.wait,
            "mean_l_out": row.mean_output,
            "offered_gpus": offered,
            "c_slo_start": start,
            "c_slo": queueing.instances_searched(*waiting),
            "c_rho": np.ceil(offered / 0.85),
            "n_gpus": row.instances,
            "rho": row.utilization,
            "n_active": row.active,
            "n_active_int": max(1, int(row.active)),
            "P_W": row.power,
            "p99_wait_s": row.wait,
            "p99_ttft_ms": time * 1000,
            "pool_power_W": row.power * row.instances,
            "out_tok_s": throughput,
            "tok_per_W_pool": throughput / (row.power * row.instances),
            "cost_per_mil": 1e6 * row.instances * price / throughput,
        }
        agree(found, printed)
        assert set(printed) - set(found) == {"cdf", "label", "erlang_c_at_n"}
        delayed = erlang.erlang_c(slots, offered * row.concurrency)
        assert float(delayed) == pytest.approx(printed["erlang_c_at_n"], rel=1e-9, abs=1e-280)
        np.testing.assert_allclose(cdf, printed["cdf"], rtol=1e-12)


@pytest.mark.parametrize("workload", SHORT_WINDOW)
def test_shares_of_traffic_below_the_split(workload, knots, expected):
    cuts = {"alpha_B": SHORT_WINDOW[workload], "alpha_gammaB": 2 * SHORT_WINDOW[workload]}
    shares = {key: sampling.share_within(knots[workload.lower()], cut) for key, cut in cuts.items()}
    agree(shares, expected["table3"][workload])


@each_cell
def test_fleets_with_the_lengths_summed(workload, topology, gpu, fleet_of, exact_references):
    fleet = fleet_of(workload, topology, gpu, sampling.summed)
    wanted, row = exact_references[f"{workload}/{topology}/{gpu}"], fleet.row
    found = {"gpus": row.instances, "kW": row.power / 1000, "tpw": row.tokens_per_joule}
    agree(found, wanted["exact"])
    times = fleet.first_token_times()
    for row, time, printed in zip(pool_rows(fleet), times, wanted["exact_pools"], strict=True):
        offered = row.arrival_rate / row.service_rate
        waiting = row.arrival_rate, row.service_rate, row.service_scv, row.concurrency, 0.5, np.inf
        found = {
            "mu": row.service_rate,
            "cv2": row.service_scv,
            "ns": row.concurrency,
            "pref": time - row.wait,
            "n": row.instances,
            "c_slo": queueing.instances_searched(*waiting),
            "c_rho": np.ceil(offered / 0.85),
            "rho": row.utilization,
            "nact": row.active,
            "P": row.power,
            "lout": row.mean_output,
        }
        agree(found, printed)
        assert set(printed) - set(found) == {"exact_lout"}
