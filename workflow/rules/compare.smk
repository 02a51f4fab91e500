"""Measures of the run and of its variants -> the controlled comparison.

REQUIRED INPUTS: metrics.json, history.csv and predictions.csv of models and classifiers
OUTPUTS: results/{run}/comparison/*.csv, results/{run}/tables/{comparison tables, claims}.*,
    results/{run}/figures/{comparison figures}.*
"""

COMPARED = [
    "protocols",
    "controlled",
    "probabilities",
    "single_split",
    "learning_curve",
    "ablations",
    "choices",
    "detectable",
]
COMPARISON_FIGURES = [
    "protocols",
    "probabilities",
    "learning_curve",
    "ablations",
    "detectable",
]


rule comparison:
    input:
        expand(
            "results/{run}/tables/{table}.{format}",
            run=RUN,
            table=COMPARED,
            format=["csv", "md"],
        ),
        expand(
            "results/{run}/tables/table3_{variant}.{format}",
            run=RUN,
            variant=settings.comparison.protocols,
            format=FORMATS,
        ),
        expand(
            "results/{run}/figures/{figure}.{format}",
            run=RUN,
            figure=COMPARISON_FIGURES,
            format=["pdf", "png", "svg"],
        ),


rule claims:
    input:
        expand("results/{run}/tables/claims.{format}", run=RUN, format=["csv", "md"]),


rule collect_comparison:
    input:
        comparison_files(),
        f"results/{RUN}/dataset.h5ad",
        f"results/{RUN}/{SUBSETS[0]}/r1/cells.h5ad",
    output:
        accuracies="results/{run}/comparison/accuracies.csv",
        models="results/{run}/comparison/models.csv",
        curves="results/{run}/comparison/curves.csv",
        variance="results/{run}/comparison/variance.csv",
        class_counts="results/{run}/comparison/class_counts.csv",
    log:
        "results/{run}/logs/comparison/collect.log",
    benchmark:
        "results/{run}/benchmarks/comparison/collect.tsv"
    conda:
        "../../envs/latentcell.yaml"
    resources:
        **small_needs(),
    params:
        settings=settings.model_dump(mode="json"),
        code=code_of("collect_comparison.py"),
    script:
        "../scripts/collect_comparison.py"


rule write_comparison:
    input:
        own_predictions(),
        accuracies="results/{run}/comparison/accuracies.csv",
        models="results/{run}/comparison/models.csv",
    output:
        csv=expand("results/{{run}}/tables/{table}.csv", table=COMPARED),
        md=[reported_markdown(table) for table in COMPARED],
    log:
        "results/{run}/logs/comparison/write.log",
    benchmark:
        "results/{run}/benchmarks/comparison/write.tsv"
    conda:
        "../../envs/latentcell.yaml"
    resources:
        **small_needs(),
    params:
        settings=settings.model_dump(mode="json"),
        code=code_of("write_comparison.py"),
    script:
        "../scripts/write_comparison.py"


rule table3_of_protocol:
    input:
        lambda wildcards: COMPARISON.all_files("vae", "metrics.json")[wildcards.variant],
    output:
        reported("table3_{variant}", "table3"),
    log:
        "results/{run}/logs/tables/table3_{variant}.log",
    benchmark:
        "results/{run}/benchmarks/tables/table3_{variant}.tsv"
    wildcard_constraints:
        variant="as-run|as-stated|controlled",
    conda:
        "../../envs/latentcell.yaml"
    resources:
        **small_needs(),
    params:
        table="table3",
        settings=LAYOUT,
        code=code_of("write_model_table.py"),
    script:
        "../scripts/write_model_table.py"


rule write_claims:
    input:
        accuracies="results/{run}/comparison/accuracies.csv",
        models="results/{run}/comparison/models.csv",
        curves="results/{run}/comparison/curves.csv",
        variance="results/{run}/comparison/variance.csv",
        class_counts="results/{run}/comparison/class_counts.csv",
        deposit=branch(
            settings.dataset.name == "pbmc68k-study",
            then="results/{run}/tables/table5_deposit.csv",
        ),
    output:
        csv="results/{run}/tables/claims.csv",
        md=reported_markdown("claims"),
    log:
        "results/{run}/logs/tables/claims.log",
    benchmark:
        "results/{run}/benchmarks/tables/claims.tsv"
    conda:
        "../../envs/latentcell.yaml"
    resources:
        **small_needs(),
    params:
        rope=settings.comparison.rope,
        dataset=settings.dataset.name,
        code=code_of("write_claims.py"),
    script:
        "../scripts/write_claims.py"


# One rule a figure: a caption's path can't hold a wildcard.
for figure in COMPARISON_FIGURES:

    rule:
        name:
            f"draw_{figure}"
        input:
            f"results/{{run}}/tables/{figure}.csv",
        output:
            f"results/{{run}}/figures/{figure}.pdf",
            f"results/{{run}}/figures/{figure}.svg",
            report(
                f"results/{{run}}/figures/{figure}.png",
                caption=f"../report/{figure}.rst",
                category="Comparison",
                labels={"figure": figure},
            ),
        log:
            f"results/{{run}}/logs/figures/{figure}.log",
        benchmark:
            f"results/{{run}}/benchmarks/figures/{figure}.tsv"
        conda:
            "../../envs/latentcell.yaml"
        resources:
            **small_needs(),
        params:
            figure=figure,
            code=code_of("draw_comparison.py"),
        script:
            "../scripts/draw_comparison.py"
