"""The site in a real Chromium, opened from disk: no errors, no network, and what it shows is right.

Needs the extra `browser` and a Chromium, such as Debian's package `chromium`.
"""

import gzip
import io
import os
import re
import shutil
from dataclasses import replace
from urllib.parse import urlencode

import hostile
import pytest
import quick_yaml
from conftest import ROOT
from PIL import Image

from tokwatt.accounts import answers, cases
from tokwatt.accounts.deployments import DeploymentNames, narrows
from tokwatt.accounts.explorer import Explorer, InstanceKey
from tokwatt.accounts.simulated import simulate
from tokwatt.params.traces.traces import read_trace
from tokwatt.planning.columns.configurations import Options
from tokwatt.planning.optimum.constrained import Budget
from tokwatt.planning.plan import plan
from tokwatt.reports.site import palette
from tokwatt.serving.account import Account
from tokwatt.serving.choices import switched
from tokwatt.serving.point import operating_point

api = pytest.importorskip(
    "playwright.sync_api", reason="Playwright is not installed: pip install -e '.[browser]'"
)
CHROMIUM = next(
    filter(None, map(shutil.which, ["chromium", "chromium-browser", "google-chrome"])), None
)

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(not CHROMIUM, reason="Chromium is not installed"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]

CASES = [
    {},
    {"account": "consistent", "limit": 4000},
    {
        "account": "consistent",
        "gpu": "B200",
        "llm": "qwen3-235b-a22b",
        "precision": "fp8",
        "window": 32768,
        "limit": 60000,
    },
    {
        "account": "paper",
        "gpu": "B200",
        "basis": "facility",
        "workload": "lmsys",
        "split": 1536,
        "overflow": 1.5,
        "long_window": 65536,
    },
    {
        "account": "paper",
        "llm": "llama-3.1-8b",
        "tensor_parallel": 1,
        "utilization": 0.5,
        "split": 0,
        "workload": "agent_heavy",
    },
    {
        "account": "consistent",
        "gpu": "H200",
        "arrivals": 250,
        "limit": 9000,
        "oversized": "compress",
        "kv_allocation": "reserved",
    },
]


@pytest.fixture(scope="module")
def chromium():
    sandbox = [] if os.geteuid() else ["--no-sandbox"]
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=sandbox)
        yield browser
        browser.close()


@pytest.fixture
def browse(chromium, built):
    """Opens a page of the site; whatever goes wrong on it fails the test that opened it."""
    contexts, problems = [], []

    def opened(name, state="", **options):
        context = chromium.new_context(**options)
        contexts.append(context)
        context.on(
            "request",
            lambda request: (
                request.url.startswith(("file:", "data:")) or problems.append(request.url)
            ),
        )
        page = context.new_page()
        page.on(
            "console",
            lambda message: message.type in ("error", "warning") and problems.append(message.text),
        )
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.goto((built / name).as_uri() + (f"#{state}" if state else ""))
        return page

    yield opened
    for context in contexts:
        context.close()
    assert problems == []


def every(browse, built, **options):
    """Each page of the site in turn, in one window."""
    window = browse("index.html", **options)
    for path in sorted(built.glob("*.html")):
        window.goto(path.as_uri())
        yield path.name, window


def test_no_hostile_text_runs_wherever_it_is_written(chromium, infected):
    """Whatever is written in records, claims, labels, datasets and addresses stays text."""
    page = chromium.new_page()
    opened = []
    page.on("dialog", lambda dialog: opened.append(dialog.message))
    state = urlencode(dict.fromkeys(["words", "verdict", "gpu", "llm", "q"], hostile.PAYLOAD))
    for path in sorted((infected / "site").glob("*.html")):
        page.goto(f"{path.as_uri()}#{state}")
        page.evaluate("document.querySelectorAll('details').forEach((each) => (each.open = true))")
        page.evaluate("document.querySelectorAll('th button').forEach((each) => each.click())")
        assert page.evaluate("window.pwned") is None, path.name
        addresses = page.locator("[href]").evaluate_all(
            "(all) => all.map((each) => each.href.baseVal ?? each.href)"  # of a drawing, or a page
        )
        assert not [address for address in addresses if "script:" in address.split("#")[0]]
    assert opened == []
    page.close()


def test_a_page_runs_nothing_that_is_written_into_it(chromium, built):
    page = chromium.new_page()
    page.goto((built / "index.html").as_uri())
    page.evaluate(
        """() => {
      const script = document.createElement("script");
      script.textContent = "window.pwned = 1";
      document.body.append(script);
      document.body.insertAdjacentHTML("beforeend", "<img src=x onerror='window.pwned = 1'>");
      document.body.insertAdjacentHTML("beforeend", "<a id=own href='javascript:pwned=1'>x</a>");
      document.getElementById("own").click();
    }"""
    )
    page.wait_for_timeout(300)
    assert page.evaluate("window.pwned") is None
    page.close()


