import csv
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
import quick_yaml
from conftest import ROOT
from hypothesis import assume, given
from hypothesis import strategies as st

from tokwatt.params.errors import ParameterError
from tokwatt.reports.audit import audit
from tokwatt.reports.audit.claims import VERDICTS, claims, judge, judged
from tokwatt.reports.audit.expressions import ExpressionError, Expressions
from tokwatt.reports.datasets import load_datasets

PARAMS = ROOT / "params"
SHARED = ROOT.parent / "shared" / "spec" / "claims.csv"
IDS = [*(f"C{number:03d}" for number in range(1, 375)), "N001"]
CLAIMS = {placed.id: placed.claim for placed in claims(PARAMS)}
HEADLINES = {"1.7", "2.5", "4.25", "40", "12", "16", "256", "1.5", "17.6", "37.8", "5.1"}

numbers = st.floats(1e-3, 1e6)
decimals = st.integers(0, 4)


def written(value, digits):
    return f"{value:.{digits}f}"


@pytest.fixture(scope="module")
def rows(grids):
    return {row.placed.id: row for row in judged(PARAMS, grids)}


@pytest.fixture(scope="module")
def expressions(grids):
    return Expressions(grids)


# How a number is judged


@given(numbers, decimals)
def test_a_rounded_number_is_exact_against_what_it_was_rounded_from(value, digits):
    assert judge(written(value, digits), value) == "exact"


@given(numbers, decimals, st.floats(1.01, 1e3), st.sampled_from([-1, 1]))
def test_a_number_further_than_half_a_unit_is_not_exact(value, digits, share, sign):
    printed = written(value, digits)
    assert judge(printed, float(printed) + sign * share * 0.5 * 10.0**-digits) != "exact"


@given(st.floats(1, 1e6), st.floats(0, 0.04), st.sampled_from([-1, 1]))
def test_two_percent_is_approximate_and_more_is_inconsistent(value, share, sign):
    assume(abs(share - 0.02) > 1e-6)
    printed = written(value, 4)
    computed = float(printed) * (1 + sign * share)
    assume(abs(computed - float(printed)) > 0.51e-4)
    assert judge(printed, computed) == ("approximate" if share < 0.02 else "inconsistent")


def test_two_percent_itself_is_approximate():
    assert judge("100.0", 102.0) == judge("100.0", 98.0) == "approximate"


def test_trailing_zeros_claim_more():
    assert judge("1.5", 1.46) == "exact"
    assert judge("1.50", 1.46) == "inconsistent"
    assert judge("1.50", 1.48) == "approximate"


def test_a_sign_is_part_of_the_number():
    assert judge("+64", 64.3) == "exact"
    assert judge("-64", 64.3) == "inconsistent"


@given(st.lists(st.tuples(numbers, decimals, st.floats(0.95, 1.05)), min_size=1, max_size=5))
def test_a_list_is_as_bad_as_its_worst_part(parts):
    printed = [written(value, digits) for value, digits, _ in parts]
    computed = [value * factor for value, _, factor in parts]
    each = [judge(one, other) for one, other in zip(printed, computed, strict=True)]
    assert judge(printed, computed) == max(each, key=VERDICTS.index)


def test_one_printed_number_stands_for_all_computed_ones():
    assert judge("1.7", [1.74, 1.68]) == "exact"
    assert judge("1.7", [1.74, 1.44]) == "inconsistent"


def test_what_is_not_finite_is_inconsistent():
    assert judge("1.7", float("nan")) == judge("1.7", float("inf")) == "inconsistent"


@pytest.mark.parametrize(("printed", "computed"), [(["1", "2"], [1.0, 2.0, 3.0]), ("many", 1.0)])
def test_what_cannot_be_compared_is_an_error(printed, computed):
    with pytest.raises(ValueError):
        judge(printed, computed)


# What the file holds


def test_every_claim_is_there_once():
    assert sorted(CLAIMS) == IDS


def test_every_claim_is_computed_decided_or_given_up_for_a_reason():
    for name, claim in CLAIMS.items():
        told = claim.reason or claim.counterexample
        assert bool(claim.computed or claim.holds) != bool(told), name


def test_claims_are_short():
    for name, claim in CLAIMS.items():
        assert len(claim.claim) <= 100, name


def test_a_person_can_read_the_file():
    lines = (PARAMS / "published.yaml").read_text(encoding="utf-8").splitlines()
    assert max(map(len, lines)) <= 140


