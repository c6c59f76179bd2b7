"""What the README says is so."""

import contextlib
import doctest
import io
import re
from functools import cache

import pytest
import quick_yaml
from conftest import ROOT
from rattler import MatchSpec

import tokwatt
from tokwatt.accounts.answers import demanded, fleet
from tokwatt.accounts.headlines import Headlines

README = (ROOT / "README.md").read_text(encoding="utf-8")


HOW_TO = (ROOT / "docs" / "how-to.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("page", [README, HOW_TO], ids=["README", "how-to"])
def test_the_python_lines_print_what_their_comments_say(page, monkeypatch):
    monkeypatch.chdir(ROOT)
    code = "\n".join(re.findall(r"```python\n(.*?)```", page, re.DOTALL))
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, "page.md", "exec"), {})
    assert printed.getvalue().splitlines() == [
        line.split("  # ")[1] for line in code.splitlines() if "  # " in line
    ]


def test_help_of_the_package_prints_what_it_says(monkeypatch):
    monkeypatch.chdir(ROOT)
    assert doctest.testmod(tokwatt, optionflags=doctest.ELLIPSIS) == (0, 3)


def test_it_is_one_screen():
    assert len(README.splitlines()) <= 60
    code = re.search(r"```python\n(.*?)```", README, re.DOTALL)[1]
    assert len([line for line in code.splitlines() if line]) <= 10


@pytest.mark.parametrize(
    "headline, sets, target, printed",
    [
        ("watt_4k", {"basis": "instance"}, 0, "are {:.1f} tok/J over all eight GPUs"),
        ("watt_4k", "consistent", 0, "and {:.2f} once prompts are computed"),
        ("topology_2_5x", "consistent", 1, "the gain is {:.1f} where"),
        ("topology_2_5x", "consistent", 0, "and none at 500 ms ({:.2f})"),
        ("generation_1_7x", "consistent", 1, "At 1 s B200 over H100 is worth {:.2f} times"),
        ("window_12x", "consistent", 0, "{:.1f} times from 4K to 64K"),
    ],
)
def test_what_it_says_survives_is_what_is_computed(headlines, headline, sets, target, printed):
    changes = sets if isinstance(sets, dict) else vars(headlines.presets[sets])
    value = headlines.value(headlines.headlines[headline], changes, target)
    assert printed.format(value) in " ".join(README.split())


@pytest.mark.parametrize("changes, said", [({"kv_allocation": "reserved"}, ": {:.1f} times, where"),
                                           ({}, "paged it is {:.1f}\n")])  # fmt: skip
def test_a_choice_made_differently_changes_what_the_example_says(headlines, changes, said):
    example = re.search(r"tokwatt headline (\w+) --set kv_allocation=reserved .*\n", HOW_TO)
    switches = vars(headlines.presets["consistent"]) | changes
    value = headlines.value(headlines.headlines[example[1]], switches)
    assert said.format(value) in example[0]


@pytest.fixture(scope="module")
def routed(parameters):
    """Instances behind each router at a target, and what the best is worth."""

    @cache
    def at(target):
        demand = demanded(parameters, arrival_rate=1000.0, latency_target=target)
        fleets = {
            router: fleet(parameters, "azure", demand, changes={"router": router})
            for router in ("random", "round_robin", "least_work")
        }
        gain = fleets["least_work"].tokens_per_joule / fleets["random"].tokens_per_joule
        return {router: found.instances for router, found in fleets.items()} | {"gain": gain}

    return at


@pytest.mark.parametrize(
    "target, file, said",
    [
        (0.5, "README.md", "least prompt work waits is worth {gain:.2f} times"),
        (1.0, "README.md", "at 1 s it is worth {gain:.2f}."),
        (0.5, "docs/planning.md", "takes {random:.0f} instances of eight H100"),
        (0.5, "docs/planning.md", "{round_robin:.0f} behind one that goes in turn"),
        (0.5, "docs/planning.md", "{least_work:.0f} behind one that knows"),
        (1.0, "docs/planning.md", "{random:.0f}, {round_robin:.0f} and {least_work:.0f}."),
        (0.5, "docs/explanation.md", "one {least_work:.0f} instances keep the 500 ms"),
        (0.5, "docs/explanation.md", "that take {random:.0f} where each prompt"),
    ],
)
def test_a_router_is_worth_what_it_says(routed, target, file, said):
    text = " ".join((ROOT / file).read_text(encoding="utf-8").split())
    assert said.format(**routed(target)) in text


@pytest.fixture(scope="module")
def headlines(parameters):
    return Headlines(parameters)


def test_every_file_it_names_is_there():
    named = re.findall(r"\]\(((?!http)[^)#]+)", README)
    named += re.findall(r"`(params/[\w.]+|src/[\w/]+)`", README)
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_conda_gets_a_python_that_the_package_allows_and_the_lock():
    environment = quick_yaml.load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    *specs, pip = environment["dependencies"]
    python = MatchSpec(next(spec for spec in specs if spec.startswith("python")))
    assert str(python.version) == ">=3.11,<3.14"
    assert pip == {"pip": ["-r requirements.txt"]}


def test_the_lock_holds_no_address_and_hashes_everything():
    lock = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    assert not re.search(r"https?:|file:|/opt|/work|/home", lock)
    packages = re.findall(r"^[\w.-]+==.*(?:\n .*)*", lock, re.MULTILINE)
    assert packages
    assert [package for package in packages if "--hash=sha256:" not in package] == []
