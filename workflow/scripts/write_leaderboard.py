"""Write the leaderboard and the records behind it: scores, and apart from them the costs."""

from latentcell.io import write_csv
from latentcell.job import job
from latentcell.leaderboard.records import cost_records, score_records
from latentcell.leaderboard.render import write_leaderboard
from latentcell.leaderboard.table import leaderboard_table

with job(snakemake):
    learnt = {
        (name, replicate): (path, models)
        for path, (name, replicate, models) in zip(
            snakemake.input.learnt, snakemake.params.learnt, strict=True
        )
    }
    scores = score_records(snakemake.input.metrics)
    costs = cost_records(snakemake.input.costs, learnt)
    table = leaderboard_table(scores, costs, seed=snakemake.params.seed)
    write_csv(snakemake.output.scores, scores)
    write_csv(snakemake.output.costs, costs)
    write_leaderboard(table, snakemake.output.tables, snakemake.params.left_out)
