"""Train an annotator on the data set and write it as a bundle."""

from pathlib import Path

import anndata as ad

from latentcell.annotate.annotator import learn
from latentcell.annotate.bundle import remove_files, save_bundle
from latentcell.annotate.report import candidate_lines, reference_lines
from latentcell.config.settings import AnnotateSettings, SplitSettings
from latentcell.runtime.job import job

# One thread, so that results do not depend on the number of cores.
with job(snakemake, threads=1):
    annotator = learn(
        ad.read_h5ad(snakemake.input[0]),
        AnnotateSettings.model_validate(snakemake.params.settings),
        SplitSettings.model_validate(snakemake.params.split),
    )
    folder = Path(snakemake.output[0]).parent
    # Snakemake has removed the outputs of these settings; earlier ones may have had one more.
    remove_files(folder)
    save_bundle(annotator, folder)
    print("\n".join([*reference_lines(annotator), *candidate_lines(annotator)]))
