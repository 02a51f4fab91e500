"""Measures -> tables beside the published ones.

REQUIRED INPUTS: metrics.json of models and classifiers, pca/variance.csv
OUTPUTS: results/{run}/tables/{table3,table4,table5,pca_variance}.{csv,md,tex}
"""

FORMATS = ["csv", "md", "tex"]


rule tables:
    input:
        expand(
            "results/{run}/tables/{table}.{format}",
            run=RUN,
            table=["table3", "table4", "table5", "pca_variance"],
            format=FORMATS,
        ),


rule table3:
    input:
        vae_files("metrics.json", SUBSETS[0], settings.models()),
    output:
        reported("table3", "table3"),
    log:
        "results/{run}/logs/tables/table3.log",
    benchmark:
        "results/{run}/benchmarks/tables/table3.tsv"
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


rule table4:
    input:
        lambda wildcards: vae_files("metrics.json", SUBSETS, chosen_models()),
    output:
        reported("table4", "table4"),
    log:
        "results/{run}/logs/tables/table4.log",
    benchmark:
        "results/{run}/benchmarks/tables/table4.tsv"
    conda:
        "../../envs/latentcell.yaml"
    resources:
        **small_needs(),
    params:
        table="table4",
        settings=LAYOUT,
        code=code_of("write_model_table.py"),
    script:
        "../scripts/write_model_table.py"


rule table5:
    input:
        lambda wildcards: ffnn_files("metrics.json", SUBSETS, all_inputs()),
    output:
        reported("table5", "table5"),
    log:
        "results/{run}/logs/tables/table5.log",
    benchmark:
        "results/{run}/benchmarks/tables/table5.tsv"
    conda:
        "../../envs/latentcell.yaml"
    resources:
        **small_needs(),
    params:
        settings=LAYOUT,
        code=code_of("write_accuracy_table.py"),
    script:
        "../scripts/write_accuracy_table.py"


rule pca_variance:
    input:
        expand(
            "results/{run}/{cells}/{replicate}/pca/variance.csv",
            run=RUN,
            cells=SUBSETS[0],
            replicate=REPLICATES,
        ),
    output:
        reported("pca_variance", "pca_variance"),
    log:
        "results/{run}/logs/tables/pca_variance.log",
    benchmark:
        "results/{run}/benchmarks/tables/pca_variance.tsv"
    conda:
        "../../envs/latentcell.yaml"
    resources:
        **small_needs(),
    params:
        settings=LAYOUT,
        code=code_of("write_variance_table.py"),
    script:
        "../scripts/write_variance_table.py"
