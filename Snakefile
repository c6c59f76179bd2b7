"""From params/ to every table, figure and verdict. A new grid, table or figure is an entry in params/paper.yaml."""

import sys
from pathlib import Path

import yaml


configfile: "params/paper.yaml"


config.setdefault("parts", 1)


GRIDS, TABLES = config["grids"], config["tables"]
FIGURES, STORES = dict(config["figures"]), {}
for study in sorted(Path("params/studies").glob("*.yaml")):
    figures = yaml.safe_load(study.read_text(encoding="utf-8")).get("figures", {})
    FIGURES.update(figures)
    STORES.update(dict.fromkeys(figures, f"results/studies/{study.stem}.zarr"))
PARAMETERS = sorted(map(str, Path("params").rglob("*.yaml")))
CODE = "src/tokwatt"
MODELS = sorted(
    str(path) for path in Path(CODE).rglob("*.py") if "reports" not in path.parts
)
READING = [
    f"{CODE}/params/{name}.py"
    for name in ("errors", "messages", "quantity", "reading", "section")
] + [f"{CODE}/units.py"]

shell.prefix(f"PATH='{Path(sys.executable).parent}':$PATH; ")


wildcard_constraints:
    table="|".join(TABLES),
    figure="|".join(FIGURES),
    part="[0-9]+",
    parts="[0-9]+",
    study="[^/]+",


RESULTS = [
    expand("results/grids/{grid}.nc", grid=GRIDS),
    expand("results/tables/{table}.{format}", table=TABLES, format=["csv", "md"]),
    expand(
        "figures/{figure}.{format}",
        figure=FIGURES,
        format=["pdf", "svg", "png", "csv"],
    ),
    expand(
        "results/{page}",
        page=[
            "audit.csv",
            "audit.md",
            "headlines.md",
            "verdict.md",
            "validation.md",
            "reference.md",
        ],
    ),
]


rule all:
    """Every table, figure and verdict, and the record of them."""
    input:
        RESULTS,
        "results/site",
        "ro-crate-metadata.json",


for job in config["jobs"]:

    rule:
        """Datasets of one job, labelled and with units."""
        name:
            f"grids_{job}"
        input:
            expand("params/{file}.yaml", file=config["jobs"][job]["reads"]),
            MODELS,
        output:
            expand(
                "results/grids/{grid}.nc",
                grid=[grid for grid in GRIDS if GRIDS[grid]["job"] == job],
            ),
        log:
            f"results/logs/grids_{job}.log",
        conda:
            "environment.yml"
        params:
            job=job,
            entries=[entry for entry in GRIDS.values() if entry["job"] == job],
        shell:
            "tokwatt grids {params.job} > {log} 2>&1"


rule table:
    """One table: tidy and exact as CSV, as printed in Markdown."""
    input:
        expand(
            "results/grids/{grid}.nc",
            grid=lookup("tables/{table}/grid", within=config),
        ),
        READING,
        code=[f"{CODE}/reports/tables.py", f"{CODE}/reports/labels.py"],
    output:
        report(
            "results/tables/{table}.csv",
            category="Tables",
            caption="docs/report/table.rst",
        ),
        "results/tables/{table}.md",
    log:
        "results/logs/{table}.log",
    conda:
        "environment.yml"
    params:
        entry=lookup("tables/{table}", within=config),
        names=config["names"],
    shell:
        "tokwatt table {wildcards.table} > {log} 2>&1"


rule figure:
    """One figure: PDF, SVG and PNG, and the numbers that are drawn."""
    input:
        lambda chosen: expand(
            "results/grids/{grid}.nc", grid=FIGURES[chosen.figure].get("grids", [])
        ),
        lambda chosen: STORES.get(chosen.figure, []),
        READING,
        code=f"{CODE}/reports/figures/{{figure}}.py",
        plotting=[
            f"{CODE}/reports/gallery.py",
            f"{CODE}/reports/plotting.py",
            f"{CODE}/reports/labels.py",
            *sorted(map(str, Path(f"{CODE}/reports/figures/common").glob("*.py"))),
            f"{CODE}/reports/figures/tokwatt.mplstyle",
        ],
    output:
        report(
            "figures/{figure}.svg",
            category="Figures",
            caption="docs/report/figure.rst",
        ),
        expand("figures/{{figure}}.{format}", format=["pdf", "png", "csv"]),
    log:
        "results/logs/figure_{figure}.log",
    conda:
        "environment.yml"
    params:
        entry=lambda chosen: FIGURES[chosen.figure],
    shell:
        "tokwatt figure {wildcards.figure} > {log} 2>&1"


