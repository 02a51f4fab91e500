"""Training of a GMVAE or VAE: one loop over epochs that can be killed and goes on the same."""

import copy
import time
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

from latentcell.errors import InputError
from latentcell.models.checkpoint import CheckpointStore, select
from latentcell.models.counts import CountMatrix
from latentcell.models.genes import GeneModel
from latentcell.models.gmvae import GMVAE, Architecture
from latentcell.models.likelihoods import LIKELIHOODS
from latentcell.models.optimiser import Adam
from latentcell.names import ModelName
from latentcell.progress import Progress, say
from latentcell.settings import VaeSettings

# A component counts as used when it holds at least this share of the cells.
USED_SHARE = 0.01


@dataclass(frozen=True)
class Evaluation:
    """Terms of the bound and latents of some cells, in their order.

    Attributes
    ----------
    enre, kl_z, kl_y : ndarray of float64, shape (n,)
        Nats per cell.
    q_y : ndarray of float32, shape (n, K)
    latent : ndarray of float32, shape (n, Z)
        Sum over k of q(y=k given x) times the mean of q(z given x, k).
    """

    enre: np.ndarray
    kl_z: np.ndarray
    kl_y: np.ndarray
    q_y: np.ndarray
    latent: np.ndarray

    @property
    def elbo(self) -> np.ndarray:
        """Evidence lower bound of each cell, nats."""
        return np.asarray(self.enre - self.kl_z - self.kl_y)

    @property
    def clusters(self) -> np.ndarray:
        """Likeliest component of each cell, int64."""
        return np.asarray(self.q_y.argmax(1))

    def means(self) -> dict[str, float]:
        """True means over the cells of ELBO, ENRE, KL_z and KL_y, nats."""
        names = ("elbo", "enre", "kl_z", "kl_y")
        return {name: float(getattr(self, name).mean()) for name in names}

    def take(self, cells: np.ndarray) -> "Evaluation":
        """The same of some of the cells, given as a mask or as indices."""
        return Evaluation(
            self.enre[cells],
            self.kl_z[cells],
            self.kl_y[cells],
            self.q_y[cells],
            self.latent[cells],
        )

    def components_used(self) -> int:
        """Number of components that hold at least 1 % of the cells."""
        return components_used(self.clusters)


def components_used(clusters: np.ndarray) -> int:
    """Number of clusters that hold at least 1 % of the cells."""
    _, sizes = np.unique(clusters, return_counts=True)
    return int((sizes >= USED_SHARE * len(clusters)).sum())


def inflated_mean(values: np.ndarray, batch_size: int) -> float:
    """Mean as scVAE reports it: the sum of batch means over n / batch size.

    It is too large by ceil(n / B) / (n / B) whenever B does not divide n; for comparison only.
    """
    batches = np.split(values, range(batch_size, len(values), batch_size))
    return float(sum(batch.mean() for batch in batches) / (len(values) / batch_size))


@dataclass
class Trained:
    """A trained model with all that is needed to apply it, and how it came about."""

    model: GMVAE
    genes: GeneModel
    settings: VaeSettings
    seed: int
    history: list[dict[str, Any]] = field(default_factory=list)
    best_epoch: int = 0
    epochs_trained: int = 0

    def counts(self, matrix: sp.csr_matrix) -> CountMatrix:
        """Counts of cells (n, G) as the model takes them."""
        weight = self.model.decoder.bias
        return _count_matrix(matrix, self.genes, self.settings, weight.device, weight.dtype)

    def evaluate(self, matrix: sp.csr_matrix) -> Evaluation:
        """Bound and latents of cells, shape (n, G), with every pair decoded."""
        counts = self.counts(matrix)
        index = np.arange(matrix.shape[0])
        # The seed is epoch 0's, so that the numbers do not depend on how long training took.
        return _evaluate(
            self.model, counts, index, self.settings.batch_size, _stream(self.seed, 0, 9), 0.0
        )


def train(
    matrix: sp.csr_matrix,
    split: np.ndarray,
    name: ModelName,
    components: int,
    settings: VaeSettings,
    seed: int,
    store: CheckpointStore | None = None,
) -> Trained:
    """Train one model.

    Parameters
    ----------
    matrix : CSR matrix of shape (n, G)
        Counts of all cells of the subset.
    split : ndarray of str, shape (n,)
        "training", "validation" or "test"; test cells are not looked at.
    name : ModelName
        Kind, latent dimension and hidden units.
    components : int
        Mixture components K (a VAE has one whatever is asked for).
    settings : VaeSettings
    seed : int
        Seed of initialisation, shuffling and sampling; overrides that of the settings.
    store : CheckpointStore, optional
        Where to keep, and find again, the state of a training that is killed.

    Returns
    -------
    Trained
        With the best epoch's weights, or the last one's, as the settings say.

    Raises
    ------
    InputError
        When a value ceases to be finite: the epoch, the step and what to try.
    """
    loop = _Loop(matrix, split, name, components, settings, seed)
    if store is not None:
        loop.resume(store)
    progress = Progress(f"{name} on {len(loop.training):,} cells", settings.epochs)
    saved = time.monotonic()
    for epoch in range(loop.epoch + 1, settings.epochs + 1):
        if loop.should_stop():
            break
        loop.run_epoch(epoch)
        progress.report(epoch, f"validation ELBO {loop.history[-1]['elbo']:.1f} nats per cell")
        if store is not None and time.monotonic() - saved >= store.seconds:
            loop.checkpoint(store)
            saved = time.monotonic()
    return loop.finish()


