"""Annotate the cells of a query, with the first data set as reference.

REQUIRED INPUTS: results/{run}/{dataset}/dataset.h5ad, and the file in `annotate.query`
OUTPUTS: results/{run}/annotate/bundle/, results/{run}/annotate/cells.{h5ad,csv,json,html}
"""


rule train_annotator:
    input:
        f"results/{RUN}/{DATASETS[0]}/dataset.h5ad",
    output:
        bundle_files(),
    log:
        f"results/{RUN}/logs/annotate/train_annotator.log",
    benchmark:
        f"results/{RUN}/benchmarks/annotate/train_annotator.tsv"
    conda:
        "../../envs/latentcell.yaml"
    resources:
        **needs("train_annotator"),
    params:
        # Without the query, so that a new query does not train again.
        settings=settings.annotate.model_dump(mode="json", exclude={"query", "query_layer"}),
        split=settings.split.model_dump(mode="json"),
        code=code_of("train_annotator.py"),
    script:
        "../scripts/train_annotator.py"


rule annotate:
    input:
        bundle=rules.train_annotator.output,
        query=query_file,
    output:
        expand(
            "results/{run}/annotate/cells.{format}",
            run=RUN,
            format=["h5ad", "csv", "json", "html"],
        ),
    log:
        f"results/{RUN}/logs/annotate/annotate_query.log",
    benchmark:
        f"results/{RUN}/benchmarks/annotate/annotate_query.tsv"
    conda:
        "../../envs/latentcell.yaml"
    threads: 4
    resources:
        **needs("annotate"),
    params:
        sizes=lambda wildcards: file_sizes([settings.annotate.query]),
        layer=settings.annotate.query_layer,
        code=code_of("annotate_query.py"),
    script:
        "../scripts/annotate_query.py"
