"""Draw maps and figures.

REQUIRED INPUTS: features, learning curves, metrics, cells and tables of the run
OUTPUTS: results/{run}/{dataset}/{subset}/{replicate}/{representation}/tsne.csv,
    results/{run}/figures/{dataset}/{figure}.{pdf,png,svg}
"""


rule figures:
    input:
        f"results/{RUN}/config.yaml",
        expand(
            "results/{run}/figures/{stem}.{format}",
            run=RUN,
            stem=figure_stems(settings),
            format=["pdf", "png", "svg"],
        ),


rule map_cells:
    input:
        "results/{run}/{dataset}/{subset}/{replicate}/{representation}/features.h5ad",
    output:
        "results/{run}/{dataset}/{subset}/{replicate}/{representation}/tsne.csv",
    log:
        "results/{run}/logs/{dataset}/{subset}/{replicate}/{representation}/tsne.log",
    benchmark:
        "results/{run}/benchmarks/{dataset}/{subset}/{replicate}/{representation}/tsne.tsv"
    conda:
        "../../envs/latentcell.yaml"
    resources:
        **needs("map_cells"),
    params:
        settings=RUNS.section("tsne"),
        code=code_of("map_cells.py"),
    script:
        "../scripts/map_cells.py"


rule plot_figure:
    input:
        files_of_figure,
    output:
        pdf=f"results/{RUN}/figures/{{dataset}}/{{figure}}.pdf",
        svg=f"results/{RUN}/figures/{{dataset}}/{{figure}}.svg",
        png=report(
            f"results/{RUN}/figures/{{dataset}}/{{figure}}.png",
            caption="../report/caption.rst",
            category=lambda wildcards: FIGURES[wildcards.figure].category,
            subcategory="{dataset}",
            labels=lambda wildcards: {"figure": FIGURES[wildcards.figure].title},
        ),
    log:
        f"results/{RUN}/logs/figures/{{dataset}}/{{figure}}.log",
    benchmark:
        f"results/{RUN}/benchmarks/figures/{{dataset}}/{{figure}}.tsv"
    wildcard_constraints:
        figure="|".join(FIGURES),
    conda:
        "../../envs/latentcell.yaml"
    resources:
        **needs("plot_figure"),
    params:
        settings=settings.model_dump(mode="json"),
        chosen=lambda wildcards: chosen_models(wildcards.dataset),
        caption=lambda wildcards: FIGURES[wildcards.figure].caption,
        code=code_of("plot_figure.py"),
    script:
        "../scripts/plot_figure.py"
