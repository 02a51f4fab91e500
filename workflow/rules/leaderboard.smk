"""Representations times classifiers -> one table of how good they are and what they cost.

REQUIRED INPUTS: cells.h5ad, pca/scores.h5ad and vae/{model}/latent.h5ad of a replicate
OUTPUTS: results/{run}/{cells}/{replicate}/{representations,leaderboard}/,
    results/{run}/leaderboard/{scores,costs}.csv, results/{run}/tables/leaderboard.{csv,md,tex},
    results/{run}/figures/leaderboard.{pdf,png,svg}
"""


rule leaderboard:
    input:
        leaderboard_files(),


rule represent_cells:
    input:
        "results/{run}/{cells}/{replicate}/cells.h5ad",
    output:
        scores="results/{run}/{cells}/{replicate}/representations/{representation}/scores.h5ad",
        cost="results/{run}/{cells}/{replicate}/representations/{representation}/cost.json",
    log:
        "results/{run}/logs/{cells}/{replicate}/represent_cells/{representation}.log",
    benchmark:
        "results/{run}/benchmarks/{cells}/{replicate}/represent_cells/{representation}.tsv"
    conda:
        "../../envs/methods.yaml"
    resources:
        **represent_needs(),
    params:
        seed=settings.leaderboard.seed,
        epochs=settings.leaderboard.epochs,
        method=representation_code,
        code=code_of("represent_cells.py"),
    script:
        "../scripts/represent_cells.py"


# One rule a representation: which classifiers can take it is part of the outputs' names.
for ranked_name in settings.leaderboard.representations:

    rule:
        name:
            f"classify_{ranked_name}"
        input:
            ranked_features(ranked_name),
        output:
            **ranked_outputs(ranked_name),
        log:
            f"results/{{run}}/logs/{{cells}}/{{replicate}}/classify_cells/{ranked_name}.log",
        benchmark:
            f"results/{{run}}/benchmarks/{{cells}}/{{replicate}}/classify_cells/{ranked_name}.tsv"
        conda:
            "../../envs/methods.yaml"
        resources:
            **ranking_needs(),
        params:
            representation=ranked_name,
            seed=settings.leaderboard.seed,
            ffnn=part("ffnn"),
            codes=classifier_codes(ranked_name),
            left_out=left_out_classifiers(ranked_name),
            code=code_of("classify_cells.py"),
        script:
            "../scripts/classify_cells.py"


rule write_leaderboard:
    input:
        metrics=ranked_files("metrics.json"),
        costs=ranked_files("cost.json"),
        learnt=[path for path, *_ in learning_costs()],
    output:
        tables=reported("leaderboard", "leaderboard"),
        scores="results/{run}/leaderboard/scores.csv",
        costs="results/{run}/leaderboard/costs.csv",
    log:
        "results/{run}/logs/tables/leaderboard.log",
    benchmark:
        "results/{run}/benchmarks/tables/leaderboard.tsv"
    conda:
        "../../envs/latentcell.yaml"
    resources:
        **small_needs(),
    params:
        learnt=[keys for _, *keys in learning_costs()],
        seed=settings.leaderboard.seed,
        left_out=left_out_sentence(),
        code=code_of("write_leaderboard.py"),
    script:
        "../scripts/write_leaderboard.py"


rule draw_leaderboard:
    input:
        "results/{run}/tables/leaderboard.csv",
    output:
        "results/{run}/figures/leaderboard.pdf",
        "results/{run}/figures/leaderboard.svg",
        report(
            "results/{run}/figures/leaderboard.png",
            caption="../report/leaderboard.rst",
            category="Figures",
            labels={"figure": "leaderboard"},
        ),
    log:
        "results/{run}/logs/figures/leaderboard.log",
    benchmark:
        "results/{run}/benchmarks/figures/leaderboard.tsv"
    conda:
        "../../envs/latentcell.yaml"
    resources:
        **small_needs(),
    params:
        code=code_of("draw_leaderboard.py"),
    script:
        "../scripts/draw_leaderboard.py"
