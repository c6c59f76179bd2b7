"""Every cell of Tables 1-5 as the paper prints it, and every value behind it to 1e-9."""

import csv
import re

import pytest

from tokwatt.params.errors import ParameterError
from tokwatt.reports import tables

# The cells of the paper, row by row as it lays them out (arXiv:2603.17280v1).
PRINTED = {
    "table1": """
        2K   512 598 35.0   1343 859 61.4
        4K   256 593 17.6    671 857 30.8
        8K   128 583 8.97    335 852 15.5
        16K   64 557 4.69    167 838 7.87
        32K   32 507 2.58     83 805 4.09
        64K   16 435 1.50     41 735 2.24
        128K   8 369 0.88     20 630 1.30""",
    "table2": """
        Llama-3.1-8B     1  58  3350  6.46  148  9962  12.18
        Llama-3.1-70B    8  22  2716  7.41   58 12960  20.93
        Llama-3.1-405B   8   1    26  0.09   17  1009   2.16
        Qwen3-235B-A22B  8  24 11521 37.82  146 80584 177.73
        DeepSeek-V3      8   1   646  2.14   11  8162  18.37""",
    "table3": """
        Azure H100 Homo     141 58.3  5.58 -
        Azure H100 Pool      68 32.0  9.16 +64%
        Azure H100 FleetOpt  40 23.1 14.08 +152%
        Azure B200 Homo      47 33.4  9.74 +75%
        Azure B200 Pool      25 19.1 15.39 +176%
        Azure B200 FleetOpt  17 13.7 23.71 +325%
        LMSYS H100 Homo      69 28.5  4.77 -
        LMSYS H100 Pool      38 16.4  7.91 +66%
        LMSYS H100 FleetOpt  29 12.9 10.30 +116%
        LMSYS B200 Homo      24 17.0  7.98 +67%
        LMSYS B200 Pool      16 11.7 11.12 +133%
        LMSYS B200 FleetOpt  12  9.0 14.82 +211%""",
    "table4": """
        Context_short_(70B,_8K)   109 578 8.77
        Context_long_(70B,_64K)    14 413 1.52
        Semantic_small_(8B,_8K)    49 506 6.24
        Semantic_large_(70B,_64K)  14 413 1.52""",
    "table5": """
        H100   700 300 6.72 22 367  7.41 32.2 0.30M
        H200   700 300 4.76 44 422 15.58 48.0 0.49M
        B200  1000 430 2.95 58 619 20.93 64.0 0.73M
        GB200 1200 516 2.95 65 755 18.49 80.0 0.63M""",
}


@pytest.fixture(scope="session")
def written(grids, params, tmp_path_factory):
    out = tmp_path_factory.mktemp("tables")
    for name in [*PRINTED, "table6", "table7", "waterfall"]:
        tables.write_table(name, params, grids, out)
    return out


