"""Representation -> classifier -> measures.

REQUIRED INPUTS: cells.h5ad, pca/scores.h5ad or vae/{model}/latent.h5ad of a subset and replicate
OUTPUTS: results/{run}/{cells}/{replicate}/ffnn/{input}/
"""

# Classifiers are trained in batches, each batch by a rule of its own.
CLASSIFIER_BATCHES = classifier_batches()
CLASSIFIER_GROUPS = list(classifier_groups(COMPARISON))
for number, (inputs, replicates) in enumerate(CLASSIFIER_BATCHES, 1):

    rule:
        name:
            f"train_ffnn_batch{number}"
        input:
            representation_files(inputs, replicates),
        output:
            **ffnn_outputs(ffnn_paths(inputs, replicates)),
        log:
            f"results/{RUN}/logs/{{cells}}/train_ffnn/{batch_name(inputs, number)}.log",
        benchmark:
            f"results/{RUN}/benchmarks/{{cells}}/train_ffnn/{batch_name(inputs, number)}.tsv"
        conda:
            "../../envs/latentcell.yaml"
        threads: threads_for(ffnn_paths(inputs, replicates), CLASSIFIER_BATCHES)
        resources:
            **classifying_needs([input for input in inputs for _ in replicates]),
        params:
            settings=part("ffnn"),
            latents=part("latents"),
            split=part("split"),
            code=code_of("train_ffnn.py"),
        script:
            "../scripts/train_ffnn.py"


# Those of the variants, whose inputs are known beforehand.
for group in CLASSIFIER_GROUPS:

    rule:
        name:
            f"train_ffnn_{group_name(group)}"
        input:
            [variant_features(group.variant, *pair) for pair in group.pairs],
        output:
            **ffnn_outputs(group_paths(group)),
        log:
            f"results/{RUN}/logs/{SUBSETS[0]}/train_ffnn/{group_name(group)}.log",
        benchmark:
            f"results/{RUN}/benchmarks/{SUBSETS[0]}/train_ffnn/{group_name(group)}.tsv"
        conda:
            "../../envs/latentcell.yaml"
        threads: threads_for(group.pairs, CLASSIFIER_GROUPS)
        resources:
            **classifying_needs(
                [name for name, _ in group.pairs], group.variant.settings
            ),
        params:
            settings=part("ffnn", group.variant.settings),
            latents=part("latents", group.variant.settings),
            split=part("split", group.variant.settings),
            code=code_of("train_ffnn.py"),
        script:
            "../scripts/train_ffnn.py"