def column(page, table, number):
    return page.locator(f"{table} tbody tr:not([hidden]) > :nth-child({number})").all_inner_texts()


def test_every_page_loads_without_an_error_or_the_network(browse, built):
    for _, page in every(browse, built):
        assert page.locator("h1").inner_text()
        assert page.evaluate(
            "[...document.images].every((image) => image.loading === 'lazy' "
            "|| image.naturalWidth > 0)"
        )


def test_the_first_page_is_ready_within_a_second(browse):
    timing = "performance.getEntriesByType('navigation')[0].domInteractive"
    assert min(browse("index.html").evaluate(timing) for _ in range(3)) < 1000


def test_the_audit_filters_by_verdict_section_and_words(browse):
    page = browse("audit.html")
    total = len(column(page, "#claims", 1))
    page.get_by_label("Verdict").select_option("inconsistent")
    assert set(column(page, "#claims", 7)) == {"inconsistent"}
    page.get_by_label("Section").select_option("Abstract")
    assert column(page, "#claims", 1) == ["C002"]
    assert page.get_by_role("status").inner_text() == f"1 of {total} claims"
    assert page.url.endswith("#verdict=inconsistent&section=Abstract")
    page.get_by_label("Section").select_option("")
    page.get_by_label("Verdict").select_option("")
    page.get_by_label("Words").fill("kv BLOCKS")
    assert 0 < len(column(page, "#claims", 1)) < total
    assert all(
        "kv" in row.lower() and "blocks" in row.lower()
        for row in page.locator("#claims tbody tr:not([hidden])").all_inner_texts()
    )


def test_a_tile_of_the_start_page_leads_to_its_claims(browse):
    page = browse("index.html")
    tile = page.get_by_role("list", name="Claims by verdict").get_by_role(
        "link", name="not derivable"
    )
    count = int(re.search(r"\d+", tile.inner_text())[0])
    tile.click()
    assert len(column(page, "#claims", 1)) == count
    assert set(column(page, "#claims", 7)) == {"not derivable"}


def test_a_figure_fills_a_phone_and_gives_it_back(browse):
    page = browse("figure-waterfall.html", viewport={"width": 390, "height": 844})
    small = page.locator("a.stacked").bounding_box()["width"]
    page.locator("a.stacked").click(position={"x": 50, "y": 50})
    large = page.get_by_role("dialog").get_by_role("img")
    assert large.bounding_box()["width"] > 2 * small
    assert "one correction at a time" in large.get_attribute("alt")
    assert large.evaluate("(image) => image.decode().then(() => image.naturalWidth)") > 0
    page.get_by_role("button", name="Close").click()
    assert page.get_by_role("dialog").count() == 0
    page.locator("a.stacked").press("Enter")
    page.keyboard.press("Escape")
    page.get_by_role("dialog").wait_for(state="detached")
    assert page.evaluate("document.activeElement.className") == "enlarge stacked"


@pytest.mark.parametrize("name, stacked", [("lever", True), ("context_window", False)])
def test_panels_stand_one_below_the_other_on_a_phone_where_there_are_some(browse, name, stacked):
    """Each as wide as the screen at most, its text no smaller than on paper."""
    page = browse(f"figure-{name}.html", viewport={"width": 390, "height": 844})
    assert page.locator("a.enlarge:not(.stacked)").is_visible() is not stacked
    panels = page.locator("a.stacked > svg")
    assert (panels.count() > 1) is stacked
    tops = []
    for panel in panels.all():
        box, width = panel.bounding_box(), panel.evaluate("(svg) => svg.viewBox.baseVal.width")
        assert box["width"] <= 390 and box["width"] >= width
        tops.append(box["y"])
    assert tops == sorted(set(tops))
    wide = browse(f"figure-{name}.html", viewport={"width": 1280, "height": 900})
    assert wide.locator("a.enlarge:not(.stacked)").is_visible()
    assert not wide.locator("a.stacked").count() or not wide.locator("a.stacked").is_visible()


def test_a_long_text_in_a_table_is_not_one_word_wide(browse):
    page = browse("figure-uncertainty.html", viewport={"width": 1280, "height": 900})
    assert page.locator("td.words").first.bounding_box()["width"] > 200


