"""latentcell: does a learnt latent representation make cell-type classification better?

counts -> subset and split -> representation -> classifier -> measures -> tables, figures, report
"""

from snakemake.utils import min_version

min_version("9.0")


# Only where none is named: Snakemake would merge the two, and the default's values leak in.
if not workflow.config_settings.configfiles:

    configfile: f"{workflow.basedir}/config/config.yaml"


report: "workflow/report/workflow.rst"


include: "workflow/rules/common.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/vae.smk"
include: "workflow/rules/samples.smk"
include: "workflow/rules/pca.smk"
include: "workflow/rules/ffnn.smk"
include: "workflow/rules/tables.smk"
include: "workflow/rules/deposit.smk"
include: "workflow/rules/compare.smk"
include: "workflow/rules/leaderboard.smk"
include: "workflow/rules/few_labels.smk"
include: "workflow/rules/annotate.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/finish.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/integrity.smk"


localrules:
    all,
    annotate,
    tables,
    samples,
    comparison,
    leaderboard,
    few_labels,
    study,
    figures,
    report,
    answer,
    choose_models,
    store_config,


rule all:
    default_target: True
    input:
        rules.tables.input,
        rules.figures.input,
        rules.finished.input,
        rules.samples.input,
        rules.report.input,
        rules.answer.input,
        annotated_files(),


rule study:
    input:
        rules.all.input,
        compared_files(),
        deposit_files(),
