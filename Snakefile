"""The paper, from params/ to its tables, figures and verdict; params/paper.yaml names them all."""

import sys
from pathlib import Path


configfile: "params/paper.yaml"


JOBS = {
    job: {name: grid for name, grid in config["grids"].items() if grid.get("job") == job}
    for job in sorted({str(grid.get("job")) for grid in config["grids"].values()})
}
FIGURES = {
    name: [job for job in JOBS if JOBS[job].keys() & set(figure.get("grids", []))]
    for name, figure in config["figures"].items()
}
PARTS = [f"{part}-of-{config['parts']}" for part in range(config["parts"])]
STUDIES = {name: figure.get("study", []) for name, figure in config["figures"].items()}
PARAMS = sorted(map(str, Path("params").rglob("*.yaml")))
ASSUMED = [path for path in PARAMS if not path.startswith(("params/paper", "params/studies"))]
CODE = sorted(str(path) for path in Path("src/tokwatt").rglob("*.*") if path.suffix != ".pyc")
MODELS = [path for path in CODE if not {"reports", "commands"} & set(Path(path).parts)]
READERS = [path for path in CODE if Path(path).parent.name in ("tokwatt", "params", "reports")]
DRAWING = [path for path in CODE if {"common", "tokwatt.mplstyle"} & set(Path(path).parts)]
TIDY = expand("results/tables/{table}.csv", table=config["tables"])
PRINTED = expand("results/tables/{table}.md", table=config["tables"])
RESULTS = [
    [TIDY, PRINTED],
    expand("figures/{figure}.{kind}", figure=FIGURES, kind=["pdf", "svg", "png", "csv"]),
    multiext("results/", "audit.csv", "audit.md", "headlines.md", "verdict.md", "explorer.json"),
    expand("results/{page}.md", page=["validation", "simulation", "planning", "reference"]),
]
NAME = "[A-Za-z0-9_][A-Za-z0-9_.-]{0,59}"
shell.prefix(f"PATH='{Path(sys.executable).parent}':$PATH; ")


wildcard_constraints:
    job=NAME,
    study=NAME,
    figure=NAME,
    page="validation|simulation|verdict|planning|reference",


rule all:
    """Every table, figure and verdict, the site, and the record of them."""
    input:
        RESULTS,
        "results/site",
        "ro-crate-metadata.json",


rule grids:
    """The datasets of one job, labelled and with units."""
    input:
        [ASSUMED, MODELS],
    output:
        directory("results/grids/{job}"),
    log:
        "results/logs/grids_{job}.log",
    params:
        entries=lookup("{job}", within=JOBS),
    shell:
        "tokwatt grids {wildcards.job:q} > {log:q} 2>&1"


rule study_part:
    """A share of a study's blocks; parts may run on machines that see the same folder."""
    input:
        ["params/studies/{study}.yaml", ASSUMED, MODELS],
    output:
        touch("results/studies/{study}.parts/{part}-of-{parts}.done"),
    log:
        "results/logs/study_{study}_{part}-of-{parts}.log",
    shell:
        "tokwatt study {wildcards.study:q} --part {wildcards.part:q} --parts {wildcards.parts:q}"
        " 2> {log:q}"


rule study:
    """A study's store: what the parts have made is checked and gets its name."""
    input:
        ["params/studies/{study}.yaml", ASSUMED, MODELS],
        expand("results/studies/{{study}}.parts/{part}.done", part=PARTS),
    output:
        directory("results/studies/{study}.zarr"),
    log:
        "results/logs/study_{study}.log",
    shell:
        "tokwatt study {wildcards.study:q} 2> {log:q}"


rule tables:
    """Tables 1 to 7 and ours: tidy and exact as CSV, as printed in Markdown."""
    input:
        [expand("results/grids/{job}", job=JOBS), READERS],
    output:
        report(TIDY, category="Tables", caption="docs/report/table.rst"),
        PRINTED,
    log:
        "results/logs/tables.log",
    params:
        tables=config["tables"],
        names=config["names"],
        accounts=config["accounts"],
    shell:
        "tokwatt table > {log} 2>&1"


rule figure:
    """One figure: PDF, SVG and PNG, and the numbers that are drawn."""
    input:
        expand("results/grids/{job}", job=lookup("{figure}", within=FIGURES)),
        expand("results/studies/{study}.zarr", study=lookup("{figure}", within=STUDIES)),
        [READERS, DRAWING],
        "src/tokwatt/reports/figures/{figure}.py",
    output:
        report("figures/{figure}.svg", category="Figures", caption="docs/report/figure.rst"),
        multiext("figures/{figure}", ".pdf", ".png", ".csv"),
    log:
        "results/logs/figure_{figure}.log",
    params:
        entry=lookup("figures/{figure}", within=config),
        names=config["names"],
    shell:
        "tokwatt figure {wildcards.figure:q} > {log:q} 2>&1"


rule audit:
    """Every published number against ours, and the headlines."""
    input:
        [expand("results/grids/{job}", job=JOBS), READERS, ASSUMED],
    output:
        report("results/audit.csv", category="Audit", caption="docs/report/audit.rst"),
        multiext("results/", "audit.md", "headlines.md"),
    log:
        "results/logs/audit.log",
    params:
        accounts=config["accounts"],
    shell:
        "tokwatt audit > {log} 2>&1"


rule page:
    """What measured runs and servers say, which headlines survive, the best fleets, a reference."""
    input:
        [expand("results/grids/{job}", job=JOBS), PARAMS, CODE],
    output:
        report("results/{page}.md", category="{page}", caption="docs/report/page.rst"),
    log:
        "results/logs/{page}.log",
    shell:
        "tokwatt {wildcards.page:q} > {log:q} 2>&1"


rule explorer:
    """What the explorer of the site computes with."""
    input:
        [ASSUMED, MODELS],
    output:
        "results/explorer.json",
    log:
        "results/logs/explorer.log",
    shell:
        "tokwatt explorer > {log} 2>&1"


rule site:
    """Everything above as pages that open from disk."""
    input:
        [RESULTS, PARAMS, CODE, sorted(map(str, Path("docs").glob("*.md")))],
    output:
        directory("results/site"),
    log:
        "results/logs/site.log",
    shell:
        "tokwatt site > {log} 2>&1"


rule record:
    """What went in and what came out, by hash; `tokwatt verify` compares."""
    input:
        ["requirements.txt", "CITATION.cff", PARAMS, CODE],
        results=[RESULTS, expand("results/grids/{job}", job=JOBS), "results/site"],
    output:
        "ro-crate-metadata.json",
    log:
        "results/logs/record.log",
    shell:
        "tokwatt record {input.results:q} > {log} 2>&1"
