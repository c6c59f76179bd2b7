"""The paper, from params/ to its tables, figures and verdict; params/paper.yaml names them all."""

import sys
from pathlib import Path


configfile: "params/paper.yaml"


JOB = {name: str(grid.get("job")) for name, grid in config["grids"].items()}
JOBS = sorted(set(JOB.values()))
PARTS = [f"{part}-of-{config['parts']}" for part in range(config["parts"])]
STUDIES = {p.stem: p.read_text().split("\nplot:") for p in Path("params/studies").glob("*.yaml")}
FIGURES = config["figures"] | {n: {"study": n, "plot": t[1]} for n, t in STUDIES.items() if t[1:]}
DRAWN = {name: JOB.keys() & figure.get("grids", []) for name, figure in FIGURES.items()}
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


def read_by(log, files=ASSUMED):
    """Parameter files; those that the job of a log did not read when it last ran have no age."""
    read = lambda path: path.exists() and path.read_text().partition("read:")[2].split() or files
    return lambda w: [f if f in read(Path(log.format(**w))) else ancient(f) for f in files]


wildcard_constraints:
    job=NAME,
    study=NAME,
    figure=NAME,
    page="validation|simulation|verdict|planning|reference",


rule all:
    """Every table, figure and verdict, the site, and the record of them."""
    input:
        "ro-crate-metadata.json",


rule grids:
    """The datasets of one job, labelled and with units."""
    input:
        [read_by("results/logs/grids_{job}.log"), MODELS],
    output:
        directory("results/grids/{job}"),
    log:
        "results/logs/grids_{job}.log",
    params:
        entries=lambda w: {name: config["grids"][name] for name in JOB if JOB[name] == w.job},
    shell:
        "tokwatt --read grids {wildcards.job:q} > {log:q} 2>&1"


rule study_part:
    """A share of a study's blocks; parts may run on machines that see the same folder."""
    input:
        [read_by("results/logs/study_{study}_{part}-of-{parts}.log"), MODELS],
    output:
        touch("results/studies/{study}.parts/{part}-of-{parts}.done"),
    log:
        "results/logs/study_{study}_{part}-of-{parts}.log",
    params:
        asked=lookup("{study}/0", within=STUDIES),
    shell:
        "tokwatt --read study {wildcards.study:q} --part {wildcards.part:q}"
        " --parts {wildcards.parts:q} > {log:q} 2>&1"


rule study:
    """A study's store: what the parts have made is checked and gets its name."""
    input:
        [read_by("results/logs/study_{study}.log"), MODELS],
        expand("results/studies/{{study}}.parts/{part}.done", part=PARTS),
    output:
        directory("results/studies/{study}.zarr"),
    log:
        "results/logs/study_{study}.log",
    params:
        asked=lookup("{study}/0", within=STUDIES),
    shell:
        "tokwatt --read study {wildcards.study:q} > {log:q} 2>&1"


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
        entries=[config[part] for part in ("tables", "names", "accounts")],
    shell:
        "tokwatt table > {log} 2>&1"


rule figure:
    """One figure: PDF, SVG and PNG, and the numbers that are drawn."""
    input:
        expand("results/grids/{job}", job=lambda w: {JOB[grid] for grid in DRAWN[w.figure]}),
        expand("results/studies/{s}.zarr", s=lookup("{figure}/study", within=FIGURES, default=[])),
        [READERS, DRAWING, lambda w: [f for f in CODE if f.endswith(f"figures/{w.figure}.py")]],
    output:
        report("figures/{figure}.svg", category="Figures", caption="docs/report/figure.rst"),
        multiext("figures/{figure}", ".pdf", ".png", ".csv"),
    log:
        "results/logs/figure_{figure}.log",
    params:
        entries=lambda w: [FIGURES[w.figure], config["names"]],
    shell:
        "tokwatt figure {wildcards.figure:q} > {log:q} 2>&1"


rule audit:
    """Every published number against ours, and the headlines."""
    input:
        [expand("results/grids/{job}", job=JOBS), READERS, read_by("results/logs/audit.log")],
    output:
        report("results/audit.csv", category="Audit", caption="docs/report/audit.rst"),
        multiext("results/", "audit.md", "headlines.md"),
    log:
        "results/logs/audit.log",
    params:
        accounts=config["accounts"],
    shell:
        "tokwatt --read audit > {log} 2>&1"


rule page:
    """What measured runs and servers say, which headlines survive, the best fleets, a reference."""
    input:
        [expand("results/grids/{job}", job=JOBS), CODE, read_by("results/logs/{page}.log", PARAMS)],
    output:
        report("results/{page}.md", category="{page}", caption="docs/report/page.rst"),
    log:
        "results/logs/{page}.log",
    shell:
        "tokwatt --read {wildcards.page:q} > {log:q} 2>&1"


rule explorer:
    """What the explorer of the site computes with."""
    input:
        [read_by("results/logs/explorer.log"), MODELS],
    output:
        "results/explorer.json",
    log:
        "results/logs/explorer.log",
    shell:
        "tokwatt --read explorer > {log} 2>&1"


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
