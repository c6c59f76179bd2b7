"""The paper's own calculation against what its program printed, to the last digit."""

import itertools

import numpy as np
import pytest
from tokwatt.studies.replay.instances import Calibrated

from tokwatt.params.specs import Demand
from tokwatt.serving import sampling
from tokwatt.studies.replay import fleets

CLOSE = {"rel": 1e-9, "abs": 0}
SHORT_WINDOW, LONG_WINDOW = {"Azure": 4096, "LMSYS": 1536}, 65536
DEMAND = Demand(arrival_rate=1000.0, latency_target=0.5, max_utilization=0.85, output_share=0.2)
CELLS = list(itertools.product(SHORT_WINDOW, ("Homo", "Pool", "FleetOpt"), ("H100", "B200")))

each_cell = pytest.mark.parametrize(("workload", "topology", "gpu"), CELLS)


@pytest.fixture(scope="session")
def fleet_of(knots, profiles):
    def build(workload, topology, gpu, law=sampling.sampled):
        law_of, instance = knots[workload.lower()], Calibrated(profiles[gpu])
        if topology == "Homo":
            return fleets.one_pool(law_of, instance, LONG_WINDOW, DEMAND, law)
        factor = 2.0 if topology == "FleetOpt" else 1.0
        return fleets.two_pools(
            law_of, instance, SHORT_WINDOW[workload], LONG_WINDOW, DEMAND, factor, law
        )

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


def computed_fields(instance):
    step, serving = instance.step, instance.serving
    return {
        "W": step.weight_time,
        "H": step.scan_time,
        "calibration_ctx": serving.mean_length,
        "total_kv_blks": instance.kv_blocks,
        "param_count": step.parameters,
        "active_param_count": step.active_parameters,
        "head_dim": instance.llm.head_dim,
        "kv_bytes_per_token": step.kv_bytes_per_token,
        "param_bytes_per_gpu": step.parameters * serving.weight_width / serving.tensor_parallel,
        "kv_budget_unclamped_bytes": step.kv_budget,
        "effective_mem_bw": serving.bandwidth_efficiency * instance.gpu.hbm_bandwidth,
        "cost_per_hr": instance.price * 3600,
    }


@pytest.mark.parametrize("gpu", ["H100", "H200", "B200", "GB200"])
def test_computed_profiles_of_llama_70b(gpu, computed, expected):
    found, wanted = (
        computed_fields(computed("llama-3.1-70b", gpu, "tp8-16bit")),
        expected["profiles"][f"{gpu}_computed_70B"],
    )
    agree(found, wanted)
    assert set(found) == set(wanted)


def test_the_ratios_that_carry_the_h100_profile_to_the_b200(computed, parameters, expected):
    blocks = {
        gpu: computed("llama-3.1-70b", gpu, "tp8-16bit").kv_blocks for gpu in ("H100", "B200")
    }
    bandwidths = {gpu: parameters.gpus[gpu].hbm_bandwidth for gpu in ("H100", "B200")}
    assert blocks["B200"] / blocks["H100"] == pytest.approx(
        expected["profiles"]["kv_ratio"], **CLOSE
    )
    ratio = expected["profiles"]["bw_ratio_H100_over_B200"]
    assert bandwidths["H100"] / bandwidths["B200"] == pytest.approx(ratio, **CLOSE)


LAYOUTS = {"Llama-3.1-8B": "tp1-16bit", "DeepSeek-V3": "tp8-8bit"}
TABLE_2 = ["Llama-3.1-8B", "Llama-3.1-70B", "Llama-3.1-405B", "Qwen3-235B-A22B", "DeepSeek-V3"]


