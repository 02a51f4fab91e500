"""Choose which models go on to the classifier and to the larger subsets."""

from latentcell.evaluate.choice import choose_models
from latentcell.io import write_json
from latentcell.job import job
from latentcell.names import ModelName
from latentcell.progress import say
from latentcell.settings import ChoiceSettings
from latentcell.tables.collect import collect_vae_records

with job(snakemake):
    settings = ChoiceSettings.model_validate(snakemake.params.settings)
    grid = [ModelName.parse(name) for name in snakemake.params.models]
    records = collect_vae_records(snakemake.input)
    measure = "elbo" if settings.by == "fixed" else settings.by
    records = records[records["split"] == settings.split].assign(value=records[measure])
    choice = choose_models(records, settings, grid, cells=records["cells"].iloc[0])
    say(f"chosen by {choice['by']}: {', '.join(choice['models'])}")
    write_json(snakemake.output[0], choice)
