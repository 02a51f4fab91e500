"""A trained model: evaluation, sampling, and its tensors and description for a file."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

from latentcell.config.settings import VaeSettings
from latentcell.config.settings.vae import LABEL_KEYS, TYPE_KEYS
from latentcell.models.checkpoint import select
from latentcell.models.counts import CountMatrix
from latentcell.models.evaluation import Evaluation, evaluate
from latentcell.models.genes import GeneModel
from latentcell.models.gmvae import GMVAE, Architecture, DropoutRates
from latentcell.models.inputs import Inputs
from latentcell.models.objective import Objective
from latentcell.models.types import TypeFit, TypeModel
from latentcell.runtime.errors import InputError
from latentcell.runtime.pieces import MANY, stored


@dataclass
class Trained:
    """Trained model with its inputs, settings and history.

    Attributes
    ----------
    seconds : list of float
        Duration of each epoch of this run, without its evaluation.
    types : tuple of str
        Cell type of each component; empty without labels.
    labelled : ndarray of int64
        Row numbers of the labelled training cells.
    type_fit : TypeFit or None
        Types on top of a VAE.
    """

    model: GMVAE
    inputs: Inputs
    settings: VaeSettings
    seed: int
    history: list[dict[str, Any]] = field(default_factory=list)
    best_epoch: int = 0
    epochs_trained: int = 0
    seconds: list[float] = field(default_factory=list)
    types: tuple[str, ...] = ()
    labelled: np.ndarray = field(default_factory=lambda: np.array([], np.int64))
    type_fit: TypeFit | None = None

    def counts(
        self, matrix: sp.csr_matrix, batch: np.ndarray | None = None, folder: Path | None = None
    ) -> CountMatrix:
        """Model input of cells (n, G) with their batches (n,); `folder` as in `train`."""
        bias = self.model.decoder.bias
        return self.inputs.counts(
            *(matrix, batch, self.model.decoder.likelihood, bias.device, bias.dtype),
            mapped_folder(matrix, folder),
        )

    def evaluate(
        self, matrix: sp.csr_matrix, batch: np.ndarray | None = None, folder: Path | None = None
    ) -> Evaluation:
        """Bound and latents of cells (n, G), with every (cell, cluster) pair decoded.

        With types on top of a VAE, ``q_y`` are their probabilities; the bound is the VAE's. The
        counts may lie in an AnnData file; `folder` is as in `train`.
        """
        return self.evaluate_counts(self.counts(matrix, batch, folder))

    def evaluate_counts(self, counts: CountMatrix) -> Evaluation:
        """Evaluate cells as `evaluate` does, from the model input that `counts` gives."""
        # The stream of epoch 0, so that the result does not depend on the number of epochs.
        stream = random_stream(self.seed, 0, 9, counts.device)
        how = objective_of(self.settings, threshold=0.0)
        index = np.arange(counts.shape[0])
        found = evaluate(self.model, counts, index, self.settings.batch_size, stream, how)
        if self.type_fit is None:
            return found
        return replace(found, q_y=self.type_fit.model.probabilities(found.latent))

    def sample(
        self, cells: int, matrix: sp.csr_matrix, batch: np.ndarray | None = None
    ) -> tuple[sp.csr_matrix, np.ndarray, np.ndarray]:
        """Draw cells from the model.

        Parameters
        ----------
        cells : int
        matrix : CSR matrix of shape (n, G)
            Counts of real cells, whose sums are resampled for the drawn cells.
        batch : ndarray of str, shape (n,), optional
            Batches of the same cells, resampled with them; needed with batch correction.

        Returns
        -------
        counts : CSR matrix of shape (cells, G), float32
            Genes without weights have no counts.
        latent : ndarray of float32, shape (cells, Z)
        cluster : ndarray of int64, shape (cells,)
        """
        bias = self.model.decoder.bias
        stream = random_stream(self.seed, 0, 10, bias.device)
        chosen = np.random.default_rng([self.seed, 10]).integers(matrix.shape[0], size=cells)
        batches = None if batch is None else batch[chosen]
        covariates = self.inputs.covariate_values(_count_sums(matrix)[chosen], batches)
        # As in training, the library is the sum over the modelled genes.
        modelled = np.flatnonzero(self.inputs.genes.modelled)
        sums = np.maximum(_count_sums(matrix[:, modelled])[chosen], 1.0)
        parts: list[sp.csr_matrix] = []
        others: list[tuple[np.ndarray, np.ndarray]] = []
        self.model.eval()
        for index in np.array_split(np.arange(cells), math.ceil(cells / 100)):
            size, extra = (
                torch.as_tensor(values[index], dtype=bias.dtype, device=bias.device)
                for values in (sums, covariates)
            )
            counts, *rest = self.model.sample(len(index), size, extra, stream)
            drawn = sp.coo_matrix(counts.cpu().numpy())
            shape = (len(index), len(self.inputs.genes.modelled))
            parts.append(sp.csr_matrix((drawn.data, (drawn.row, modelled[drawn.col])), shape))
            others.append((rest[0].cpu().numpy(), rest[1].cpu().numpy()))
        latent, cluster = (np.concatenate(column) for column in zip(*others, strict=True))
        return sp.vstack(parts, format="csr"), latent, cluster


def save_arguments(trained: Trained) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and description of a trained model, for `checkpoint.save` and `restore`."""
    tensors = {f"model.{key}": value for key, value in trained.model.state_dict().items()}
    tensors["genes.modelled"] = torch.as_tensor(trained.inputs.genes.modelled)
    tensors["genes.mean"] = torch.as_tensor(trained.inputs.genes.mean)
    settings = trained.settings
    # Settings without effect are left out: files of models without labels stay the same.
    unused = set() if settings.labelled_share else {*LABEL_KEYS}
    if trained.type_fit is None:
        unused |= {*TYPE_KEYS}
    description = {
        "architecture": asdict(trained.model.shape),
        "inputs": trained.inputs.describe(),
        "settings": settings.model_dump(exclude=unused),
        "seed": trained.seed,
        "best_epoch": trained.best_epoch,
        "epochs_trained": trained.epochs_trained,
    }
    if trained.types:
        description["types"] = list(trained.types)
        tensors["labelled"] = torch.as_tensor(trained.labelled)
    if trained.type_fit is not None:
        state = trained.type_fit.model.state_dict()
        tensors |= {f"types.{key}": value for key, value in state.items()}
        description["type_epoch"] = trained.type_fit.epoch
        description["type_history"] = trained.type_fit.history
    return tensors, description


