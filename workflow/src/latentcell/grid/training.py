"""Generative models of the grid as parts of a job.

A model that another job has trained is copied without the libraries that training takes, so these
are imported by the work alone (`latentcell.grid.model_files`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from latentcell.config.methods import learns_unlabelled
from latentcell.config.names import ModelName
from latentcell.config.settings import VaeSettings
from latentcell.runtime.pool import Part
from latentcell.runtime.provenance import file_digest, text_digest

# Files of a model, in the order of a part.
FILES = ("model.safetensors", "history.csv", "features.h5ad", "metrics.json", "cost.json")


@dataclass(frozen=True)
class Training:
    """Training of a model.

    Attributes
    ----------
    name : ModelName
    cells : str
        Path of the counts, with ``obs["split"]`` and ``obs["cell_type"]``.
    settings : VaeSettings
    seed : int
        Seed in this replicate.
    unlabelled : tuple of str
        Paths of data sets without types, which join the training cells of models that learn without
        types.
    threads : int
        Threads of the training, on which its results do not depend.
    """

    name: ModelName
    cells: str
    settings: VaeSettings
    seed: int
    unlabelled: tuple[str, ...] = ()
    threads: int = 1

    def part(self, files: Sequence[str | Path], *code: str) -> Part:
        """Part of a job that runs the training.

        Parameters
        ----------
        files : sequence of path
            Paths of `FILES`.
        *code : str
            Digests of the code: of the script, and of the likelihood.
        """
        digests = [file_digest(path) for path in (self.cells, *self._further())]
        identity = text_digest(digests[0], *code, self.settings, self.name, self.seed, *digests[1:])
        return Part(str(self.name), tuple(map(Path, files)), identity, self._work)

    def _work(self, part: Part) -> None:
        from latentcell.grid.ensemble_files import write_ensemble
        from latentcell.grid.model_files import write_model
        from latentcell.models.threads import model_threads

        files = list(map(part.at, part.files))
        write = write_ensemble if self.name.seeds > 1 else write_model
        sources = (self.cells, *self._further())
        with model_threads(self.threads):
            write(files, sources, self.name, self.settings, self.seed, part.identity)

    def _further(self) -> tuple[str, ...]:
        return self.unlabelled if learns_unlabelled(str(self.name)) else ()
