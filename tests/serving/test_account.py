"""An account: the paper's program in one corner, conserving in another, one switch at a time."""

from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import paper_profiles as profiles
from reference import paper_program as program

from tokwatt.accounts.headlines import Headlines
from tokwatt.params.errors import ParameterError
from tokwatt.params.traces import traces
from tokwatt.serving import choices
from tokwatt.serving.account import Account, on_basis
from tokwatt.serving.catalogue import load
from tokwatt.serving.choices import switched
from tokwatt.serving.demand import routing
from tokwatt.serving.demand.routing import Topology
from tokwatt.serving.gpu.cache import moved_bytes
from tokwatt.serving.gpu.llm import routed_parameters
from tokwatt.serving.gpu.share import held_bytes
from tokwatt.serving.instance import concurrency, step_weight_bytes
from tokwatt.serving.point import operating_point
from tokwatt.serving.pools.pool import size_pool
from tokwatt.serving.steps.chunked import Load
from tokwatt.serving.steps.step import step
from tokwatt.serving.steps.times import instance_of

CHOICES = choices.choice_names()
INSTANCES = ("h100_4k", "h100_64k", "llama_8k", "qwen_8k")
FLEETS = (
    "azure_h100_homogeneous",
    "azure_h100_fleetopt",
    "azure_b200_homogeneous",
    "azure_b200_fleetopt",
)
CONSERVING = {
    "oversized": ["clip", "compress", "fitting_window", "reject"],
    "kv_allocation": ["reserved", "on_demand"],
}


@pytest.fixture(scope="module")
def headlines(params):
    return Headlines(load(params))


@pytest.fixture(scope="module")
def consistent(headlines):
    return headlines.presets["consistent"]


def deployment_of(headlines, llm="llama-3.1-70b", precision="bfloat16", gpu="H100"):
    """An LLM on eight GPUs that each hold whole experts."""
    catalogue = headlines.catalogue
    width, board = catalogue.precisions[precision], catalogue.boards[gpu]
    return catalogue.deployment(board, catalogue.llms[llm], width, 8.0, 8.0)


def scanning(deployment):
    """A deployment whose steps take no time for what grows with its requests but for the scan."""
    endless = dict.fromkeys(("compute_efficiency", "link_efficiency"), 1e15)
    return replace(deployment, fitted=replace(deployment.fitted, sequence_overhead=0.0, **endless))


def point_of(headlines, assumed, llm="llama-3.1-70b", precision="bfloat16"):
    """Its operating point at a window of 8K."""
    deployment = deployment_of(headlines, llm, precision)
    account = Account(assumed, headlines.constants)
    return operating_point(account, deployment, 8192.0, 0.5, 4.0)


# --- the paper's corner


@pytest.mark.parametrize("case", ["h100_2k", "h100_4k", "h100_64k", "h100_128k"])
def test_the_papers_account_of_a_profile_is_the_program(headlines, case):
    window = int(headlines.cases[case].window)
    expected = profiles.calibrated_point(profiles.MANUAL["H100"], window)
    found = headlines.result(case, {})
    assert found.tokens_per_joule == pytest.approx(expected["tokens_per_joule"], rel=1e-12)
    assert found.concurrency == expected["concurrency"]


@pytest.mark.parametrize(
    "case, llm, active", [("llama_8k", "llama-3.1-70b", 0), ("qwen_8k", "qwen3-235b-a22b", 22e9)]
)
def test_the_papers_account_of_data_sheets_is_the_program(headlines, case, llm, active):
    computed = profiles.Computed(profiles.BOARDS["H100"], profiles.MODELS[llm], 8, 2.0)
    expected = profiles.computed_point(computed, 8192, active)
    found = headlines.result(case, {})
    assert found.tokens_per_joule == pytest.approx(expected["tokens_per_joule"], rel=1e-12)
    assert found.concurrency == expected["concurrency"]