def test_no_claim_types_its_verdict():
    assert not {"verdict", "exact"} & set(next(iter(CLAIMS.values())).__struct_fields__)


def test_no_expression_contains_its_answer():
    halves = {"C255", "C258"}  # 16 bits over 4, and half of the weights
    for name in set(CLAIMS) - halves:
        claim = CLAIMS[name]
        printed = [claim.printed] if isinstance(claim.printed, str) else claim.printed
        computed = [claim.computed] if isinstance(claim.computed, str) else claim.computed or []
        if not claim.holds and len(computed) == len(printed):
            for number, expression in zip(printed, computed, strict=True):
                constants = re.findall(r"[\d.]+", re.sub(r"'[^']*'", "", expression))
                assert number.lstrip("+") not in constants, name


def test_headlines_are_the_ones_the_paper_is_known_for():
    assert {claim.printed for claim in CLAIMS.values() if claim.headline} == HEADLINES


@pytest.mark.skipif(
    not SHARED.exists(), reason="the list of claims is kept outside this repository"
)
def test_printed_values_are_those_of_the_list_of_claims():
    with SHARED.open(encoding="utf-8") as file:
        theirs = {row["id"]: row["printed"] for row in csv.DictReader(file)}
    worded = {"C246"}  # one sixth there is a decimal
    assert set(theirs) == set(IDS) - {"N001"}
    for name in set(theirs) - worded:
        printed = CLAIMS[name].printed
        ours = [printed] if isinstance(printed, str) else printed
        if re.match(r"^[\d.+<>]", theirs[name]) and "+" not in " ".join(ours)[1:]:
            assert re.findall(r"\d+(?:\.\d+)?", theirs[name]) == re.findall(
                r"\d+(?:\.\d+)?", " ".join(ours)
            ), name


# What comes out

INCONSISTENT = {
    "C002",
    "C020",
    "C023",
    "C027",
    "C028",
    "C030",
    "C033",
    "C042",
    "C044",
    "C049",
    "C050",
    "C093",
    "C094",
    "C095",
    "C101",
    "C109",
    "C145",
    "C146",
    "C149",
    "C155",
    "C156",
    "C160",
    "C214",
    "C224",
    "C225",
    "C244",
    "C246",
    "C248",
    "C251",
    "C252",
    "C254",
    "C256",
    "C258",
    "C309",
    "C324",
    "C338",
    "C357",
    "C362",
    "C369",
    "C374",
    "N001",
}
APPROXIMATE = {
    "C031",
    "C032",
    "C219",
    "C247",
    "C260",
    "C268",
    "C298",
    "C301",
    "C310",
    "C314",
    "C354",
    "C355",
}


def test_the_paper_contradicts_itself_where_we_know_it_does(rows):
    assert {name for name, row in rows.items() if row.verdict == "inconsistent"} == INCONSISTENT
    assert {name for name, row in rows.items() if row.verdict == "approximate"} == APPROXIMATE


def test_every_cell_of_the_five_tables_is_exact(rows):
    cells = [row for row in rows.values() if re.fullmatch(r"Table [1-5]", row.placed.location)]
    assert len(cells) == 42 + 35 + 46 + 3 + 12 + 32
    assert {row.placed.id for row in cells if row.verdict != "exact"} == {"C214", "C260", "C268"}


def test_the_headlines_are_exact(rows):
    assert {row.verdict for row in rows.values() if row.placed.claim.headline} == {"exact"}


def test_whatever_is_not_exact_says_why(rows):
    for name, row in rows.items():
        claim = row.placed.claim
        written = claim.reason or claim.counterexample or claim.note
        assert row.verdict == "exact" or written, name
        assert row.reason == (written or ""), name


@pytest.mark.parametrize("name", ["C125", "C139", "C231", "C234", "C240"])
def test_an_exact_number_that_hides_something_says_what(rows, name):
    assert rows[name].verdict == "exact"
    assert len(rows[name].reason) > 20


def test_instances_that_the_paper_prints_one_sequence_for_do_not_fit(rows, expressions):
    for name, llm in (("C125", "llama-3.1-405b"), ("C139", "deepseek-v3")):
        budget = expressions.values(f"architecture('kv_budget', '{llm}', 'H100') / 1e9")[0][0]
        assert budget < 0
        assert f"{budget:.1f} GB" in rows[name].reason


