"""Choose the models for the classifier and the other subsets."""

from latentcell.config.names import ModelName
from latentcell.config.settings import ChoiceSettings
from latentcell.evaluate.choice import choose_models
from latentcell.grid.records import collect
from latentcell.runtime.io import write_json
from latentcell.runtime.job import job
from latentcell.runtime.progress import say

with job(snakemake):
    settings = ChoiceSettings.model_validate(snakemake.params.settings)
    grid = [ModelName.parse(name) for name in snakemake.params.models]
    records = collect("models", {"run": snakemake.input})
    measure = "elbo" if settings.by == "fixed" else settings.by
    records = records[records["split"] == settings.split].assign(value=records[measure])
    choice = choose_models(records, settings, grid, cells=records["cells"].iloc[0])
    say(f"chosen by {choice['by']}: {', '.join(choice['models'])}")
    write_json(snakemake.output[0], choice)