@pytest.mark.parametrize(
    "llm, precision, width", [("llama-3.1-405b", "bfloat16", 2.0), ("deepseek-v3", "fp8", 1.0)]
)
def test_the_papers_account_runs_one_sequence_of_what_does_not_fit(
    headlines, llm, precision, width
):
    computed = profiles.Computed(profiles.BOARDS["H100"], profiles.MODELS[llm], 8, width)
    expected = profiles.computed_point(computed, 8192)
    found = point_of(headlines, headlines.cases["llama_8k"].paper, llm, precision)
    assert found.concurrency == expected["concurrency"] == 1
    assert found.tokens_per_joule == pytest.approx(expected["tokens_per_joule"], rel=1e-12)


@pytest.mark.parametrize("case", FLEETS)
def test_the_papers_account_of_a_fleet_is_the_program(headlines, knots, case):
    chosen = headlines.cases[case]
    short = int(sum(chosen.splits))
    profile = profiles.MANUAL[chosen.gpu]
    pools = program.fleet(knots["azure"], profile, program.Demand(), 65536, short, 2.0)
    expected, found = program.totals(pools), headlines.result(case, {})
    assert found.instances == expected["instances"]
    assert found.throughput == pytest.approx(expected["credited"], rel=1e-12)
    assert found.tokens_per_joule == pytest.approx(expected["tokens_per_joule"], rel=1e-12)


@pytest.mark.parametrize(
    "headline, printed",
    [
        ("watt_4k", "17.6"),
        ("watt_64k", "1.50"),
        ("moe_37_8", "37.8"),
        ("moe_5_1x", "5.1"),
        ("combined_4_25x", "4.25"),
    ],
)
def test_headlines_come_out_as_printed(headlines, headline, printed):
    digits = len(printed.partition(".")[2])
    assert f"{headlines.value(headlines.headlines[headline], {}):.{digits}f}" == printed


# --- reference values of the consistent account

EXACT = {"lengths": "exact", "output_rounding": "none"}


@pytest.mark.parametrize(
    "case, changes, expected",
    [
        ("h100_4k", {"basis": "instance"}, 2.203),
        ("h100_64k", {"basis": "instance"}, 0.188),
        ("azure_h100_homogeneous", {"lengths": "exact"}, 5.423),
        ("azure_h100_homogeneous", EXACT, 5.437),
        ("azure_h100_homogeneous", EXACT | {"baseline": "smallest"}, 8.17),
        ("azure_h100_fleetopt", EXACT | {"oversized": "clip"}, 12.46),
        ("azure_h100_fleetopt", EXACT | {"oversized": "compress"}, 11.71),
        ("azure_h100_fleetopt", EXACT | {"oversized": "fitting_window"}, 9.08),
        ("azure_h100_fleetopt", EXACT | {"oversized": "reject", "long_pool": "from_split"}, 8.17),
    ],
)
def test_reference_values_of_tokens_per_joule(headlines, case, changes, expected):
    assert headlines.result(case, changes).tokens_per_joule == pytest.approx(
        expected, rel=5e-4 if expected > 1 else 3e-3
    )


# --- conservation


def served(headlines, assumed, topology):
    chosen = headlines.cases["azure_h100_homogeneous"]
    requests = chosen.requests(assumed, float(headlines.demand.output_share))
    return requests, routing.route(
        assumed, requests, chosen.workload.lengths, topology, 1024.0, 1.0
    )


@settings(max_examples=15)
@given(
    split=st.integers(64, 20000).map(float),
    overflow=st.floats(1, 4),
    window=st.sampled_from([4096.0, 16384.0, 65536.0]),
    oversized=st.sampled_from(CONSERVING["oversized"]),
    share=st.sampled_from(["fifth", "trace"]),
)
def test_tokens_credited_are_tokens_generated(
    headlines, consistent, split, overflow, window, oversized, share
):
    assumed = switched(consistent, {"oversized": oversized, "output_share": share})
    _, routed = served(headlines, assumed, Topology(window, (split,), overflow))
    for pool in routed.pools:
        assert pool.credited == pytest.approx(pool.generated, rel=1e-12)