rule audit:
    """Every published number against ours, and the headlines."""
    input:
        expand("results/grids/{grid}.nc", grid=GRIDS),
        READING,
        published="params/published.yaml",
        code=expand(
            "{code}/reports/{module}.py",
            code=CODE,
            module=["audit", "expressions", "claims"],
        ),
    output:
        report("results/audit.csv", category="Audit", caption="docs/report/audit.rst"),
        "results/audit.md",
        "results/headlines.md",
    log:
        "results/logs/audit.log",
    conda:
        "environment.yml"
    shell:
        "tokwatt audit > {log} 2>&1"


rule validation:
    """Every account against measured runs: errors, targets, intervals, and the worst runs."""
    input:
        expand(
            "results/grids/measured_{grid}.nc",
            grid=["runs", "errors", "targets", "parameters", "sweep", "kernels"],
        ),
        code=f"{CODE}/reports/validation.py",
    output:
        report(
            "results/validation.md",
            category="Measured",
            caption="docs/report/validation.rst",
        ),
    log:
        "results/logs/validation.log",
    conda:
        "environment.yml"
    shell:
        "tokwatt validation > {log} 2>&1"


rule explorer:
    """What the explorer of the site computes with."""
    input:
        expand(
            "params/{file}.yaml", file=[*config["jobs"]["accounts"]["reads"], "views"]
        ),
        MODELS,
        code=f"{CODE}/accounts/explorer.py",
    output:
        "results/explorer.json",
    log:
        "results/logs/explorer.log",
    conda:
        "environment.yml"
    shell:
        "tokwatt explorer > {log} 2>&1"


rule site:
    """Everything above as pages that open from disk."""
    input:
        RESULTS,
        PARAMETERS,
        sorted(str(path) for path in Path(CODE).rglob("*.*") if path.suffix != ".pyc"),
        sorted(map(str, Path("docs").glob("*.md"))),
        "results/explorer.json",
    output:
        directory("results/site"),
    log:
        "results/logs/site.log",
    conda:
        "environment.yml"
    shell:
        "tokwatt site > {log} 2>&1"


rule verdict:
    """Which headlines survive, for whom, and what to plan with."""
    input:
        expand(
            "results/grids/{grid}.nc",
            grid=[
                "waterfall",
                "readings",
                "uncertainty",
                "slopes",
                "lever",
                "measured_sweep",
                "measured_generation",
                "measured_moe",
            ],
        ),
        code=[f"{CODE}/reports/verdict.py", f"{CODE}/reports/verdict.md"],
    output:
        report(
            "results/verdict.md", category="Verdict", caption="docs/report/verdict.rst"
        ),
    log:
        "results/logs/verdict.log",
    conda:
        "environment.yml"
    shell:
        "tokwatt verdict > {log} 2>&1"


rule reference:
    """Commands, parameters, choices, models and datasets, from themselves."""
    input:
        expand("results/grids/{grid}.nc", grid=GRIDS),
        PARAMETERS,
        MODELS,
        code=[f"{CODE}/commands/reference.py", f"{CODE}/reports/gallery.py"],
    output:
        "results/reference.md",
    log:
        "results/logs/reference.log",
    conda:
        "environment.yml"
    shell:
        "tokwatt reference > {log} 2>&1"


rule record:
    """What went in and what came out, by hash; `tokwatt verify` compares."""
    input:
        ["requirements.txt", "CITATION.cff"],
        PARAMETERS,
        sorted(map(str, Path(CODE).rglob("*.py"))),
        results=[RESULTS, "results/explorer.json", "results/site"],
    output:
        "ro-crate-metadata.json",
    log:
        "results/logs/record.log",
    conda:
        "environment.yml"
    shell:
        "tokwatt record {input.results} > {log} 2>&1"


rule study_part:
    """A share of a study's blocks; parts may run on different machines that see the same folder."""
    input:
        "params/studies/{study}.yaml",
        expand("params/{file}.yaml", file=config["studies"]["reads"]),
        MODELS,
    output:
        touch("results/studies/{study}.parts/{part}-of-{parts}.done"),
    log:
        "results/logs/study_{study}_{part}-of-{parts}.log",
    conda:
        "environment.yml"
    shell:
        "tokwatt study {wildcards.study} --part {wildcards.part} --parts {wildcards.parts} 2> {log}"


rule study:
    """A study's store: checks what the parts have made and gives it its name."""
    input:
        expand(
            "results/studies/{{study}}.parts/{part}-of-{parts}.done",
            part=range(int(config["parts"])),
            parts=config["parts"],
        ),
    output:
        directory("results/studies/{study}.zarr"),
    log:
        "results/logs/study_{study}.log",
    conda:
        "environment.yml"
    shell:
        "tokwatt study {wildcards.study} 2> {log}"
