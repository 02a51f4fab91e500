"""Jobs run again when one of their outputs was set aside (latentcell.checksums).

Included last, as it is about every rule: how often that was done is one more parameter.
"""

from latentcell.checksums import times_set_aside
from snakemake.io import apply_wildcards

SET_ASIDE = times_set_aside(RUN)


def times_aside(outputs):
    """The function that tells how often files were set aside, from the wildcards of a job."""

    def times(wildcards):
        files = (apply_wildcards(output, wildcards) for output in outputs)
        return sum(SET_ASIDE.get(file, 0) for file in files)

    return times


for made in workflow.rules:
    if made.script is not None:
        made.set_params(aside=times_aside([str(output) for output in made.output]))