@settings(max_examples=15)
@given(
    split=st.integers(64, 20000).map(float),
    overflow=st.floats(1, 4),
    oversized=st.sampled_from(["compress", "fitting_window", "reject"]),
)
def test_every_request_is_served_or_counted_whatever_the_topology(
    headlines, consistent, split, overflow, oversized
):
    assumed = switched(consistent, {"oversized": oversized})
    requests, one = served(headlines, assumed, Topology(65536.0))
    _, two = served(headlines, assumed, Topology(65536.0, (split,), overflow))
    for routed in (one, two):
        assert sum(pool.share for pool in routed.pools) + routed.rejected == pytest.approx(
            1, rel=1e-12
        )
    tokens = float(requests.weight @ requests.output)
    assert sum(pool.generated for pool in two.pools) == pytest.approx(tokens, rel=1e-12)
    assert one.pools[0].generated == pytest.approx(tokens, rel=1e-12)


@settings(max_examples=15)
@given(
    split=st.integers(64, 20000).map(float),
    overflow=st.floats(1, 4),
    oversized=st.sampled_from(["clip_credit_all", *CONSERVING["oversized"]]),
)
def test_nothing_is_served_beyond_its_window(headlines, consistent, split, overflow, oversized):
    assumed = switched(consistent, {"oversized": oversized, "lengths": "exact"})
    _, routed = served(headlines, assumed, Topology(8192.0, (split,), overflow))
    for window, pool in zip(routed.windows, routed.pools, strict=True):
        assert pool.steps2_length2 <= (pool.steps2 * window**2) * (1 + 1e-12)
        assert pool.steps_mean <= pool.steps_length


def test_the_paper_credits_tokens_that_nobody_generates(headlines):
    found = headlines.result("azure_h100_fleetopt", {"lengths": "exact", "output_rounding": "none"})
    assert found.throughput / found.generated == pytest.approx(325.85 / 295.05, rel=2e-3)


@settings(max_examples=20)
@given(
    window=st.floats(256, 131072),
    gpu=st.sampled_from(["H100", "H200", "B200", "GB200"]),
    allocation=st.sampled_from(CONSERVING["kv_allocation"]),
)
def test_memory_in_use_never_exceeds_the_budget(headlines, window, gpu, allocation):
    account = headlines.account("consistent", {"kv_allocation": allocation})
    instance = instance_of(account, deployment_of(headlines, gpu=gpu))
    sequences = concurrency(account.assumed, instance, window, window / 2)
    length = window / 2 if allocation == "on_demand" else window
    used = sequences * held_bytes(instance, length)
    assert used <= instance.kv_budget * (1 + 1e-12)


@settings(max_examples=20)
@given(
    batch=st.floats(1, 4096),
    length=st.floats(1, 1e5),
    prompts=st.floats(0, 1e4),
    llm=st.sampled_from(["llama-3.1-70b", "qwen3-235b-a22b", "gpt-oss-120b"]),
    prefill=st.sampled_from(["additive", "overlapped"]),
)
def test_a_step_keeps_within_the_peaks_of_its_board(
    headlines, batch, length, prompts, llm, prefill
):
    """It is never shorter than its bytes and operations take, and draws at most TDP."""
    account = headlines.account("consistent", {"prefill": prefill})
    instance = instance_of(account, deployment_of(headlines, llm))
    iteration = step(account.assumed, instance, Load(batch, length, prompts, prompts / 500))
    gpu, flops, independence = instance.gpu, instance.token_flops, instance.costs.independence
    added = batch + (prompts if prefill == "additive" else 0)
    streamed = step_weight_bytes(account.assumed, instance, 1 + independence * (batch - 1))
    assert iteration.latency >= streamed / gpu.hbm_bandwidth
    assert iteration.latency >= flops * added / gpu.fp16_rate
    assert iteration.latency >= flops * prompts / gpu.fp16_rate
    assert iteration.power <= gpu.tdp


@pytest.mark.parametrize("split", [512.0, 2048.0, 6144.0])
def test_a_length_split_gains_nothing_with_a_paged_cache(headlines, consistent, split):
    """The iteration latency at full memory is constant, so load is additive over pools."""
    assumed = switched(consistent, {"prefill": "free", "target": "wait", "power": "logistic"})
    account, demand = Account(assumed, headlines.constants), headlines.demand
    deployment = scanning(headlines.cases["azure_h100_homogeneous"].deployment)
    instance = replace(instance_of(account, deployment), max_sequences=np.inf)

    def load(topology):
        _, routed = served(headlines, assumed, topology)
        pools = [
            size_pool(account, instance, traffic, window, demand)
            for traffic, window in zip(routed.pools, routed.windows, strict=True)
        ]
        return sum(float(pool.utilization * pool.instances) for pool in pools)

    assert load(Topology(65536.0, (split,))) == pytest.approx(load(Topology(65536.0)), rel=1e-9)