class _Loop:
    """State of a training, from which the next epoch follows and nothing else does."""

    def __init__(
        self,
        matrix: sp.csr_matrix,
        split: np.ndarray,
        name: ModelName,
        components: int,
        settings: VaeSettings,
        seed: int,
    ) -> None:
        self.settings, self.seed, self.name = settings, seed, name
        self.device = _device(settings.device)
        self.training = np.flatnonzero(split == "training")
        self.validation = np.flatnonzero(split == "validation")
        closed_form = settings.unexpressed_genes == "closed-form"
        self.genes = GeneModel.learn(matrix[self.training], closed_form)
        self.counts = _count_matrix(matrix, self.genes, settings, self.device, torch.float32)
        self.model = self._new_model(components).to(self.device)
        self.adam = Adam(self.model.parameters(), settings.learning_rate)
        self.epoch = 0
        self.history: list[dict[str, Any]] = []
        self.best_epoch, self.best_elbo = 0, -np.inf
        self.best: dict[str, Tensor] = {}

    def _new_model(self, components: int) -> GMVAE:
        shape = Architecture(
            kind=self.name.kind,
            genes=int(self.genes.modelled.sum()),
            latent_dim=self.name.latent_dim,
            hidden_units=self.name.hidden_units,
            hidden_layers=self.settings.hidden_layers,
            components=components if self.name.kind == "gmvae" else 1,
            likelihood=self.settings.likelihood,
            batch_norm_momentum=self.settings.batch_norm_momentum,
        )
        model = GMVAE(shape, _stream(self.seed, 0, 0))
        if self.settings.output_bias == "means":
            mean = self.genes.mean[self.genes.modelled]
            model.set_output_bias(torch.as_tensor(mean, dtype=torch.float32))
        return model

    def run_epoch(self, epoch: int) -> None:
        """Train on every training cell once, then evaluate."""
        noise = _stream(self.seed, epoch, 1)
        order = torch.randperm(len(self.training), generator=_stream(self.seed, epoch, 2))
        cells = torch.as_tensor(self.training)[order].to(self.device)
        kl_weight = min(1.0, epoch / max(1, self.settings.warm_up_epochs))
        self.model.train()
        objectives = []
        for index in torch.split(cells, self.settings.batch_size):
            bound = self.model(self.counts.rows(index), noise, kl_weight, self.settings.prune_below)
            (-bound.objective).backward()
            self.adam.step()
            objectives.append(bound.objective.detach())
        self._require_finite(torch.stack(objectives), epoch)
        self.epoch = epoch
        self._evaluate(epoch)

    def _require_finite(self, objectives: Tensor, epoch: int) -> None:
        bad = torch.nonzero(~torch.isfinite(objectives)).flatten().tolist()
        if bad:
            raise InputError(
                f"{self.name}: the bound ceased to be finite in epoch {epoch}, step {bad[0] + 1}; "
                f"try a learning rate below {self.settings.learning_rate:g} or, if it is in the "
                "first epochs, output_bias: means"
            )

    def _evaluate(self, epoch: int) -> None:
        for purpose, name in ((3, "training"), (4, "validation")):
            result = _evaluate(
                self.model,
                self.counts,
                getattr(self, name),
                self.settings.batch_size,
                _stream(self.seed, epoch, purpose),
                self.settings.prune_below,
            )
            means = result.means()
            used = result.components_used()
            self.history.append({"epoch": epoch, "split": name, **means, "components_used": used})
        if not np.isfinite(means["elbo"]):
            raise InputError(
                f"{self.name}: the validation ELBO is not finite after epoch {epoch}; "
                f"try a learning rate below {self.settings.learning_rate:g}"
            )
        if means["elbo"] > self.best_elbo:
            self.best_epoch, self.best_elbo = epoch, means["elbo"]
            self.best = copy.deepcopy(self.model.state_dict())

    def should_stop(self) -> bool:
        """Whether early stopping is due."""
        patience = self.settings.early_stopping
        return patience is not None and self.epoch - self.best_epoch >= patience

    def checkpoint(self, store: CheckpointStore) -> None:
        """Write everything that the next epoch depends on."""
        tensors: dict[str, Tensor] = {}
        parts = {
            "model.": self.model.state_dict(),
            "best.": self.best,
            "adam.": self.adam.state(),
        }
        for prefix, part in parts.items():
            tensors |= {prefix + key: value for key, value in part.items()}
        description = {
            "epoch": self.epoch,
            "history": self.history,
            "best_epoch": self.best_epoch,
            "best_elbo": self.best_elbo,
        }
        store.save(tensors, description)

    def resume(self, store: CheckpointStore) -> None:
        """Go on from the last checkpoint of the same training, if there is one."""
        stored = store.load()
        if stored is None:
            return
        self.model.load_state_dict(select(stored.tensors, "model."))
        self.adam.load_state(select(stored.tensors, "adam."))
        self.best = select(stored.tensors, "best.")
        self.epoch = stored.description["epoch"]
        self.history = stored.description["history"]
        self.best_epoch = stored.description["best_epoch"]
        self.best_elbo = stored.description["best_elbo"]
        say(f"{self.name}: goes on after epoch {self.epoch}")

    def finish(self) -> Trained:
        """The result, with the weights that the settings ask for."""
        kept = self.epoch
        if self.settings.keep == "best-validation":
            self.model.load_state_dict(self.best)
            kept = self.best_epoch
        self.model.eval()
        trained = Trained(
            self.model, self.genes, self.settings, self.seed, self.history, kept, self.epoch
        )
        used = self.history[-1]["components_used"]
        if self.model.shape.components > 1 and used == 1:
            say(
                f"{self.name}: WARNING, the mixture has collapsed: at the end one of its "
                f"{self.model.shape.components} components holds nearly all validation cells"
            )
        return trained


