"""Representation -> classifier -> measures.

REQUIRED INPUTS: cells.h5ad, pca/scores.h5ad or vae/{model}/latent.h5ad of a subset and replicate
OUTPUTS: results/{run}/{cells}/{replicate}/ffnn/{input}/
"""

# Classifiers are trained in batches, each batch by a rule of its own.
for number, (inputs, replicates) in enumerate(classifier_batches(), 1):

    rule:
        name:
            f"train_ffnn_batch{number}"
        input:
            representation_files(inputs, replicates),
        output:
            **ffnn_outputs(inputs, replicates),
        log:
            f"results/{{run}}/logs/{{cells}}/train_ffnn/{batch_name(inputs, number)}.log",
        benchmark:
            f"results/{{run}}/benchmarks/{{cells}}/train_ffnn/{batch_name(inputs, number)}.tsv"
        conda:
            "../../envs/latentcell.yaml"
        threads: len(inputs) * len(replicates)
        params:
            settings=part("ffnn"),
            code=code_of("train_ffnn.py"),
        script:
            "../scripts/train_ffnn.py"