# --- one switch at a time

# What a switch from the paper's account (lengths summed exactly) must leave alone.
UNMOVED = {
    "basis": ["throughput", "generated", "instances", "concurrency", "rejected"],
    "output_rounding": ["generated", "power", "instances", "concurrency", "rejected"],
    "batch_rounding": ["throughput", "generated", "instances", "concurrency", "rejected"],
    "search_start": ["throughput", "generated", "concurrency", "rejected"],
    "long_pool": ["concurrency", "rejected"],
    "oversized": ["concurrency"],
    "output_share": ["concurrency", "rejected"],
    "context_length": ["throughput", "generated", "concurrency", "rejected"],
    "prefill": ["concurrency", "rejected"],
    "kv_allocation": ["rejected"],
    "baseline": ["throughput", "generated", "rejected"],
}
NEEDED = {
    "power": {"step": "measured"},
    "prefill": {"step": "measured"},
    "experts": {"architecture": "published", "kv_sharding": "sharded"},
    "long_pool": {"oversized": "reject"},
}
"""What a switch moves nothing without, or makes no sense without."""
INERT = {  # what a switch cannot move at all
    "lengths": INSTANCES,
    "output_rounding": INSTANCES,
    "batch_rounding": INSTANCES,
    "search_start": INSTANCES,
    "long_pool": INSTANCES,
    "oversized": INSTANCES,
    "baseline": INSTANCES,
    "kv_sharding": ("h100_4k", "h100_64k", *FLEETS),
    "input_table": (*INSTANCES, *FLEETS),
    "misfit": (*INSTANCES, *FLEETS),
    "experts": ("h100_4k", "h100_64k", "llama_8k", *FLEETS),
    "dispatch": ("h100_4k", "h100_64k", "llama_8k", *FLEETS),
    "architecture": ("h100_4k", "h100_64k", "llama_8k", *FLEETS),
}


@pytest.mark.parametrize("choice", UNMOVED)
@pytest.mark.parametrize("case", [*INSTANCES, *FLEETS])
def test_a_switch_moves_only_what_it_should(headlines, consistent, choice, case):
    base = {"lengths": "exact", **NEEDED.get(choice, {})}
    before, after = (
        headlines.result(case, base),
        headlines.result(case, base | {choice: getattr(consistent, choice)}),
    )
    for field in UNMOVED[choice]:
        np.testing.assert_allclose(
            getattr(after, field), getattr(before, field), rtol=1e-12, err_msg=field
        )


@pytest.mark.parametrize("choice", INERT)
def test_a_switch_that_does_not_concern_a_case_leaves_it_alone(headlines, consistent, choice):
    for case in INERT[choice]:
        before = headlines.result(case, {} if choice == "lengths" else {"lengths": "exact"})
        after = headlines.result(case, {"lengths": "exact", choice: getattr(consistent, choice)})
        np.testing.assert_allclose(after, before, rtol=1e-12, err_msg=case)


@pytest.mark.parametrize(
    "choice",
    [
        name
        for name in CHOICES
        if name not in ("input_table", "misfit", "router", "split_by", "target")
    ],
)
def test_every_other_switch_moves_something(headlines, consistent, choice):
    """Those left out move nothing by themselves, or are alike in both sets."""
    base = {} if choice == "lengths" else {"lengths": "exact"} | NEEDED.get(choice, {})
    changed = base | {choice: getattr(consistent, choice)}
    cases = ["qwen_8k", "azure_h100_fleetopt", "azure_h100_homogeneous"]
    assert any(
        headlines.result(case, base).tokens_per_joule
        != headlines.result(case, changed).tokens_per_joule
        for case in cases
    )