def test_tables_sort_by_number_both_ways_and_say_so(browse):
    page = browse("table-table1.html")
    for head, place in [("context window", 1), ("H100 tok/W", 4)]:
        button = page.get_by_role("button", name=head)
        for direction in ["ascending", "descending"]:
            button.click()
            assert (
                page.get_by_role("columnheader", name=head).get_attribute("aria-sort") == direction
            )
            shown = [text.split()[0] for text in column(page, "table.sortable", place)]
            numbers = [float(text.removesuffix("K")) for text in shown]
            assert numbers == sorted(numbers, reverse=direction == "descending")


def reference(known, changes):
    """What Python computes for a state of the explorer."""
    state = {**START, **changes}
    choice = InstanceKey(*(state[name] for name in InstanceKey._fields))
    asked = {"arrival_rate": state["arrivals"], "latency_target": state["limit"] / 1e3}
    demand = replace(known.known.demand, **asked)
    assumed = switched(
        known.mixtures[known.mixture(choice)],
        {name: state[name] for name in state if name in ASSUMED},
    )
    account = Account(assumed, known.known.constants)
    law = known.catalogue.workloads[state["workload"]]
    chosen = cases.Case(
        gpu=choice.gpu,
        deployment=known.deployment(choice),
        workload=law,
        shares=known.known.shares(state["workload"], law),
        window=state["long_window"],
        topology="two_pools" if state["split"] else "homogeneous",
        splits=(float(state["split"]),) if state["split"] else (),
        overflow_factor=state["overflow"],
        paper=assumed,
    )
    ratio = chosen.prompt_ratio(assumed, demand.output_share)
    full = operating_point(account, chosen.deployment, state["window"], 0.5, ratio)
    point = operating_point(
        account,
        chosen.deployment,
        state["window"],
        0.5,
        ratio,
        utilization=state["utilization"],
    )
    fleet = chosen.evaluate(account, demand, chosen.traffic(account, demand))
    rented = 1 if assumed.basis == "gpu" else state["tensor_parallel"]
    rent = 1e6 * rented * known.catalogue.gpus[choice.gpu].price
    energy = known.energy
    return {
        "instance": {
            "tokens_per_joule": point.tokens_per_joule,
            "concurrency": full.concurrency,
            "latency": 1e3 * point.iteration_latency,
            "power": point.power,
            "joules": 1 / point.tokens_per_joule,
            "rent": rent / point.throughput,
            "electricity": 1e6 * energy.electricity_price / point.tokens_per_joule,
            "carbon": 1e9 * energy.grid_intensity / point.tokens_per_joule,
        },
        "fleet": {
            "tokens_per_joule": fleet.tokens_per_joule,
            "instances": fleet.instances,
            "gpus": fleet.instances * state["tensor_parallel"],
            "power": fleet.power / 1e3,
            "rent": rent * fleet.instances / fleet.throughput,
            "rejected": 100 * fleet.rejected,
        },
    }


START = {
    "account": "consistent",
    "gpu": "H100",
    "llm": "llama-3.1-70b",
    "precision": "bfloat16",
    "tensor_parallel": 8,
    "window": 8192,
    "utilization": 1,
    "workload": "azure",
    "long_window": 65536,
    "split": 4096,
    "overflow": 2,
    "arrivals": 1000,
    "limit": 500,
}
ASSUMED = set(
    quick_yaml.load((ROOT / "params/assumptions.yaml").read_text(encoding="utf-8"))["choices"]
)


def displayed(page, group):
    """The numbers of a group as they are shown, by name; thousands are set apart by commas."""
    numbers = page.locator(f"#{group} dd")
    return {
        number.get_attribute("data-name"): number.locator("b").inner_text().replace(",", "")
        for number in numbers.all()
    }


@pytest.fixture(scope="module")
def known(parameters):
    return Explorer(parameters)


@pytest.mark.parametrize(
    "changes", CASES, ids=lambda changes: "_".join(map(str, changes.values())) or "start"
)
def test_controls_change_the_numbers_to_those_of_python(changes, browse, known):
    page = browse("explorer.html")
    for name, value in changes.items():
        control = page.locator(f"#controls [name={name}]")
        if name in ASSUMED - {"basis"}:
            page.locator("#assumptions").evaluate("(details) => { details.open = true; }")
        if control.evaluate("(control) => control.tagName") == "SELECT":
            control.select_option(str(value))
        else:
            control.fill(str(value))
    assert page.locator("#problem").is_hidden()
    for group, wanted in reference(known, changes).items():
        shown = displayed(page, group)
        for name, number in wanted.items():
            assert float(shown[name]) == pytest.approx(float(number), rel=1e-3), (group, name)


