"""Single corrections to the paper's account against plain sums, `tests/reference/corrected.py`."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from reference import corrected
from reference import paper_profiles as profiles
from reference import paper_program as program

from tokwatt.accounts.headlines import Headlines
from tokwatt.params.traces import traces
from tokwatt.serving.account import Account
from tokwatt.serving.catalogue import load
from tokwatt.serving.choices import switched
from tokwatt.serving.point import operating_point

SPLIT, CUT, LONG, DEMAND = 4096, 8192, 65536, program.Demand()
EXACT = {"lengths": "exact", "output_rounding": "none"}
SHARDED = {"kv_sharding": "sharded", "misfit": "infeasible"}
OVERFLOW = {
    "clip_credit_all": "credit",
    "clip": "clip",
    "compress": "compress",
    "fitting_window": "widen",
}


@pytest.fixture(scope="module")
def headlines(params):
    return Headlines(load(params))


@pytest.fixture(scope="module")
def azure(knots):
    return knots["azure"]


@pytest.mark.parametrize("case, window", [("h100_4k", 4096), ("h100_64k", 65536)])
def test_all_gpus_counted_divide_by_eight(headlines, case, window):
    point = profiles.calibrated_point(profiles.MANUAL["H100"], window)
    counted = headlines.result(case, {"basis": "instance"}).tokens_per_joule
    assert counted == pytest.approx(point["tokens_per_joule"] / 8, rel=1e-9)


@pytest.mark.parametrize("window, changes", [(LONG, {}), (16384, {"baseline": "smallest"})])
def test_one_pool_with_the_lengths_summed(headlines, azure, window, changes):
    requests = corrected.of_distribution(azure)
    pools = corrected.one_pool(requests, profiles.MANUAL["H100"], window, DEMAND)
    summed = headlines.result("azure_h100_homogeneous", EXACT | changes)
    assert summed.instances == pools[0].instances
    assert summed.tokens_per_joule == pytest.approx(corrected.tokens_per_joule(pools), rel=1e-9)


def test_one_pool_credited_with_whole_tokens(headlines, azure):
    requests = corrected.of_distribution(azure)
    pools = corrected.one_pool(requests, profiles.MANUAL["H100"], LONG, DEMAND)
    summed = headlines.result("azure_h100_homogeneous", {"lengths": "exact"})
    expected = DEMAND.arrivals * program.mean_output(azure) / pools[0].power
    assert summed.tokens_per_joule == pytest.approx(expected, rel=1e-9)


def test_a_window_of_8k_leaves_out_few_requests_and_counts_them(headlines, azure):
    case = replace(headlines.cases["azure_h100_homogeneous"], window=8192.0)
    assumed = switched(case.paper, EXACT | {"oversized": "reject"})
    account = Account(assumed, headlines.constants)
    found = case.evaluate(account, headlines.demand, case.traffic(account, headlines.demand))
    requests = corrected.of_distribution(azure)
    pools = corrected.one_pool(requests, profiles.MANUAL["H100"], 8192, DEMAND)
    assert found.tokens_per_joule == pytest.approx(corrected.tokens_per_joule(pools), rel=1e-9)
    left_out = requests.share[requests.length > 8192].sum()
    assert found.rejected == pytest.approx(left_out, rel=1e-9) == pytest.approx(3.5e-5, rel=0.02)


@pytest.mark.parametrize("oversized", OVERFLOW)
def test_two_pools_and_what_becomes_of_overflowing_requests(headlines, azure, oversized):
    requests, profile = corrected.of_distribution(azure), profiles.MANUAL["H100"]
    short, window = corrected.overflowing(requests, SPLIT, CUT, OVERFLOW[oversized], 0.8)
    long = corrected.long_from_one(azure, CUT)
    pools = corrected.two_pools(short, (long, long), profile, (window, LONG), DEMAND)
    found = headlines.result("azure_h100_fleetopt", EXACT | {"oversized": oversized})
    assert found.tokens_per_joule == pytest.approx(corrected.tokens_per_joule(pools), rel=1e-9)
    generated = sum(pool.generated for pool in pools)
    assert found.generated == pytest.approx(generated, rel=1e-9)


def test_two_pools_of_requests_that_fit(headlines, azure):
    requests, profile = corrected.of_distribution(azure), profiles.MANUAL["H100"]
    short, window = corrected.overflowing(requests, SPLIT, CUT, "none")
    long = requests.where(requests.length > SPLIT)
    pools = corrected.two_pools(short, (long, long), profile, (window, LONG), DEMAND)
    changes = EXACT | {"oversized": "reject", "long_pool": "from_split"}
    found = headlines.result("azure_h100_fleetopt", changes)
    assert found.tokens_per_joule == pytest.approx(corrected.tokens_per_joule(pools), rel=1e-9)


def test_the_paper_credits_tokens_that_nobody_generates(headlines, azure):
    requests = corrected.of_distribution(azure)
    short, _ = corrected.overflowing(requests, SPLIT, CUT, "credit", 0.8)
    long = corrected.long_from_one(azure, CUT)
    credited, generated = (kind.share @ kind.output + long.share @ long.output for kind in short)
    found = headlines.result("azure_h100_fleetopt", EXACT)
    assert found.throughput / found.generated == pytest.approx(credited / generated, rel=1e-9)
    assert credited > 1.1 * generated


# --- instances at a window of 8K


def instance(headlines, changes, llm="llama-3.1-70b", gpu="H100", precision="bfloat16"):
    catalogue, case = headlines.catalogue, headlines.cases["llama_8k"]
    deployment = catalogue.deployment(
        catalogue.boards[gpu], catalogue.llms[llm], catalogue.precisions[precision], 8.0
    )
    account = Account(switched(case.paper, SHARDED | changes), headlines.constants)
    return operating_point(account, deployment, 8192.0, 0.5, 4.0)


@pytest.mark.parametrize("gpu", ["H100", "H200", "B200", "GB200"])
def test_sequences_with_the_cache_sharded(headlines, gpu):
    found, expected = instance(headlines, {}, gpu=gpu), corrected.sharded(gpu, "llama-3.1-70b")
    assert found.concurrency == expected["concurrency"]
    assert found.tokens_per_joule == pytest.approx(expected["tokens_per_joule"], rel=1e-9)


@pytest.mark.parametrize("llm", corrected.PUBLISHED)
def test_a_batch_reads_the_experts_that_it_touches(headlines, llm):
    changes = {"architecture": "published", "experts": "expected"}
    found, expected = instance(headlines, changes, llm), corrected.published("H100", llm)
    assert found.concurrency == expected["concurrency"]
    assert found.tokens_per_joule == pytest.approx(expected["tokens_per_joule"], rel=1e-9)


def test_llama_405b_and_deepseek_v3_lack_bytes_on_eight_h100(headlines):
    dense = instance(headlines, {}, "llama-3.1-405b")
    llama = profiles.MODELS["llama-3.1-405b"].parameters()
    assert dense.missing == pytest.approx(-corrected.published_budget("H100", llama), rel=1e-9)
    changes = {"architecture": "published", "input_table": "held", "experts": "expected"}
    mixture = instance(headlines, changes, "deepseek-v3", precision="fp8")
    held = corrected.deepseek_v3_parameters()
    expected = -corrected.published_budget("H100", held, width=1.0)
    assert mixture.missing == pytest.approx(expected, rel=1e-9)
    assert np.isnan([dense.tokens_per_joule, mixture.tokens_per_joule]).all()


# --- the rows of a trace

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
PAIRS = {
    "lengths": "pairs",
    "output_share": "trace",
    "long_pool": "from_split",
    "output_rounding": "none",
}


@pytest.fixture(scope="module")
def trace():
    parts = [SHARED / f"AzureLLMInferenceTrace_{part}.csv" for part in ("conv", "code")]
    if not all(part.exists() for part in parts):
        pytest.skip("the Azure trace is not beside the checkout")
    return [np.loadtxt(part, delimiter=",", skiprows=1, usecols=(1, 2)) for part in parts]


@pytest.fixture(scope="module")
def traced(trace, params):
    prompt, output = np.concatenate(trace).T
    rows = traces.read_trace(SHARED / "AzureLLMInferenceTrace_conv.csv")
    return Headlines(load(params), replace(rows, prompt=prompt, output=output))


@pytest.mark.parametrize("gpu", ["H100", "B200"])
def test_one_pool_of_the_trace(traced, trace, gpu):
    requests = corrected.of_trace(*np.concatenate(trace).T)
    pools = corrected.one_pool(requests, profiles.MANUAL[gpu], LONG, DEMAND)
    changes = PAIRS | {"oversized": "reject"}
    found = traced.result(f"azure_{gpu.lower()}_homogeneous", changes)
    assert found.tokens_per_joule == pytest.approx(corrected.tokens_per_joule(pools), rel=1e-9)


@pytest.mark.parametrize("oversized, how", [("reject", "none"), ("clip_credit_all", "credit")])
@pytest.mark.parametrize("gpu", ["H100", "B200"])
def test_two_pools_of_the_trace(traced, trace, gpu, oversized, how):
    requests = corrected.of_trace(*np.concatenate(trace).T)
    short, window = corrected.overflowing(requests, SPLIT, CUT, how)
    long = requests.where(requests.length > (SPLIT if how == "none" else CUT))
    profile = profiles.MANUAL[gpu]
    pools = corrected.two_pools(short, (long, long), profile, (window, LONG), DEMAND)
    found = traced.result(f"azure_{gpu.lower()}_fleetopt", PAIRS | {"oversized": oversized})
    assert found.tokens_per_joule == pytest.approx(corrected.tokens_per_joule(pools), rel=1e-9)