def test_prompts_longer_than_the_target_allows_have_no_fleet(headlines):
    case, account = headlines.cases["azure_h100_homogeneous"], headlines.account("consistent")
    hopeless = replace(headlines.demand, latency_target=0.05)
    fleet = case.evaluate(account, hopeless, case.traffic(account, hopeless))
    assert fleet.instances == np.inf


@pytest.mark.parametrize(
    "gpu, all_in", [("H100", 1730), ("H200", 1730), ("B200", 2170), ("GB200", 2100)]
)
def test_a_board_at_its_tdp_draws_the_all_in_power_of_its_server(headlines, gpu, all_in):
    board, account = headlines.catalogue.gpus[gpu], headlines.account("paper", {"basis": "server"})
    assert on_basis(account, board, 8.0, board.tdp) == pytest.approx(8 * all_in)
    alone = headlines.account("paper", {"basis": "instance"})
    assert on_basis(alone, board, 8.0, board.tdp) == 8 * board.tdp


def test_a_server_that_nobody_knows_has_no_power(headlines):
    board = replace(headlines.catalogue.gpus["A100"], host_power=0.0)
    account = headlines.account("paper")
    assert np.isnan(on_basis(account.switched(basis="server"), board, 8.0, board.tdp))


@pytest.mark.parametrize(
    "low, high", [("gpu", "instance"), ("instance", "server"), ("server", "facility")]
)
def test_a_wider_basis_counts_more_power(headlines, low, high):
    assert (
        headlines.result("h100_4k", {"basis": low}).power
        < headlines.result("h100_4k", {"basis": high}).power
    )


@pytest.mark.parametrize(
    "headline",
    [
        "law_40x",
        "window_12x",
        "watt_4k",
        "watt_64k",
        "topology_2_5x",
        "generation_1_7x",
        "combined_4_25x",
        "moe_5_1x",
    ],
)
def test_kernels_that_others_measured_tell_the_same(headlines, consistent, headline):
    """Steps composed of NVIDIA's kernels know nothing of our roofline; they agree to 12 %.

    That is less than what they are off measured runs by, 14 % in the median. Prompts come apart
    from decoding in both, as kernels have no passes that they share. Whole instances may be exactly
    12 % apart.
    """
    own, other = (
        headlines.value(headlines.headlines[headline], vars(consistent) | changes)
        for changes in (
            {"prefill": "additive"},
            {"prefill": "additive", "step": "kernels", "dispatch": "free"},
        )
    )
    assert other == pytest.approx(own, rel=0.12 + 1e-9)


def test_kernels_are_not_made_up_where_there_are_none(headlines, consistent):
    assumed = vars(consistent) | {"step": "kernels", "dispatch": "free", "prefill": "additive"}
    case = headlines.cases["qwen_8k"]
    other = Headlines(headlines.catalogue)
    other.cases["qwen_8k"] = replace(case, deployment=replace(case.deployment, kernels=None))
    with pytest.raises(ParameterError, match=r"cases\.qwen_8k has no table of kernels"):
        other.result("qwen_8k", assumed)


# --- limits and slopes


def test_the_law_holds_in_its_limit(headlines, consistent):
    """With nothing but the scan of a full cache, twice the window is half the tokens."""
    assumed = switched(consistent, {"prefill": "free", "target": "wait", "power": "logistic"})
    deployment = scanning(deployment_of(headlines))
    flat = replace(
        deployment, logistic=replace(deployment.logistic, nominal=deployment.logistic.idle)
    )
    account = Account(assumed, headlines.constants)

    def log_efficiency(log_window):
        point = operating_point(account, flat, jnp.exp(log_window), 0.5, 4.0)
        return jnp.log(point.tokens_per_joule)

    assert jax.grad(log_efficiency)(jnp.log(8192.0)) == pytest.approx(-1, abs=1e-9)


def test_what_a_sliding_window_and_a_state_hold_does_not_grow(headlines):
    account = headlines.account("consistent")
    for llm in ("gpt-oss-120b", "qwen3-next-80b-a3b"):
        instance = instance_of(account, deployment_of(headlines, llm))
        windowed = replace(instance.cache, read=0.0)
        bounded = moved_bytes(windowed, 1e6)
        assert bounded == moved_bytes(windowed, 2e6) > 0