def test_a_link_reproduces_the_case(browse):
    state = {
        "account": "consistent",
        "gpu": "B200",
        "window": 16384,
        "limit": 5000,
        "workload": "lmsys",
        "output_share": "fifth",
        "target": "wait",
    }
    first = browse("explorer.html", urlencode(state))
    link = first.get_by_role("link", name="Link to this case").get_attribute("href")
    second = browse("explorer.html", link.lstrip("#"))
    for group in ["instance", "fleet"]:
        assert displayed(first, group) == displayed(second, group)
    assert displayed(first, "instance") != displayed(browse("explorer.html"), "instance")
    assert second.locator("#controls [name=gpu]").input_value() == "B200"


def test_a_workload_without_a_measured_output_share_asks_for_one(browse, parameters):
    state = {"workload": "agent_heavy", "limit": 60_000, "split": 0}
    page = browse("explorer.html", urlencode(state))
    said = "Agent-heavy has no measured output share: state that of every request, such as 0.2."
    assert page.locator("#problem").inner_text() == said
    page.get_by_label("Output share of every request").fill("0.3")
    assert page.locator("#problem").is_hidden()
    demand = answers.demanded(parameters, latency_target=60.0, output_share=0.3)
    wanted = answers.fleet(
        parameters,
        "agent_heavy",
        demand,
        DeploymentNames(precision="bfloat16"),
        changes={"output_share": "fifth"},
    )
    for name, number in {
        "power": wanted.power / 1e3,
        "rent": 1e6 * wanted.dollars_per_token,
    }.items():
        shown = page.locator(f"#fleet [data-name={name}]").get_attribute("data-value")
        assert float(shown) == pytest.approx(number, rel=1e-6), name


def test_curves_are_drawn_and_follow_the_case(browse):
    page = browse("explorer.html")
    page.wait_for_selector("#splits svg circle")
    before = page.locator("#law path.chosen").get_attribute("d")
    assert (
        before.count("L") == 16
        and page.locator("#splits path.chosen").get_attribute("d").count("L") > 15
    )
    page.get_by_label("Utilization", exact=False).first.fill("0.1")
    page.wait_for_function(
        "(before) => document.querySelector('#law path.chosen').getAttribute('d') !== before",
        arg=before,
    )
    page.get_by_text("Numbers of the curves").click()
    assert page.locator("#law-numbers tbody tr").count() == 17


TRACE = "created_at,prompt_tokens,completion_tokens,status\n" + "".join(
    f"2026-01-01 00:00:{second:02d},{500 + 97 * second % 3000},{20 + 7 * second},"
    f"{'failure' if second == 30 else 'success'}\n"
    for second in range(60)
)


@pytest.fixture
def trace(tmp_path):
    path = tmp_path / "requests.csv"
    path.write_text(TRACE, encoding="utf-8")
    return path


def test_a_trace_that_is_chosen_is_read_and_gets_the_fleet_of_python(browse, parameters, trace):
    page = browse("explorer.html", urlencode({"limit": 2000, "split": 1024}))
    page.get_by_label("Your own trace, CSV").set_input_files(trace)
    said = "requests.csv: 59 requests of 60 rows (left out: 1 failed); 59 s; 0.9831 req/s"
    page.get_by_text(said).wait_for()
    demand = answers.demanded(parameters, arrival_rate=58 / 59, latency_target=2.0)
    names = DeploymentNames(precision="bfloat16")
    wanted = answers.fleet(parameters, read_trace(trace), demand, names, split_lengths=[1024])
    shown = displayed(page, "fleet")
    for name, number in {
        "tokens_per_joule": wanted.tokens_per_joule,
        "instances": wanted.instances,
        "gpus": wanted.gpus,
        "power": wanted.power / 1e3,
        "joules": wanted.joules_per_token,
        "rent": 1e6 * wanted.dollars_per_token,
    }.items():
        assert float(shown[name]) == pytest.approx(number, rel=1e-3), name
    page.locator("#controls [name=arrivals]").fill("500")
    page.get_by_label("Split length [tok]").fill("0")
    demand = answers.demanded(parameters, arrival_rate=500, latency_target=2.0)
    wanted = answers.fleet(parameters, read_trace(trace), demand, names)
    assert float(displayed(page, "fleet")["gpus"]) == wanted.gpus


