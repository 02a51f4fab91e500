"""Subset -> latent representations by GMVAE and VAE, and the choice among them.

REQUIRED INPUTS: cells.h5ad (or vae/cells.h5ad) of a subset and replicate
OUTPUTS: results/{run}/{cells}/{replicate}/vae/{model}/, results/{run}/choice.json
"""

# Models of the grid are trained in groups, of the run and of its variants, by a rule a group.
MODEL_GROUPS = list(model_groups(COMPARISON))
for group in MODEL_GROUPS:

    rule:
        name:
            f"train_vae_{group_name(group)}"
        input:
            cells=list(
                dict.fromkeys(
                    model_cells(group.variant, *pair) for pair in group.pairs
                )
            ),
        output:
            **vae_outputs(group_paths(group)),
        log:
            f"results/{RUN}/logs/{SUBSETS[0]}/train_vae/{group_name(group)}.log",
        benchmark:
            f"results/{RUN}/benchmarks/{SUBSETS[0]}/train_vae/{group_name(group)}.tsv"
        conda:
            "../../envs/latentcell.yaml"
        threads: threads_for(group.pairs, MODEL_GROUPS)
        resources:
            **training_needs([name for name, _ in group.pairs], group.variant.settings),
        params:
            settings=part("vae", group.variant.settings),
            code=code_of("train_vae.py"),
        script:
            "../scripts/train_vae.py"


# Which of them go on to further subsets is known only when they have been chosen: one by one.
if len(SUBSETS) > 1:

    rule train_vae:
        input:
            cells=latent_cells,
        output:
            **vae_outputs([("{run}/{cells}", "{replicate}", "{model}")]),
        log:
            "results/{run}/logs/{cells}/{replicate}/train_vae/{model}.log",
        benchmark:
            "results/{run}/benchmarks/{cells}/{replicate}/train_vae/{model}.tsv"
        wildcard_constraints:
            cells="|".join(map(re.escape, SUBSETS[1:])),
        conda:
            "../../envs/latentcell.yaml"
        resources:
            **training_needs(["{model}"]),
        params:
            settings=part("vae"),
            code=code_of("train_vae.py"),
        script:
            "../scripts/train_vae.py"


checkpoint choose_models:
    input:
        vae_files("metrics.json", SUBSETS[0], settings.models()),
    output:
        "results/{run}/choice.json",
    log:
        "results/{run}/logs/choose_models.log",
    benchmark:
        "results/{run}/benchmarks/choose_models.tsv"
    conda:
        "../../envs/latentcell.yaml"
    resources:
        **small_needs(),
    params:
        settings=part("choice"),
        models=list(map(str, settings.models())),
        code=code_of("choose_models.py"),
    script:
        "../scripts/choose_models.py"