def test_one_token_touches_its_own_experts_and_a_crowd_all(headlines, consistent):
    deployment = deployment_of(headlines, "qwen3-235b-a22b")
    instance = instance_of(headlines.account("consistent"), deployment)
    expected, active, all_of = (
        [
            float(step_weight_bytes(switched(consistent, {"experts": experts}), instance, batch))
            for batch in (1.0, 1e6)
        ]
        for experts in ("expected", "active", "all")
    )
    assert expected[0] == pytest.approx(active[0], rel=1e-12)
    assert expected[1] == pytest.approx(all_of[1], rel=1e-12)
    touched = (step_weight_bytes(consistent, instance, 24.0) - instance.streamed) / instance.routed
    assert touched == pytest.approx(0.79, abs=0.005)
    assert routed_parameters(deployment.llm.published) * 2 / 8 == instance.routed


# --- mixtures


@pytest.mark.parametrize(
    "changes",
    [
        {"long_pool": "from_split"},
        {"oversized": "reject"},
        {"baseline": "smallest"},
        {"output_share": "trace"},
        {"target": "first_token"},
        {"power": "utilization"},
    ],
)
def test_impossible_mixtures_are_refused_with_a_reason(headlines, changes):
    with pytest.raises(
        ParameterError, match=r"changes: the account mixes .*, wanted a mixture that makes sense: "
    ):
        headlines.result("azure_h100_homogeneous", changes)


@settings(max_examples=10)
@given(
    st.fixed_dictionaries({name: st.sampled_from(choices.alternatives(name)) for name in CHOICES})
)
def test_any_other_mixture_gives_a_number_or_says_why_not(headlines, changes):
    for case in ("azure_h100_fleetopt", "qwen_8k", "h100_4k"):
        try:
            if case == "qwen_8k" and changes["step"] == "calibrated":
                continue
            found = headlines.result(case, changes)
        except ParameterError:
            continue
        assert found.tokens_per_joule >= 0 and found.power > 0


# --- a trace with prompts and outputs

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
PAIRS = {
    "lengths": "pairs",
    "output_share": "trace",
    "long_pool": "from_split",
    "output_rounding": "none",
}


@pytest.fixture(scope="module")
def traced(params):
    parts = [SHARED / f"AzureLLMInferenceTrace_{part}.csv" for part in ("conv", "code")]
    if not all(part.exists() for part in parts):
        pytest.skip("the Azure trace is not beside the checkout")
    conversation, code = map(traces.read_trace, parts)
    prompt, output = (
        np.concatenate([conversation.prompt, code.prompt]),
        np.concatenate([conversation.output, code.output]),
    )
    return Headlines(load(params), replace(conversation, prompt=prompt, output=output))


@pytest.mark.parametrize(
    "case, oversized, expected",
    [
        ("azure_h100_homogeneous", "reject", 6.53),
        ("azure_h100_fleetopt", "reject", 17.78),
        ("azure_b200_homogeneous", "reject", 12.10),
        ("azure_b200_fleetopt", "reject", 28.02),
        ("azure_b200_fleetopt", "clip_credit_all", 25.63),
    ],
)
def test_reference_values_of_the_trace(traced, case, oversized, expected):
    assert traced.result(case, PAIRS | {"oversized": oversized}).tokens_per_joule == pytest.approx(
        expected, abs=0.006
    )


def test_bins_of_output_shares_stand_for_the_trace(traced, consistent):
    """At 1 s to the first token: at 500 ms an H100 hardly takes in the 99th percentile of prompts,
    and ratios of fleets fall off a cliff that bins and pairs place a few tokens apart."""
    for name, headline in traced.headlines.items():
        by_bins, by_pairs = (
            traced.value(headline, vars(consistent) | {"lengths": lengths}, latency_target=1.0)
            for lengths in ("exact", "pairs")
        )
        assert by_bins == pytest.approx(by_pairs, rel=0.06), name


def test_pairs_without_a_trace_are_refused(headlines, consistent):
    with pytest.raises(ParameterError, match="a trace whose rows they are"):
        headlines.result("azure_h100_homogeneous", vars(consistent) | {"lengths": "pairs"})
