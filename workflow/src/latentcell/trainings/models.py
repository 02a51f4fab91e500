"""Generative models as parts of a job."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import anndata as ad
import pandas as pd

from latentcell.batch import Part
from latentcell.evaluate.latents import describe_model, latent_table
from latentcell.io import write_csv, write_h5ad, write_json
from latentcell.models.checkpoint import CheckpointStore, save
from latentcell.models.training import save_arguments, train
from latentcell.names import ModelName, replicate_seed
from latentcell.provenance import file_digest, text_digest
from latentcell.represent.variable import chosen_genes
from latentcell.settings import VaeSettings


def model_parts(
    sources: Sequence[str], files: Iterable[Sequence[str]], settings: VaeSettings, code: str
) -> list[Part]:
    """Models to be trained, the longest training first.

    Parameters
    ----------
    sources : sequence of str
        Files of the cells, ``{replicate}/cells.h5ad`` or ``{replicate}/vae/cells.h5ad``, one for
        each replicate.
    files : iterable of four str
        What each makes, in ``{replicate}/vae/{model}/``: weights, learning curve, latents and
        measures.
    settings : VaeSettings
    code : str
        Digest of the code.
    """
    digests = {path: file_digest(path) for path in sources}
    models = [_Model.of(sources, tuple(map(Path, made)), settings) for made in files]
    # So that no core is left with a long one at the end.
    models.sort(key=lambda one: -one.name.hidden_units)
    return [
        Part(
            f"{one.name} of {one.replicate}",
            one.files,
            text_digest(digests[one.source], code, settings, one.name, one.seed),
            one.train,
        )
        for one in models
    ]


def _replicate_of(source: str) -> str:
    """The replicate of ``{replicate}/cells.h5ad``, or of ``{replicate}/vae/cells.h5ad``."""
    folder = Path(source).parent
    return folder.parent.name if folder.name == "vae" else folder.name


@dataclass(frozen=True)
class _Model:
    source: str
    files: tuple[Path, ...]
    settings: VaeSettings

    @classmethod
    def of(cls, sources: Sequence[str], files: tuple[Path, ...], settings: VaeSettings) -> "_Model":
        """The model with the cells of its own replicate."""
        replicate = files[0].parts[-4]
        (source,) = (one for one in sources if _replicate_of(one) == replicate)
        return cls(source, files, settings)

    @property
    def name(self) -> ModelName:
        return ModelName.parse(self.files[0].parent.name)

    @property
    def replicate(self) -> str:
        return self.files[0].parts[-4]

    @property
    def seed(self) -> int:
        return replicate_seed(self.settings.seed, self.replicate)

    def train(self, part: Part) -> None:
        """Train the model and write what it is, what it says of the cells, and how it got there."""
        cells = ad.read_h5ad(self.source)
        types = cells.obs["cell_type"].to_numpy(str)
        batch = cells.obs["batch"].to_numpy(str) if "batch" in cells.obs else None
        split = cells.obs["split"].to_numpy(str)
        components = self.settings.components
        model, history, latent, metrics = map(part.at, self.files)
        trained = train(
            cells.X,
            split,
            self.name,
            len(set(types)) if components == "labels" else components,
            self.settings,
            self.seed,
            CheckpointStore(model.with_name("checkpoint.safetensors"), part.identity),
            batch=batch,
            cell_types=types,
            genes=chosen_genes(cells.X[split == "training"], self.settings.variable_genes),
        )
        evaluation = trained.evaluate(cells.X, batch)
        latents = latent_table(cells, trained, evaluation)
        save(model, *save_arguments(trained))
        write_csv(history, pd.DataFrame(trained.history))
        write_h5ad(latent, latents)
        write_json(metrics, describe_model(self.name, trained, evaluation, latents))
