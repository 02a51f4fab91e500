"""The answer as one page to read and to explore.

REQUIRED INPUTS: everything that the run has made
OUTPUTS: results/{run}/answer.html
"""


rule answer:
    input:
        f"results/{RUN}/answer.html",


rule write_answer:
    input:
        rules.tables.input,
        rules.finished.input,
        compared_files(),
        leaderboard_files(),
        vae_files("history.csv", SUBSETS[0], settings.models()),
        lambda wildcards: vae_files("history.csv", SUBSETS, chosen_models()),
        lambda wildcards: ffnn_files("history.csv", SUBSETS, all_inputs()),
        dataset="results/{run}/dataset.h5ad",
        config="results/{run}/config.yaml",
    output:
        "results/{run}/answer.html",
    log:
        "results/{run}/logs/write_answer.log",
    benchmark:
        "results/{run}/benchmarks/write_answer.tsv"
    conda:
        "../../envs/latentcell.yaml"
    resources:
        **small_needs(),
    params:
        settings=settings.model_dump(mode="json"),
        chosen=lambda wildcards: chosen_models(),
        assets=assets_digest(),
        code=code_of("write_answer.py"),
    script:
        "../scripts/write_answer.py"
