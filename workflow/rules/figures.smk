"""Results -> maps and figures.

REQUIRED INPUTS: representations, learning curves, measures and cells of the run
OUTPUTS: results/{run}/{cells}/{replicate}/maps/, results/{run}/figures/*.{pdf,png,svg}
"""


rule figures:
    input:
        expand(
            "results/{run}/figures/{figure}.{format}",
            run=RUN,
            figure=figure_names(settings),
            format=["pdf", "png", "svg"],
        ),


rule map_cells:
    input:
        representation_file,
    output:
        "results/{run}/{cells}/{replicate}/maps/{input}.csv",
    log:
        "results/{run}/logs/{cells}/{replicate}/map_cells/{input}.log",
    benchmark:
        "results/{run}/benchmarks/{cells}/{replicate}/map_cells/{input}.tsv"
    conda:
        "../../envs/latentcell.yaml"
    resources:
        **map_needs(),
    params:
        settings=part("tsne"),
        code=code_of("map_cells.py"),
    script:
        "../scripts/map_cells.py"


# One rule a figure: a caption's path can't hold a wildcard.
for figure in figure_names(settings):

    rule:
        name:
            f"draw_{figure}"
        input:
            files_of(figure),
        output:
            f"results/{{run}}/figures/{figure}.pdf",
            f"results/{{run}}/figures/{figure}.svg",
            report(
                f"results/{{run}}/figures/{figure}.png",
                caption=f"../report/{figure}.rst",
                category="Figures",
                labels={"figure": figure},
            ),
        log:
            f"results/{{run}}/logs/figures/{figure}.log",
        benchmark:
            f"results/{{run}}/benchmarks/figures/{figure}.tsv"
        conda:
            "../../envs/latentcell.yaml"
        resources:
            **small_needs(),
        params:
            figure=figure,
            settings=settings.model_dump(
                mode="json", include={*LAYOUT, "ffnn", "choice", "tsne"}
            ),
            chosen=lambda wildcards: chosen_models(),
            code=code_of("draw_figure.py"),
        script:
            "../scripts/draw_figure.py"