@pytest.mark.parametrize(("llm", "gpu"), list(itertools.product(TABLE_2, ("H100", "B200"))))
def test_computed_profiles_of_table_2(llm, gpu, computed, expected):
    instance, row = (
        computed(llm.lower(), gpu, LAYOUTS.get(llm, "tp8-16bit")),
        expected["table2"][llm][gpu],
    )
    batch = max(1, int(instance.kv_blocks * 16 // 8192))
    agree(computed_fields(instance), row["profile"])
    agree({"n_max": batch, "P_W": instance.power(batch), "H_s": instance.step.scan_time}, row)


@pytest.mark.parametrize("gpu", ["H100", "B200"])
def test_calibrated_instances_of_table_1(gpu, profiles, expected):
    instance = Calibrated(profiles[gpu])
    for label, row in expected["table1"].items():
        window = int(label[:-1]) * 1024
        batch = instance.concurrency(window)
        agree(
            {
                "n_max": batch,
                "P_W": instance.power(batch),
                "tau_s": instance.latency(batch, window / 2),
            },
            row[gpu],
        )


@each_cell
def test_fleets_of_table_3(workload, topology, gpu, fleet_of, expected):
    table = expected["table3"][workload]
    fleet, homogeneous = fleet_of(workload, topology, gpu), fleet_of(workload, "Homo", "H100")
    found = {
        "gpus": fleet.instances,
        "kW": fleet.power / 1000,
        "tok_per_W": fleet.tokens_per_joule,
        "worst_p99_ms": fleet.first_token_time * 1000,
        "cost_per_mil": fleet.dollars_per_million,
        "out_tok_s": fleet.throughput,
    }
    wanted = table[topology][gpu]
    agree(found, wanted)
    assert set(wanted) - set(found) == {"pools", "vs_H100_homo_pct"}
    gain = 100 * (fleet.tokens_per_joule / homogeneous.tokens_per_joule - 1)
    assert gain == pytest.approx(wanted["vs_H100_homo_pct"], rel=1e-9, abs=1e-12)


@each_cell
def test_pools_of_table_3(workload, topology, gpu, fleet_of, knots, expected):
    cut = SHORT_WINDOW[workload] * (2 if topology == "FleetOpt" else 1)
    laws = (
        [knots[workload.lower()]]
        if topology == "Homo"
        else sampling.split(knots[workload.lower()], cut)
    )
    fleet, wanted = (
        fleet_of(workload, topology, gpu),
        expected["table3"][workload][topology][gpu]["pools"],
    )
    for pool, law, row in zip(fleet.pools, laws, wanted, strict=True):
        service, rate = pool.service, pool.arrival_rate
        start, by_wait = fleets.instances_by_wait(rate, service, 0.5)
        offered = rate / service.service_rate
        slots = pool.instances * service.concurrency
        found = {
            "lam": rate,
            "max_ctx": pool.context_window,
            "mu_gpu": service.service_rate,
            "cv2": service.service_scv,
            "n_slots": service.concurrency,
            "mean_prefill_s": service.mean_prefill,
            "mean_l_out": pool.mean_output,
            "offered_gpus": offered,
            "c_slo_start": start,
            "c_slo": by_wait,
            "c_rho": fleets.instances_by_utilization(rate, service.service_rate, 0.85),
            "n_gpus": pool.instances,
            "rho": pool.utilization,
            "n_active": pool.active,
            "n_active_int": max(1, int(pool.active)),
            "P_W": pool.power,
            "erlang_c_at_n": fleets.delay_probability(slots, offered * service.concurrency),
            "p99_wait_s": pool.wait,
            "p99_ttft_ms": pool.first_token_time * 1000,
            "pool_power_W": pool.total_power,
            "out_tok_s": pool.throughput,
            "tok_per_W_pool": pool.tokens_per_joule,
            "cost_per_mil": pool.dollars_per_million,
        }
        agree(found, row)
        assert set(row) - set(found) == {"cdf", "label"}
        np.testing.assert_allclose(law, row["cdf"], rtol=1e-12)


@pytest.mark.parametrize("workload", SHORT_WINDOW)
def test_shares_of_traffic_below_the_split(workload, knots, expected):
    cuts = {"alpha_B": SHORT_WINDOW[workload], "alpha_gammaB": 2 * SHORT_WINDOW[workload]}
    shares = {
        key: sampling.fraction_within(knots[workload.lower()], cut) for key, cut in cuts.items()
    }
    agree(shares, expected["table3"][workload])


@each_cell
def test_fleets_with_the_length_law_summed(workload, topology, gpu, fleet_of, exact_references):
    fleet, wanted = (
        fleet_of(workload, topology, gpu, sampling.summed),
        exact_references[f"{workload}/{topology}/{gpu}"],
    )
    agree(
        {"gpus": fleet.instances, "kW": fleet.power / 1000, "tpw": fleet.tokens_per_joule},
        wanted["exact"],
    )
    for pool, row in zip(fleet.pools, wanted["exact_pools"], strict=True):
        service = pool.service
        found = {
            "mu": service.service_rate,
            "cv2": service.service_scv,
            "ns": service.concurrency,
            "pref": service.mean_prefill,
            "n": pool.instances,
            "c_slo": fleets.instances_by_wait(pool.arrival_rate, service, 0.5)[1],
            "c_rho": fleets.instances_by_utilization(pool.arrival_rate, service.service_rate, 0.85),
            "rho": pool.utilization,
            "nact": pool.active,
            "P": pool.power,
            "lout": pool.mean_output,
        }
        agree(found, row)
        assert set(row) - set(found) == {"exact_lout"}
