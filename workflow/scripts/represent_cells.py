"""Learn a representation from training cells; store it of all cells, and what learning cost."""

from dataclasses import asdict

import anndata as ad

from latentcell.fitting import Options
from latentcell.io import write_h5ad, write_json
from latentcell.job import job
from latentcell.leaderboard.representing import represent
from latentcell.methods import representation
from latentcell.names import replicate_seed
from latentcell.progress import say

# One thread, so that the bytes are the same however many cores there are.
with job(snakemake, threads=1):
    seed = replicate_seed(snakemake.params.seed, snakemake.wildcards.replicate)
    method = representation(snakemake.wildcards.representation)
    cells = ad.read_h5ad(snakemake.input[0])
    scores, cost = represent(cells, method, Options(seed, snakemake.params.epochs))
    write_h5ad(snakemake.output.scores, scores)
    write_json(snakemake.output.cost, asdict(cost))
    say(f"{method.name}: {scores.n_vars} features, learnt in {cost.seconds:.1f} s")