def test_one_fit_of_power_has_one_verdict(rows):
    error = rows["C032"].computed[0] / 600 - 1
    assert 0.02 < -error < 0.03
    assert rows["C032"].verdict == "approximate"
    assert {rows[name].verdict for name in ("C033", "C369")} == {"inconsistent"}


def test_a_dense_model_is_not_a_mixture_of_experts(rows):
    assert rows["N001"].verdict == "inconsistent"
    assert rows["N001"].computed[0] == pytest.approx(16.01205 / 7.409481, rel=1e-6)


@pytest.fixture(scope="module")
def read(rows):
    """Names of the datasets that claims read."""
    return sorted({lookup.dataset for row in rows.values() for lookup in row.lookups})


def disturbed(folder, names, out, seed):
    """A copy of datasets with every number moved by 7 % or more, each by its own factor."""
    for name, dataset in load_datasets(folder, names).items():
        random = np.random.default_rng([seed, *name.encode()])
        for variable, values in [
            pair for pair in dataset.data_vars.items() if pair[1].dtype.kind in "if"
        ]:
            dataset[variable] = values * random.uniform(1.07, 3, values.shape) ** random.choice(
                [-1, 1], values.shape
            )
        dataset.to_netcdf(out / f"{name}.nc", engine="netcdf4")
    return out


def test_no_exact_number_survives_other_datasets(grids, read, rows, tmp_path):
    surviving = {
        name for name, row in rows.items() if row.verdict == "exact" and not row.placed.claim.holds
    }
    for seed in range(4):
        other = disturbed(grids, read, tmp_path, seed)
        surviving &= {row.placed.id for row in judged(PARAMS, other) if row.verdict == "exact"}
    arithmetic = {"C151", "C255"}  # 22 of 235, and bits over bits
    count = {"C346"}
    assert surviving == arithmetic | count


def test_no_statement_is_true_of_every_dataset(grids, read, rows, tmp_path):
    true = [name for name, row in rows.items() if row.verdict == "exact" and CLAIMS[name].holds]
    held = {name: CLAIMS[name].holds for name in true}
    for seed in range(8):
        if held:
            elsewhere = Expressions(disturbed(grids, read, tmp_path, seed))
            held = {name: it for name, it in held.items() if elsewhere.values(it)[0] == [True]}
    assert held == {}


def test_the_files_say_the_same_as_the_verdicts(grids, rows, tmp_path):
    audit.write_audit(PARAMS, grids, tmp_path)
    with (tmp_path / "audit.csv").open(encoding="utf-8") as file:
        lines = {line["id"]: line for line in csv.DictReader(file)}
    assert sorted(lines) == IDS
    assert {name: line["verdict"] for name, line in lines.items()} == {
        name: row.verdict for name, row in rows.items()
    }
    assert float(lines["C006"]["computed"]) == rows["C006"].computed[0]
    page = (tmp_path / "audit.md").read_text(encoding="utf-8")
    assert (
        page.index("## Inconsistent (41)")
        < page.index("## Approximate (12)")
        < page.index("## Exact")
    )
    for name in IDS:
        assert len(re.findall(rf"^\| {name} +\|", page, re.MULTILINE)) == 1


def test_the_same_input_gives_the_same_bytes(grids, tmp_path):
    for name in ("first", "second"):
        audit.write_audit(PARAMS, grids, tmp_path / name)
    for name in ("audit.csv", "audit.md"):
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes()


def test_the_audit_starts_without_jax():
    program = "import sys; from tokwatt.reports import audit; sys.exit('jax' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


# Expressions


def test_labels_pick_from_the_dimension_that_has_them(expressions):
    point, lookups = expressions.values("context_window('concurrency', 'H100', 4096)")
    assert point == expressions.values("context_window('concurrency', 4096, 'H100')")[0] == [256.0]
    assert lookups[0].labels == ("H100", 4096)
    assert len(expressions.values("context_window('concurrency', 'H100')")[0]) == 7


def test_functions_do_what_they_say(expressions):
    assert expressions.values(
        "[floor(2.7), log2(8), min(3, 2), max([3, 4]), abs(-1), round(2.44, 1)]"
    )[0] == [2, 3, 2, 4, 1, 2.4]
    assert expressions.values("best(fleets('tokens_per_joule', 'azure', 'H100'))")[0] == [
        "fleetopt"
    ]
    assert expressions.values("count(fleets('short_window'))")[0] == [2]
    assert expressions.values("steps(context_window('concurrency', 'H100'))")[0] == [2.0] * 6


