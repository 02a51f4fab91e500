"""The data set as a reference -> types of the cells of a query.

REQUIRED INPUTS: results/{run}/dataset.h5ad, and the file that `annotate.query` names
OUTPUTS: results/{run}/annotate/bundle/, results/{run}/annotate/cells.{h5ad,csv,json}
"""


rule annotate:
    input:
        wanted_annotation,


rule train_annotator:
    input:
        f"results/{RUN}/dataset.h5ad",
    output:
        expand("results/{run}/annotate/bundle/{file}", run=RUN, file=bundle_files()),
    log:
        f"results/{RUN}/logs/annotate/train_annotator.log",
    benchmark:
        f"results/{RUN}/benchmarks/annotate/train_annotator.tsv"
    conda:
        "../../envs/latentcell.yaml"
    resources:
        **annotator_needs(),
    params:
        settings=annotator_settings(),
        split=part("split"),
        code=code_of("train_annotator.py"),
    script:
        "../scripts/train_annotator.py"


if settings.annotate.query is not None:

    rule annotate_query:
        input:
            bundle=rules.train_annotator.output,
            query=settings.annotate.query,
        output:
            annotated_files(),
        log:
            f"results/{RUN}/logs/annotate/annotate_query.log",
        benchmark:
            f"results/{RUN}/benchmarks/annotate/annotate_query.tsv"
        conda:
            "../../envs/latentcell.yaml"
        threads: 4
        resources:
            **typing_needs(),
        params:
            layer=settings.annotate.query_layer,
            code=code_of("annotate_query.py"),
        script:
            "../scripts/annotate_query.py"
