"""Collect records and write tables.

REQUIRED INPUTS: metrics.json, history.csv and cost.json of models and classifiers
OUTPUTS: results/{run}/records/{record}.csv, results/{run}/tables/{table}.{csv,md,tex,html}
"""


rule tables:
    input:
        f"results/{RUN}/config.yaml",
        expand(
            "results/{run}/tables/{table}.{format}",
            run=RUN,
            table=table_names(settings),
            format=["csv", "md", "tex", "html"],
        ),


rule collect_records:
    input:
        files=lambda wildcards: [file for _, file in recorded(wildcards.record)],
    output:
        f"results/{RUN}/records/{{record}}.csv",
    log:
        f"results/{RUN}/logs/records/{{record}}.log",
    benchmark:
        f"results/{RUN}/benchmarks/records/{{record}}.tsv"
    conda:
        "../../envs/latentcell.yaml"
    resources:
        **needs("collect_records"),
    params:
        variants=lambda wildcards: [name for name, _ in recorded(wildcards.record)],
        scoring={
            "min_cells": settings.measures.min_cells,
            "groups": settings.type_groups(),
        },
        code=code_of("collect_records.py"),
    script:
        "../scripts/collect_records.py"


rule write_table:
    input:
        **{need: needed(need) for need in NEEDS},
    output:
        csv=f"results/{RUN}/tables/{{table}}.csv",
        tex=f"results/{RUN}/tables/{{table}}.tex",
        md=f"results/{RUN}/tables/{{table}}.md",
        html=report(
            f"results/{RUN}/tables/{{table}}.html",
            caption="../report/caption.rst",
            category=lambda wildcards: table_entry(wildcards.table).category,
            labels=lambda wildcards: {"table": table_entry(wildcards.table).title},
        ),
    log:
        f"results/{RUN}/logs/tables/{{table}}.log",
    benchmark:
        f"results/{RUN}/benchmarks/tables/{{table}}.tsv"
    conda:
        "../../envs/latentcell.yaml"
    resources:
        **needs("write_table"),
    params:
        settings=settings.model_dump(mode="json"),
        caption=lambda wildcards: table_entry(wildcards.table).caption,
        code=code_of("write_table.py"),
    script:
        "../scripts/write_table.py"
