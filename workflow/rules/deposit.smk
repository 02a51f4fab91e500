"""Repeat Table 5 on the authors' own latents, scores and counts.

REQUIRED INPUTS: deposited files and official annotation, in resources/ or LATENTCELL_DATA
OUTPUTS: results/{run}/deposit/{deposited}/{features.h5ad,accuracies.csv}
"""


rule import_deposited:
    output:
        f"results/{RUN}/deposit/{{deposited}}/features.h5ad",
    log:
        f"results/{RUN}/logs/deposit/{{deposited}}/import.log",
    benchmark:
        f"results/{RUN}/benchmarks/deposit/{{deposited}}/import.tsv"
    wildcard_constraints:
        deposited="|".join(DEPOSITED),
    conda:
        "../../envs/latentcell.yaml"
    resources:
        **needs("import_deposited"),
    params:
        resources="resources",
        code=code_of("import_deposited.py"),
    script:
        "../scripts/import_deposited.py"


rule repeat_ffnn:
    input:
        f"results/{RUN}/deposit/{{deposited}}/features.h5ad",
    output:
        f"results/{RUN}/deposit/{{deposited}}/accuracies.csv",
    log:
        f"results/{RUN}/logs/deposit/{{deposited}}/repeat.log",
    benchmark:
        f"results/{RUN}/benchmarks/deposit/{{deposited}}/repeat.tsv"
    conda:
        "../../envs/latentcell.yaml"
    threads: 4
    resources:
        **needs("repeat_ffnn"),
    params:
        replicates=lambda wildcards: repeat_parts(settings.deposited)[wildcards.deposited],
        seed=settings.deposited.seed,
        ffnn=protocol("as-run")["ffnn"],
        split=protocol("as-run")["split"],
        code=code_of("repeat_ffnn.py"),
    script:
        "../scripts/repeat_ffnn.py"