def members_arguments(members: Sequence[Trained]) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and description of an ensemble, for `checkpoint.save` and `restore_members`."""
    tensors: dict[str, Tensor] = {}
    descriptions = []
    for number, trained in enumerate(members, 1):
        own, description = save_arguments(trained)
        shared = {key: value for key, value in own.items() if key.startswith("genes.")}
        tensors |= shared
        tensors |= {f"member{number}.{key}": own[key] for key in own if key not in shared}
        descriptions.append(description)
    return tensors, {"members": descriptions}


def restore_members(tensors: dict[str, Tensor], description: dict[str, Any]) -> list[Trained]:
    """Models of an ensemble from the result of `members_arguments`, without their histories."""
    shared = {key: value for key, value in tensors.items() if key.startswith("genes.")}
    return [
        restore(select(tensors, f"member{number}.") | shared, own)
        for number, own in enumerate(description["members"], 1)
    ]


def restore(tensors: dict[str, Tensor], description: dict[str, Any]) -> Trained:
    """Trained model from the result of `save_arguments`, without its history.

    A model of any device can be used without a GPU.
    """
    settings = VaeSettings.model_validate(description["settings"])
    shape = dict(description["architecture"])
    shape["dropout"] = DropoutRates(**shape["dropout"])
    model = GMVAE(Architecture(**shape), torch.Generator())
    model.load_state_dict(select(tensors, "model."))
    wanted = "cpu" if settings.device == "cpu" else "auto"
    model.to(device_of(settings.model_copy(update={"device": wanted}))).eval()
    inputs = dict(description["inputs"])
    inputs["batches"] = tuple(inputs["batches"])
    genes = GeneModel(tensors["genes.modelled"].numpy(), tensors["genes.mean"].numpy())
    return Trained(
        model,
        Inputs(genes, **inputs),
        settings,
        description["seed"],
        best_epoch=description["best_epoch"],
        epochs_trained=description["epochs_trained"],
        types=tuple(description.get("types", ())),
        labelled=tensors.get("labelled", torch.tensor([], dtype=torch.int64)).numpy(),
        type_fit=_restore_types(tensors, description),
    )


def _restore_types(tensors: dict[str, Tensor], description: dict[str, Any]) -> TypeFit | None:
    """Types on top of a VAE from the result of `save_arguments`; None without any."""
    state = select(tensors, "types.")
    if not state:
        return None
    shape = description["architecture"]["latent_dim"], description["architecture"]["hidden_units"]
    model = TypeModel(*shape, state["log_prior"].exp(), torch.Generator())
    model.load_state_dict(state)
    return TypeFit(model, description["type_epoch"], description["type_history"])


def _count_sums(matrix: sp.csr_matrix) -> np.ndarray:
    return np.asarray(matrix.sum(1), np.float64).ravel()


def mapped_folder(matrix: sp.csr_matrix, folder: Path | None) -> Path | None:
    """Folder from which the counts of many cells are mapped; None for few."""
    return folder if stored(matrix) >= MANY else None


def objective_of(settings: VaeSettings, **parts: float) -> Objective:
    """Objective with the samples and bound of the settings; `parts` are its other fields."""
    return Objective(
        monte_carlo=settings.monte_carlo_samples,
        importance=settings.importance_samples,
        importance_weighted=settings.bound == "importance-weighted",
        closed_form_kl=settings.kl == "closed-form",
        bfloat16=settings.precision == "bfloat16",
        **parts,
    )


def device_of(settings: VaeSettings) -> torch.device:
    """Device of the settings; sets the precision of CUDA's matrix products in the whole process."""
    wanted = settings.device
    if wanted == "auto":
        wanted = "cuda" if torch.cuda.is_available() else "cpu"
    if wanted == "cuda" and not torch.cuda.is_available():
        raise InputError("vae.device: expected a CUDA device, found none; use auto or cpu")
    if wanted == "cuda":
        torch.backends.cuda.matmul.allow_tf32 = settings.precision == "tf32"
    return torch.device(wanted)


def random_stream(
    seed: int, epoch: int, purpose: int, device: torch.device | str = "cpu"
) -> torch.Generator:
    """Random stream of a seed, epoch and purpose, so that resuming is exact."""
    state = np.random.SeedSequence([seed, epoch, purpose]).generate_state(1, np.uint64)[0]
    return torch.Generator(device).manual_seed(int(state >> np.uint64(1)))
