"""Results -> maps and figures.

REQUIRED INPUTS: representations, learning curves, measures and cells of the run
OUTPUTS: results/{run}/{cells}/{replicate}/maps/, results/{run}/figures/*.{pdf,png,svg}
"""

from latentcell.figures.catalogue import figure_inputs, figure_names
from latentcell.figures.data import map_representations


def mapped_representation_file(wildcards):
    """The representation behind a map."""
    folder = f"results/{wildcards.run}/{wildcards.cells}/{wildcards.replicate}"
    if pca_components(wildcards.input):
        return f"{folder}/pca/scores.h5ad"
    return f"{folder}/vae/{wildcards.input}/latent.h5ad"


def figure_files(wildcards):
    """What a figure is made from."""
    names = figure_inputs(wildcards.figure, settings, chosen_models())
    return [f"results/{wildcards.run}/{name}" for name in names]


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
        mapped_representation_file,
    output:
        "results/{run}/{cells}/{replicate}/maps/{input}.csv",
    log:
        "results/{run}/logs/{cells}/{replicate}/map_cells/{input}.log",
    benchmark:
        "results/{run}/benchmarks/{cells}/{replicate}/map_cells/{input}.tsv"
    params:
        settings=part("tsne"),
        code=code_of("map_cells.py"),
    script:
        "../scripts/map_cells.py"


rule draw_figure:
    input:
        figure_files,
    output:
        "results/{run}/figures/{figure}.pdf",
        "results/{run}/figures/{figure}.svg",
        report(
            "results/{run}/figures/{figure}.png",
            caption="../report/{figure}.rst",
            category="Figures",
            labels={"figure": "{figure}"},
        ),
    log:
        "results/{run}/logs/figures/{figure}.log",
    benchmark:
        "results/{run}/benchmarks/figures/{figure}.tsv"
    params:
        settings=settings.model_dump(
            mode="json", include={*LAYOUT, "ffnn", "choice", "tsne"}
        ),
        chosen=lambda wildcards: chosen_models(),
        code=code_of("draw_figure.py"),
    script:
        "../scripts/draw_figure.py"