def test_a_file_that_cannot_be_read_leaves_the_page_as_it_was(browse, trace, tmp_path):
    page = browse("explorer.html", urlencode({"limit": 2000, "arrivals": 7, "gpu": "H200"}))
    before = displayed(page, "fleet")
    bad = tmp_path / "bad.csv"
    bad.write_text("prompt_tokens,<img src=x>\n1,2\n", encoding="utf-8")
    picker = page.get_by_label("Your own trace, CSV")
    picker.set_input_files(bad)
    page.get_by_text("bad.csv: no column of output tokens among").wait_for()
    assert displayed(page, "fleet") == before and page.locator("#problem").is_hidden()
    bad.write_text("time,prompt_tokens,output_tokens\n1,2,3\n2,3,x\n", encoding="utf-8")
    picker.set_input_files(trace)
    page.get_by_text("59 requests").wait_for()
    read = displayed(page, "fleet")
    assert read != before
    picker.set_input_files(bad)
    page.get_by_text("bad.csv: 1 of 2 rows is bad: line 3 has “x”").wait_for()
    cut = tmp_path / "cut.csv.gz"
    cut.write_bytes(gzip.compress(TRACE.encode())[:-20])
    picker.set_input_files(cut)
    page.get_by_text("cut.csv.gz: is not whole").wait_for()
    assert displayed(page, "fleet") == read
    assert page.locator("#controls [name=gpu]").input_value() == "H200"


def test_a_packed_trace_is_read_as_it_was_before(browse, trace, tmp_path):
    packed = tmp_path / "requests.csv.gz"
    packed.write_bytes(gzip.compress(TRACE.encode()))
    page = browse("explorer.html", urlencode({"limit": 2000}))
    fleets = []
    for file in (trace, packed):
        page.get_by_label("Your own trace, CSV").set_input_files(file)
        page.get_by_text(f"{file.name}: 59 requests of 60 rows").wait_for()
        fleets.append(displayed(page, "fleet"))
    assert fleets[0] == fleets[1]


def test_the_keyboard_reaches_the_picker_and_a_link_asks_for_the_file_again(browse, trace):
    page = browse("explorer.html")
    page.locator("#controls [name=share]").focus()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.type") == "file"
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.get_by_label("Your own trace, CSV").set_input_files(trace)
    page.get_by_text("59 requests").wait_for()
    link = page.get_by_role("link", name="Link to this case").get_attribute("href")
    again = browse("explorer.html", link.lstrip("#"))
    assert "Your own trace: choose its file" in again.locator("#problem").inner_text()
    again.get_by_label("Your own trace, CSV").set_input_files(trace)
    again.get_by_text("59 requests").wait_for()
    assert again.locator("#problem").is_hidden()
    assert displayed(again, "fleet") == displayed(page, "fleet")


def test_a_plan_is_that_of_python_until_the_case_changes(browse, known, trace):
    page = browse("explorer.html", urlencode({"limit": 800, "llm": "llama-3.1-8b"}))
    page.get_by_label("Your own trace, CSV").set_input_files(trace)
    page.locator("#controls [name=arrivals]").fill("40")
    page.locator("#objective").select_option("dollars")
    page.get_by_role("button", name="Plan", exact=True).click()
    page.get_by_text("configurations for").wait_for()
    catalogue = known.catalogue
    options = Options(
        gpu=tuple(known.boards),
        precision=tuple(
            it for it in catalogue.precisions if narrows(catalogue.precisions[it], 0.0)
        ),
        kv_precision=(None,),
        max_num_seqs=(None,),
        max_num_batched_tokens=(None,),
    )
    question = {"options": options, "objective": "dollars", "budget": Budget(pools=2)}
    demand = answers.demanded(catalogue, arrival_rate=40.0, latency_target=0.8)
    own = read_trace(trace)
    wanted = plan(catalogue, own, demand, "llama-3.1-8b", candidates=[512, 1024, 2048], **question)
    said = page.locator("#plan-note").inner_text()
    assert float(said.split()[0]) == pytest.approx(1e6 * wanted.cost_per_token, rel=1e-3)
    assert "96 configurations for 7 classes of lengths" in said
    gpus = float(column(page, "#plan-pools", 4)[-1])
    assert gpus == wanted.fleet.gpus
    page.set_viewport_size({"width": 800, "height": 600})
    page.wait_for_timeout(100)
    assert page.locator("#plan-note").inner_text() == said
    page.locator("#controls [name=arrivals]").fill("50")
    assert page.locator("#plan-note").inner_text() == ""
    assert page.locator("#plan-pools tr").count() == 0


def served_numbers(page):
    """What the section says of a run: simulated numbers by their names."""
    page.locator("#serve-results").wait_for()
    rows = zip(column(page, "#served", 1), column(page, "#served", 2), strict=True)
    return {name: float(number.replace(",", "")) for name, number in rows}