@pytest.mark.parametrize(
    ("expression", "parts"),
    [
        (
            "context_windows('power', 'H100', 4096)",
            ["'context_windows'", "did you mean 'context_window'?"],
        ),
        ("context_window('watts', 'H100', 4096)", ["'watts'", "one of concurrency"]),
        ("context_window('power', 'H10', 4096)", ["'H10'", "did you mean 'H100'?"]),
        ("context_window('power', 'H100', 4095)", ["4095", "4096.0"]),
        ("context_window('power', 'H100', 4096, 'B200')", ["'B200'", "no further label"]),
        ("power / 2", ["'power'"]),
        ("context_window('power', 'H100'", ["SyntaxError"]),
        ("1 / 0", ["ZeroDivisionError"]),
        ("log2(context_window('power', 'H100'))", ["TypeError"]),
        ("context_window.__class__", ["FeatureNotAvailable"]),
    ],
)
def test_a_wrong_expression_says_what_is_wanted(expressions, expression, parts):
    with pytest.raises(ExpressionError) as caught:
        expressions.values(expression)
    for part in parts:
        assert part in f"{caught.value.found}, wanted {caught.value.wanted}"


# Bad input


def complaint(change, grids, folder):
    """What the audit says about a changed file, which must be one sentence; nothing is written."""
    shutil.copytree(PARAMS, folder / "params")
    path = folder / "params" / "published.yaml"
    tree = quick_yaml.load(path.read_text(encoding="utf-8"))
    change(tree)
    path.write_text(quick_yaml.dump(tree), encoding="utf-8")
    with pytest.raises(ParameterError) as caught:
        audit.write_audit(folder / "params", grids, folder / "out")
    assert not (folder / "out").exists()
    sentence = str(caught.value)
    assert re.fullmatch(r"[^:\n]+published\.yaml: [^\n]+, wanted [^\n]+\.", sentence)
    assert ". " not in sentence
    return sentence


def changed(**keys):
    """A change to claim C006; None takes a key out."""

    def change(tree):
        claim = tree["claims"]["Abstract"]["prose"]["C006"]
        for key, value in keys.items():
            claim.pop(key, None)
            if value is not None:
                claim[key] = value

    return change


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        (
            changed(computed="context_window('power', 'H101', 4096)"),
            ["computed picks 'H101'", "did you mean 'H100'?"],
        ),
        (changed(computed="table1('power')"), ["computed uses 'table1'", "context_window"]),
        (changed(computed=None), ["neither a reason nor an expression"]),
        (changed(reason="unknown"), ["both a reason and an expression"]),
        (changed(printed=17.6), ["printed is 17.6", "str"]),
        (changed(printed="many"), ["printed is 'many'"]),
        (changed(printed=["17.6", "1.5"]), ["printed is ['17.6', '1.5']", "as many numbers"]),
        (changed(unit=None), ["unit is missing"]),
        (changed(verdict="exact"), ["verdict is not a known key"]),
        (
            changed(holds="context_window('power', 'H100', 4096)"),
            ["holds comes to [593", "true or false"],
        ),
    ],
)
def test_a_wrong_claim_is_one_sentence_that_names_it(change, parts, grids, tmp_path):
    sentence = complaint(change, grids, tmp_path)
    assert "C006" in sentence
    for part in parts:
        assert part in sentence


def test_an_id_that_stands_twice_is_refused(grids, tmp_path):
    def twice(tree):
        tree["claims"]["8 Related work"]["prose"]["C006"] = dict(
            tree["claims"]["Abstract"]["prose"]["C006"]
        )

    assert "8 Related work.prose.C006 is the second of its id" in complaint(twice, grids, tmp_path)


def test_a_claim_that_is_no_mapping_is_refused(grids, tmp_path):
    def flat(tree):
        tree["claims"]["Abstract"]["prose"]["C006"] = "17.6"

    assert "C006 is '17.6', wanted a mapping" in complaint(flat, grids, tmp_path)


def test_a_file_without_quality_is_refused(grids, tmp_path):
    assert "quality is missing" in complaint(lambda tree: tree.pop("quality"), grids, tmp_path)
