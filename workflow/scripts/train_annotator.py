"""Learn to type cells from the data set, and store what was learnt as a bundle."""

from pathlib import Path

import anndata as ad

from latentcell.annotate.annotator import learn
from latentcell.annotate.bundle import save_bundle
from latentcell.annotate.report import reference_lines
from latentcell.job import job
from latentcell.settings import AnnotateSettings, SplitSettings

# One thread: what is learnt is the same however many cores there are.
with job(snakemake, threads=1):
    annotator = learn(
        ad.read_h5ad(snakemake.input[0]),
        AnnotateSettings.model_validate(snakemake.params.settings),
        SplitSettings.model_validate(snakemake.params.split),
    )
    save_bundle(annotator, Path(snakemake.output[0]).parent)
    print("\n".join(reference_lines(annotator)))