SERVED = {
    "TTFT, median [ms]": ("first_token", 1e3),
    "TTFT, p99 [ms]": ("first_token_p99", 1e3),
    "ITL, median [ms]": ("inter_token_latency", 1e3),
    "ITL, p99 [ms]": ("inter_token_latency_p99", 1e3),
    "Throughput [tok/s]": ("throughput", 1),
    "Power [kW]": ("power", 1e-3),
}


def test_a_fleet_is_served_request_by_request_as_python_serves_it(browse, parameters, trace):
    page = browse("explorer.html", urlencode({"limit": 2000, "split": 1024, "overflow": 1}))
    page.get_by_label("Your own trace, CSV").set_input_files(trace)
    page.get_by_text("59 requests").wait_for()
    page.get_by_role("button", name="Serve request by request").click()
    shown = served_numbers(page)
    demand = answers.demanded(parameters, arrival_rate=58 / 59, latency_target=2.0)
    names = DeploymentNames(precision="bfloat16")
    wanted = simulate(parameters, read_trace(trace), demand, names, split_lengths=[1024])
    for name, (theirs, scale) in SERVED.items():
        assert shown[name] == pytest.approx(scale * wanted[theirs].item(), rel=1e-3), name
    said = page.locator("#serve-command").inner_text()
    for chart in ("requests", "cache", "power"):
        assert page.locator(f"#served-{chart} path").first.get_attribute("d").count("L") > 50
    assert page.evaluate("document.documentElement.scrollWidth") <= 1280
    page.get_by_label("Instances of each pool").fill("1 1")
    assert page.locator("#serve-results").is_hidden()
    page.locator("#controls [name=arrivals]").fill("100")
    page.get_by_role("button", name="Serve request by request").click()
    page.get_by_text("Requests of requests.csv: cannot be served, the").wait_for()
    page.get_by_label("Instances of each pool").fill("1")
    page.get_by_role("button", name="Serve request by request").click()
    assert "wanted 2, one for each pool" in page.locator("#serve-note").inner_text()
    command = "tokwatt simulate --trace 'requests.csv' --llm llama-3.1-70b --gpu H100 --gpus 8 "
    assert said.startswith(command) and "--arrival-rate" not in said


def test_a_workload_is_served_by_the_fleet_of_the_plan_until_the_case_changes(browse):
    state = {"limit": 800, "llm": "llama-3.1-8b", "tensor_parallel": 1, "arrivals": 20}
    page = browse("explorer.html", urlencode(state))
    page.get_by_label("Drawn requests").fill("2000")
    page.locator("#serve-fleet").select_option("plan")
    page.get_by_role("button", name="Serve request by request").click()
    assert "press Plan first" in page.locator("#serve-note").inner_text()
    page.get_by_role("button", name="Plan", exact=True).click()
    page.get_by_text("configurations for").wait_for()
    page.get_by_role("button", name="Serve request by request").click()
    assert served_numbers(page)["TTFT, p99 [ms]"] < 1600
    page.locator("#serve-fleet").select_option("page")
    page.get_by_label("Drawn requests").fill("100000")
    page.get_by_role("button", name="Serve request by request").click()
    page.get_by_role("button", name="Stop").click()
    assert page.locator("#serve-note").inner_text() == "Stopped."
    page.get_by_role("button", name="Serve request by request").click()
    page.locator("#controls [name=arrivals]").fill("21")
    assert page.locator("#serve-note").inner_text() == ""
    page.get_by_role("button", name="Serve request by request").wait_for()


def test_a_window_with_which_no_engine_starts_has_no_fleet(browse):
    page = browse("explorer.html", urlencode({"tensor_parallel": 2, "split": 0}))
    assert "no engine starts with a window of 16,384" in page.locator("#summary").inner_text()
    assert displayed(page, "fleet")["gpus"] == "–"
    page.locator("#controls [name=tensor_parallel]").select_option("4")
    assert "no engine starts" not in page.locator("#summary").inner_text()


def test_why_a_fleet_cannot_be_is_said_and_seen(browse):
    page = browse(
        "explorer.html",
        urlencode({"workload": "agent_heavy", "output_share": "fifth"}),
        viewport={"width": 1200, "height": 900},
    )
    summary = page.get_by_role("status").inner_text()
    took, target = (
        float(text.replace(",", "")) for text in re.findall(r"([\d,.]+) ms", summary)[::-1]
    )
    assert took > target == 500
    assert page.evaluate(
        "((table) => table.scrollWidth <= table.parentElement.clientWidth)"
        "(document.querySelector('#pools'))"
    )
    assert page.locator("#controls [name=long_window]").is_disabled()