def markdown_rows(path):
    lines = [line for line in path.read_text().splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


@pytest.mark.parametrize("name", PRINTED)
def test_every_cell_is_as_printed(name, written):
    expected = [
        [cell.replace("_", " ") for cell in line.split()]
        for line in PRINTED[name].strip().splitlines()
    ]
    assert markdown_rows(written / f"{name}.md") == expected


def test_there_are_167_numeric_cells():
    numeric = [
        cell
        for table in PRINTED.values()
        for line in table.strip().splitlines()
        for cell in re.split(r"\s+", line.strip())
    ]
    labels = 7 + 5 + 12 * 3 + 4 + 4
    assert len(numeric) - labels - numeric.count("-") == 167


def read(path):
    with path.open() as lines:
        return [
            {re.sub(r" \[.*", "", key): value for key, value in row.items()}
            for row in csv.DictReader(lines)
        ]


def holds(row, facts, names):
    for column, fact in names.items():
        if isinstance(facts[fact], int):
            assert float(row[column]) == facts[fact], column
        else:
            assert float(row[column]) == pytest.approx(facts[fact], rel=1e-9), column


STEP = {
    "concurrency": "n_max",
    "power": "P_W",
    "iteration_latency": "tau_s",
    "throughput": "tok_s",
    "tokens_per_joule": "tok_per_W",
}


def test_table_1_holds_to_nine_digits(written, expected):
    rows = read(written / "table1.csv")
    assert len(rows) == 14
    for row in rows:
        holds(
            row, expected["table1"][f"{float(row['context_window']) / 1024:g}K"][row["gpu"]], STEP
        )


def test_table_2_holds_to_nine_digits(written, expected):
    facts = {name.lower(): gpus for name, gpus in expected["table2"].items()}
    rows = read(written / "table2.csv")
    assert len(rows) == 10
    for row in rows:
        holds(
            row,
            facts[row["llm"]][row["gpu"]],
            STEP
            | {"weight_time": "W_used_s", "own_weight_time": "W_in_power_s", "scan_time": "H_s"},
        )
        profile = facts[row["llm"]][row["gpu"]]["profile"]
        holds(
            row,
            profile,
            {
                "parameters": "param_count",
                "kv_blocks": "total_kv_blks",
                "kv_budget": "kv_budget_unclamped_bytes",
            },
        )


def test_table_3_holds_to_nine_digits(written, expected):
    topologies = {"homogeneous": "Homo", "pool": "Pool", "fleetopt": "FleetOpt"}
    rows = read(written / "table3.csv")
    assert len(rows) == 12
    for row in rows:
        facts = expected["table3"][{"azure": "Azure", "lmsys": "LMSYS"}[row["workload"]]][
            topologies[row["topology"]]
        ][row["gpu"]]
        columns = {
            "instances": "gpus",
            "tokens_per_joule": "tok_per_W",
            "throughput": "out_tok_s",
            "dollars_per_million": "cost_per_mil",
        }
        holds(row, facts, columns)
        assert float(row["power"]) == pytest.approx(1e3 * facts["kW"], rel=1e-9)
        assert float(row["first_token_time"]) == pytest.approx(
            facts["worst_p99_ms"] / 1e3, rel=1e-9
        )


def test_table_4_holds_to_nine_digits(written, expected):
    columns = {
        "concurrency": "n_max",
        "shown": "n_act_displayed",
        "batch": "n_act_used",
        "power": "P_W",
        "iteration_latency": "tau_s",
    }
    for row, facts in zip(read(written / "table4.csv"), expected["table4"].values(), strict=True):
        holds(row, facts, columns | {"tokens_per_joule": "tok_per_W"})


def test_table_5_holds_to_nine_digits(written, expected):
    for row, facts in zip(read(written / "table5.csv"), expected["table5"].values(), strict=True):
        holds(row, facts, STEP | {"tdp": "TDP", "idle": "P_idle_printed"})
        assert float(row["weight_time"]) == pytest.approx(facts["W_ms"] / 1e3, rel=1e-9)
        assert float(row["tokens_per_dollar"]) == pytest.approx(
            1e6 * facts["Mtok_per_usd"], rel=1e-9
        )


def test_table_6_shows_both_where_the_fleets_disagree(written):
    rows = {row["kind"]: row for row in read(written / "table6.csv")}
    for row in rows.values():
        assert row["topology_agrees"] == str(
            row["best_topology"] in row["recommended_topology"].split(" or ")
        )
    assert rows["mixed"]["topology_agrees"] == "False"


def test_the_waterfall_goes_from_the_published_values_to_the_consistent_ones(written):
    rows = {name: after for name, after, *_ in markdown_rows(written / "waterfall.md")}
    tidy = [row for row in read(written / "waterfall.csv") if row["headline"] == "law_40x"]
    assert next(iter(rows)) == "published" and "prompts take time" in rows
    assert [float(after) for after in rows.values()] == pytest.approx(
        [float(row["value"]) for row in tidy], rel=5e-3
    )


def test_a_layout_that_asks_for_what_its_grid_lacks_is_one_sentence(damaged, grids, tmp_path):
    folder = damaged("paper", ["tables", "table1", "columns", 0, "variable"], "concurency")
    with pytest.raises(
        ParameterError,
        match=r"^\S+paper.yaml: tables.table1.columns names 'concurency', wanted one of [^.]+\.$",
    ):
        tables.write_table("table1", folder, grids, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_table_that_names_no_grid_is_one_sentence(damaged, grids, tmp_path):
    folder = damaged("paper", ["tables", "table1", "grid"], "context_windw")
    with pytest.raises(
        ParameterError,
        match=r"^\S+paper.yaml: tables.table1.grid is 'context_windw', wanted one of [^.]+\.$",
    ):
        tables.write_table("table1", folder, grids, tmp_path / "out")
