"""The authors' own latents, scores and counts -> classifier as they ran it -> Table 5 once more.

REQUIRED INPUTS: the deposited files and the official annotation, in resources/ or LATENTCELL_DATA
OUTPUTS: results/{run}/deposit/{deposited}/, results/{run}/{tables,figures}/table5_deposit.*
"""


localrules:
    table5_deposit,


rule table5_deposit:
    input:
        expand("results/{run}/tables/table5_deposit.{format}", run=RUN, format=FORMATS),
        expand(
            "results/{run}/figures/table5_deposit.{format}",
            run=RUN,
            format=["pdf", "png", "svg"],
        ),


rule import_deposited:
    output:
        "results/{run}/deposit/{deposited}/features.h5ad",
    log:
        "results/{run}/logs/deposit/import_deposited/{deposited}.log",
    benchmark:
        "results/{run}/benchmarks/deposit/import_deposited/{deposited}.tsv"
    wildcard_constraints:
        deposited="|".join(DEPOSITED),
    conda:
        "../../envs/latentcell.yaml"
    resources:
        **small_needs(),
    params:
        resources="resources",
        code=code_of("import_deposited.py"),
    script:
        "../scripts/import_deposited.py"


# One rule an input: how many parts it has is no matter of a wildcard. Each part
# has a folder, as what is left of other tries is deleted from there when it is done.
for deposited, replicates in repeat_batches(settings.deposited).items():

    rule:
        name:
            f"repeat_ffnn_{deposited}".replace("-", "_")
        input:
            f"results/{{run}}/deposit/{deposited}/features.h5ad",
        output:
            parts=temp(
                [
                    f"results/{{run}}/deposit/{deposited}/r{part[0]}-r{part[-1]}/accuracies.csv"
                    for part in replicates
                ]
            ),
            accuracies=f"results/{{run}}/deposit/{deposited}/accuracies.csv",
        log:
            f"results/{{run}}/logs/deposit/repeat_ffnn/{deposited}.log",
        benchmark:
            f"results/{{run}}/benchmarks/deposit/repeat_ffnn/{deposited}.tsv"
        conda:
            "../../envs/latentcell.yaml"
        threads: threads_for(replicates, DEPOSITED)
        resources:
            **repeating_needs(deposited, sum(map(len, replicates))),
        params:
            name=deposited,
            replicates=replicates,
            seed=settings.deposited.seed,
            ffnn=protocol("as-run")["ffnn"],
            split=protocol("as-run")["split"],
            code=code_of("repeat_ffnn.py"),
        script:
            "../scripts/repeat_ffnn.py"


rule write_deposit_table:
    input:
        expand(
            "results/{{run}}/deposit/{deposited}/accuracies.csv", deposited=DEPOSITED
        ),
    output:
        reported("table5_deposit", "table5_deposit"),
    log:
        "results/{run}/logs/tables/table5_deposit.log",
    benchmark:
        "results/{run}/benchmarks/tables/table5_deposit.tsv"
    conda:
        "../../envs/latentcell.yaml"
    resources:
        **small_needs(),
    params:
        code=code_of("write_deposit_table.py"),
    script:
        "../scripts/write_deposit_table.py"


rule draw_deposit:
    input:
        rules.write_deposit_table.input,
    output:
        "results/{run}/figures/table5_deposit.pdf",
        "results/{run}/figures/table5_deposit.svg",
        report(
            "results/{run}/figures/table5_deposit.png",
            caption="../report/table5_deposit.rst",
            category="Figures",
            labels={"figure": "table5_deposit"},
        ),
    log:
        "results/{run}/logs/figures/table5_deposit.log",
    benchmark:
        "results/{run}/benchmarks/figures/table5_deposit.tsv"
    conda:
        "../../envs/latentcell.yaml"
    resources:
        **small_needs(),
    params:
        code=code_of("draw_deposit.py"),
    script:
        "../scripts/draw_deposit.py"