def test_a_board_at_its_limit_of_power_is_said(browse):
    state = {"gpu": "B200", "window": 16384, "workload": "lmsys", "output_share": "fifth"}
    power = browse("explorer.html", urlencode(state)).locator("#instance [data-name=power]")
    assert "limit" in power.inner_text() and 0 < float(power.get_attribute("data-value")) <= 8000


def test_what_cannot_be_is_said(browse):
    page = browse("explorer.html", urlencode({"account": "paper"}))
    page.locator("#controls [name=llm]").select_option("kimi-k2")
    assert "does not describe Kimi-K2" in page.locator("#problem").inner_text()
    page.locator("#controls [name=account]").select_option("consistent")
    assert page.locator("#problem").is_hidden()
    assert page.get_by_role("status").inner_text() == "The LLM does not fit on these GPUs."
    assert float(page.locator("#instance [data-name=missing]").get_attribute("data-value")) > 0
    page.get_by_role("button", name="Start again").click()
    page.locator("#controls [name=window]").fill("")
    assert "Context window" in page.locator("#problem").inner_text()
    page.get_by_role("button", name="Start again").click()
    page.locator("#controls [name=account]").select_option("paper")
    page.get_by_text("Assumptions, one by one").click()
    page.locator("#controls [name=target]").select_option("first_token")
    assert "contradict each other" in page.locator("#problem").inner_text()


def test_a_slider_and_its_number_agree(browse):
    page = browse("explorer.html")
    slider = page.get_by_label("Context window, by doublings")
    slider.focus()
    slider.press("ArrowRight")
    assert page.locator("#controls [name=window]").input_value() == str(round(2**13.5))
    page.locator("#controls [name=window]").fill("65536")
    assert slider.input_value() == "16"


def test_the_keyboard_reaches_everything_and_shows_where_it_is(browse):
    page = browse("audit.html")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to content"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "content"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "what survives of them"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.name") == "verdict"
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.get_by_role("button", name="verdict").focus()
    page.keyboard.press("Enter")
    assert (
        page.get_by_role("columnheader", name="verdict").get_attribute("aria-sort") == "ascending"
    )


def test_the_keyboard_goes_through_the_menu_to_the_search_and_on(browse):
    page = browse("index.html")
    passed = []
    for _ in range(9):
        page.keyboard.press("Tab")
        passed.append(page.evaluate("document.activeElement.textContent.trim()"))
    names = ["What survives", "Explore", "The paper", "Measured", "Docs", "Data"]
    assert passed == ["Skip to content", "tokwatt", *names, ""]
    page.keyboard.type("watts a GPU draws idle")
    page.keyboard.press("Enter")
    page.wait_for_url("**/search.html#q=watts+a+GPU+draws+idle")
    assert page.evaluate("document.activeElement.name") == "q"


def hits(page):
    return page.locator("#results li a").all_inner_texts()


def test_the_search_finds_records_claims_equations_and_sections(browse):
    page = browse("search.html")
    box = page.get_by_label("Search all pages")
    for asked, wanted in {
        "h100 tdp": "gpus: H100.tdp",
        "C259": "C259: H100: TDP",
        "logistic_power": "logistic_power",
        "How do I add a GPU?": "Add a GPU",
    }.items():
        box.fill(asked)
        assert hits(page)[0] == wanted
    box.fill("xyzzy")
    assert hits(page) == [] and "No page" in page.get_by_role("status").inner_text()


def test_what_is_found_leads_to_its_place_and_a_link_searches_again(browse):
    page = browse("search.html", "q=h100+tdp", viewport={"width": 360, "height": 740})
    assert page.get_by_label("Search all pages").input_value() == "h100 tdp"
    page.get_by_role("link", name="gpus: H100.tdp").click()
    page.locator("form.filters").wait_for()
    rows = page.locator("#records tbody tr:not([hidden])").all_inner_texts()
    assert rows and all("h100" in row.lower() and "tdp" in row.lower() for row in rows)
    page.go_back()
    page.get_by_label("Search all pages").fill("C259")
    page.get_by_role("link", name="C259").click()
    assert page.locator("td:target").inner_text() == "C259"


