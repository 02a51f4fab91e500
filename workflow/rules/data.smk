"""Import data sets, and derive others from them.

REQUIRED INPUTS: the user's files, or downloads in resources/
OUTPUTS: results/{run}/{dataset}/dataset.h5ad
"""


rule import_dataset:
    input:
        lambda wildcards: own_files(wildcards.dataset),
    output:
        f"results/{RUN}/{{dataset}}/dataset.h5ad",
    log:
        f"results/{RUN}/logs/{{dataset}}/import_dataset.log",
    benchmark:
        f"results/{RUN}/benchmarks/{{dataset}}/import_dataset.tsv"
    wildcard_constraints:
        dataset=any_of(IMPORTED),
    conda:
        "../../envs/latentcell.yaml"
    resources:
        **needs("import_dataset"),
    params:
        settings=lambda wildcards: settings.dataset(wildcards.dataset).model_dump(mode="json"),
        resources="resources",
        code=code_of("import_dataset.py"),
    script:
        "../scripts/import_dataset.py"


rule derive_dataset:
    input:
        lambda wildcards: expand(
            "results/{run}/{dataset}/dataset.h5ad",
            run=RUN,
            dataset=settings.dataset(wildcards.dataset).sources(),
        ),
    output:
        f"results/{RUN}/{{dataset}}/dataset.h5ad",
    log:
        f"results/{RUN}/logs/{{dataset}}/derive_dataset.log",
    benchmark:
        f"results/{RUN}/benchmarks/{{dataset}}/derive_dataset.tsv"
    wildcard_constraints:
        dataset=any_of(DERIVED),
    conda:
        "../../envs/latentcell.yaml"
    resources:
        **needs("import_dataset"),
    params:
        settings=lambda wildcards: settings.dataset(wildcards.dataset).model_dump(mode="json"),
        code=code_of("derive_dataset.py"),
    script:
        "../scripts/derive_dataset.py"
