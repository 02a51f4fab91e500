"""latentcell: does a learnt latent representation make cell-type classification better?

The workflow is workflow/Snakefile; this file lets `snakemake --cores all` find it from here.
"""

# A run that names no configuration has the default; Snakemake would merge two.
if not workflow.config_settings.configfiles:

    configfile: f"{workflow.basedir}/config/config.yaml"


include: "workflow/Snakefile"


workflow.default_target = "all"