CONTRAST = """() => {
  const channels = (color) => color.match(/[\\d.]+/g).map(Number);
  const luminance = (rgb) => rgb.slice(0, 3).map((value) => value / 255)
    .map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4))
    .reduce((total, value, place) => total + value * [0.2126, 0.7152, 0.0722][place], 0);
  const ground = (element) => {
    for (let each = element; each; each = each.parentElement) {
      const color = channels(getComputedStyle(each).backgroundColor);
      if (color.length === 3 || color[3] > 0) return color;
    }
    return [255, 255, 255];
  };
  const texts = [...document.querySelectorAll('body *')].filter((element) =>
    !element.closest('option, svg, math')
    && [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim()));
  return texts.map((element) => {
    const colors = [channels(getComputedStyle(element).color), ground(element)];
    const pair = colors.map(luminance).sort((a, b) => a - b);
    return [(pair[1] + 0.05) / (pair[0] + 0.05), element.textContent.trim().slice(0, 40)];
  }).filter(([contrast]) => contrast < 4.5);
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    "name",
    ["index", "table-table3", "audit", "explorer", "method", "docs-explanation", "search"],
)
def test_text_stands_out_from_its_ground(name, scheme, browse):
    page = browse(f"{name}.html", color_scheme=scheme)
    assert page.evaluate(CONTRAST) == []


def colors_of(element):
    """The colours of what a browser shows of an element, the most frequent first."""
    image = Image.open(io.BytesIO(element.screenshot())).convert("RGB")
    counts = image.getcolors(maxcolors=image.width * image.height)
    return [color for _, color in sorted(counts, reverse=True)]


@pytest.mark.parametrize(("scheme", "ground"), [("light", "#ffffff"), ("dark", palette.GROUND)])
def test_figures_stand_on_the_ground_of_their_page(scheme, ground, browse, built):
    window = browse("index.html", color_scheme=scheme)
    wanted = tuple(int(ground[place : place + 2], 16) for place in (1, 3, 5))
    for path in sorted(built.glob("figure-*.html")):
        window.goto(path.as_uri())
        body = window.evaluate("getComputedStyle(document.body).backgroundColor")
        shown = colors_of(window.locator("a.enlarge img"))
        assert body == f"rgb{wanted}", path.name
        assert (255, 255, 255) not in shown or scheme == "light", path.name
        assert wanted in shown[:3], path.name  # a heat map may have more of another


TEXT = """() => [
  ...[...document.querySelectorAll('a.enlarge img')].filter((it) => it.offsetParent).map((image) =>
    7 * 96 / 72 * (image.getBoundingClientRect().width - 20) / image.naturalWidth),
  ...[...document.querySelectorAll('a.stacked > svg')].filter((it) => it.clientWidth).map((svg) =>
    7 * svg.getBoundingClientRect().width / svg.viewBox.baseVal.width)]"""
"""How high the text of each figure is, in pixels; it is written at 7 points."""


@pytest.mark.parametrize("width", [320, 360])
def test_a_narrow_screen_never_scrolls_sideways(width, browse, built):
    """Neither do rows of sentences, one cell below the other; and no text leaves its cell."""
    holds = (
        "(cells) => cells.filter((it) => it.scrollWidth > it.clientWidth + 1)"
        ".map((it) => it.textContent)"
    )
    fits = "(tables) => tables.every((it) => it.scrollWidth <= it.parentElement.clientWidth)"
    for name, page in every(browse, built, viewport={"width": width, "height": 640}):
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name
        assert page.locator("table.cards").evaluate_all(fits), name
        assert page.locator("main :is(td, th)").evaluate_all(holds) == [], name


def test_on_a_phone_the_text_of_a_figure_is_as_large_as_elsewhere_and_a_tap_enlarges_it(
    browse, built
):
    phone = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}
    for name, page in every(browse, built, **phone):
        assert all(height > 11 for height in page.evaluate(TEXT)), name
    page.goto((built / "docs-explanation.html").as_uri())
    page.locator("a.enlarge:visible").first.tap()
    assert page.get_by_role("dialog").get_by_role("img").bounding_box()["width"] > 1000


def test_screen_readers_find_names_for_what_can_be_used(browse, built):
    for name, page in every(browse, built):
        controls = page.locator(
            "main a, main button, main input, main select, main summary, main [tabindex='0']"
        )
        unnamed = controls.evaluate_all(
            """(found) => found.filter((each) => !(each.labels?.length
              || each.getAttribute('aria-label') || each.textContent.trim()
              || each.querySelector('img')?.alt))
              .map((each) => each.outerHTML.slice(0, 80))"""
        )
        assert unnamed == [], name
        assert page.get_by_role("navigation", name="Pages").get_by_role("link").count() == 6


def test_without_scripts_everything_but_the_explorer_is_there(browse):
    page = browse("audit.html", java_script_enabled=False)
    assert page.locator("#claims tbody tr").count() > 300
    assert page.locator("form.filters").is_hidden() and page.locator("form.search").is_hidden()
