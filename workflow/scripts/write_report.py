"""Let Snakemake write its HTML report of the tables and figures."""

import subprocess
import sys

from latentcell.io import atomic
from latentcell.job import job

with job(snakemake), atomic(snakemake.output[0]) as temporary:
    command = [
        *(sys.executable, "-m", "snakemake", "--nolock", "--cores", "1"),
        *("--snakefile", snakemake.params.snakefile),
        *("--configfile", snakemake.input.config),
        *("--report", str(temporary)),
        *("--", *snakemake.params.targets),
    ]
    done = subprocess.run(command, stdout=sys.stderr, stderr=subprocess.STDOUT)
    if done.returncode:
        sys.exit(f"the report failed with status {done.returncode}")
