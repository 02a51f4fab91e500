"""Write Snakemake's HTML report of tables and figures."""

import subprocess
import sys
from pathlib import Path

from latentcell.runtime.io import atomic
from latentcell.runtime.job import job

with job(snakemake), atomic(Path(snakemake.output[0]).absolute()) as temporary:
    # As a module with a prefix, the workflow has results/ in another folder.
    run, _, folder = list(temporary.parents)[:3]
    command = [
        *(sys.executable, "-m", "snakemake", "--nolock", "--cores", "1"),
        *("--directory", str(folder)),
        *("--snakefile", snakemake.params.snakefile),
        *("--configfile", str(run / "config.yaml")),
        *("--report", str(temporary)),
        *("--", "tables", "figures"),
    ]
    # The run that waits for this report holds the lock.
    done = subprocess.run(command, stdout=sys.stderr, stderr=subprocess.STDOUT)
    if done.returncode:
        sys.exit(f"the report failed with status {done.returncode}")