def save_arguments(trained: Trained) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and description of a trained model, to be stored and given to `restore`."""
    tensors = {f"model.{key}": value for key, value in trained.model.state_dict().items()}
    tensors["genes.modelled"] = torch.as_tensor(trained.genes.modelled)
    tensors["genes.mean"] = torch.as_tensor(trained.genes.mean)
    description = {
        "architecture": asdict(trained.model.shape),
        "settings": trained.settings.model_dump(),
        "seed": trained.seed,
        "best_epoch": trained.best_epoch,
        "epochs_trained": trained.epochs_trained,
    }
    return tensors, description


def restore(tensors: dict[str, Tensor], description: dict[str, Any]) -> Trained:
    """Make a trained model from what `save_arguments` gave; its history is not kept."""
    settings = VaeSettings.model_validate(description["settings"])
    model = GMVAE(Architecture(**description["architecture"]), torch.Generator())
    model.load_state_dict(select(tensors, "model."))
    model.to(_device(settings.device)).eval()
    genes = GeneModel(tensors["genes.modelled"].numpy(), tensors["genes.mean"].numpy())
    return Trained(
        model,
        genes,
        settings,
        description["seed"],
        best_epoch=description["best_epoch"],
        epochs_trained=description["epochs_trained"],
    )


def _count_matrix(
    matrix: sp.csr_matrix,
    genes: GeneModel,
    settings: VaeSettings,
    device: torch.device,
    dtype: torch.dtype,
) -> CountMatrix:
    likelihood = LIKELIHOODS[settings.likelihood]()
    constant = genes.constant(sp.csr_matrix(matrix), likelihood)
    return CountMatrix(matrix[:, genes.modelled], constant, device, dtype)


@torch.no_grad()
def _evaluate(
    model: GMVAE,
    counts: CountMatrix,
    index: np.ndarray,
    batch_size: int,
    generator: torch.Generator,
    threshold: float,
) -> Evaluation:
    model.eval()
    bounds = [
        model(counts.rows(rows), generator, threshold=threshold)
        for rows in torch.split(torch.as_tensor(index, device=counts.device), batch_size)
    ]

    def gather(name: str, dtype: type) -> np.ndarray:
        return torch.cat([getattr(bound, name) for bound in bounds]).cpu().numpy().astype(dtype)

    return Evaluation(
        enre=gather("enre", np.float64),
        kl_z=gather("kl_z", np.float64),
        kl_y=gather("kl_y", np.float64),
        q_y=gather("q_y", np.float32),
        latent=gather("latent", np.float32),
    )


def _device(wanted: str) -> torch.device:
    if wanted == "auto":
        wanted = "cuda" if torch.cuda.is_available() else "cpu"
    if wanted == "cuda" and not torch.cuda.is_available():
        raise InputError("vae.device: expected a CUDA device, found none; use auto or cpu")
    return torch.device(wanted)


def _stream(seed: int, epoch: int, purpose: int) -> torch.Generator:
    """A random stream of its own for each seed, epoch and purpose: what makes resuming exact."""
    state = np.random.SeedSequence([seed, epoch, purpose]).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(state >> np.uint64(1)))
