"""Import data sets, and derive others from them.

REQUIRED INPUTS: the user's files, or downloads in resources/
OUTPUTS: results/{run}/{dataset}/dataset.h5ad
"""


rule import_dataset:
    input:
        lambda wildcards: sources_of(wildcards.dataset),
    output:
        f"results/{RUN}/{{dataset}}/dataset.h5ad",
    log:
        f"results/{RUN}/logs/{{dataset}}/import_dataset.log",
    benchmark:
        f"results/{RUN}/benchmarks/{{dataset}}/import_dataset.tsv"
    conda:
        "../../envs/latentcell.yaml"
    resources:
        **needs("import_dataset"),
    params:
        # Without the groups of types, which measures alone read.
        settings=lambda wildcards: settings.dataset(wildcards.dataset).model_dump(
            mode="json", exclude={"coarse_types"}
        ),
        sizes=lambda wildcards: file_sizes(settings.dataset(wildcards.dataset).local_files()),
        resources="resources",
        code=code_of("import_dataset.py"),
    script:
        "../scripts/import_dataset.py"
