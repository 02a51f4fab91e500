"""Training of a generative model: a loop over epochs that resumes exactly after it is killed."""

import math
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

from latentcell.config.names import ModelName
from latentcell.config.settings import VaeSettings
from latentcell.models.checkpoint import CheckpointStore, select
from latentcell.models.counts import CountMatrix
from latentcell.models.evaluation import evaluate
from latentcell.models.gmvae import GMVAE, Architecture, DropoutRates
from latentcell.models.graphs import EvaluationSteps, TrainingSteps, usable
from latentcell.models.inputs import Inputs
from latentcell.models.labels import Labels
from latentcell.models.normal import LatentNormal
from latentcell.models.optimiser import Adam
from latentcell.models.products import bfloat16_usable
from latentcell.models.threads import ahead, shared_threads
from latentcell.models.trained import Trained, device_of, mapped_folder, objective_of, random_stream
from latentcell.models.types import TypeTraining, fit_types
from latentcell.runtime.errors import InputError
from latentcell.runtime.progress import Progress, say

# Last learning rate of a schedule as a share of the first.
LAST_RATE = 0.01
# Random streams of the evaluation of a split.
_STREAMS = {"training": 3, "validation": 4}


def train(
    matrix: sp.csr_matrix,
    split: np.ndarray,
    name: ModelName,
    components: int,
    settings: VaeSettings,
    seed: int,
    store: CheckpointStore | None = None,
    *,
    batch: np.ndarray | None = None,
    cell_types: np.ndarray | None = None,
    genes: np.ndarray | None = None,
    folder: Path | None = None,
    graphs: bool = False,
) -> Trained:
    """Train one model.

    On a CUDA device, PyTorch keeps the `precision` of the settings for all matrix products of the
    process, also those after the training. On the CPU, bfloat16 is that of the training steps
    alone.

    Parameters
    ----------
    matrix : CSR matrix of shape (n, G)
        Counts of all cells of the subset; also AnnData's CSRDataset, which reads from its file.
    split : ndarray of str, shape (n,)
        "training", "validation" or "test"; test cells are not used.
    name : ModelName
        Kind, latent dimension and hidden units.
    components : int
        Mixture components K; a VAE or autoencoder always has one.
    settings : VaeSettings
    seed : int
        Seed of initialisation, shuffling and sampling, in place of that of the settings.
    store : CheckpointStore, optional
        Checkpoint from which a killed training resumes.
    batch : ndarray of str, shape (n,), optional
        Batch of each cell, for batch correction.
    cell_types : ndarray, shape (n,), optional
        Type of each cell. Training cells give an inferred p(y); with `labelled_share` only that
        share of them has known types, which guide q(y given x). The types of validation cells
        measure accuracy, those of test cells are not used. "" is a cell without a type, not for
        models with `labelled_share`.
    genes : ndarray of bool, shape (G,), optional
        Genes that may have weights; each other gene has one fixed distribution.
    folder : Path, optional
        Holds the counts of many cells meanwhile, out of memory (`latentcell.models.packed`).
    graphs : bool
        Whether a CUDA device replays the steps as graphs (`latentcell.models.graphs`). Written
        without a GPU and not yet run on one.

    Returns
    -------
    Trained
        With the weights of the best or the last epoch, by the settings.

    Raises
    ------
    InputError
        If a value ceases to be finite; names the epoch, the step and a remedy. Also if the GPU
        has too little memory, or the device does not have the precision of the settings.
    """
    loop = TrainingLoop(
        *(matrix, split, name, components, settings, seed, batch, cell_types, genes),
        folder=folder,
        graphs=graphs,
    )
    trained = _run(loop, store, str(name))
    if name.kind == "semi-vae":
        return learn_types(trained, matrix, split, cell_types, batch)
    return trained


def train_members(
    matrix: sp.csr_matrix,
    split: np.ndarray,
    name: ModelName,
    components: int,
    settings: VaeSettings,
    seeds: Sequence[int],
    stores: Sequence[CheckpointStore] | None = None,
    *,
    batch: np.ndarray | None = None,
    cell_types: np.ndarray | None = None,
    genes: np.ndarray | None = None,
) -> list[Trained]:
    """Train the models of an ensemble, one for each seed, on the same cells.

    Their inputs are prepared once. The weights are those of `train` with the same seed.

    Parameters
    ----------
    matrix, split, name, components, settings, batch, cell_types, genes
        See `train`.
    seeds : sequence of int
        Seed of each model.
    stores : sequence of CheckpointStore, optional
        Checkpoint of each model. That of a finished model stays, so that a killed job goes on with
        the next.

    Returns
    -------
    list of Trained
    """
    first: TrainingLoop | None = None
    members = []
    places: Sequence[CheckpointStore | None] = stores or [None] * len(seeds)
    for number, (seed, store) in enumerate(zip(seeds, places, strict=True), 1):
        loop = TrainingLoop(
            *(matrix, split, name, components, settings, seed, batch, cell_types, genes),
            like=first,
        )
        first = first or loop
        members.append(_run(loop, store, f"{name}, model {number} of {len(seeds)},"))
        if store is not None:
            loop.checkpoint(store)
    return members


def _run(loop: "TrainingLoop", store: CheckpointStore | None, title: str) -> Trained:
    """Train until the last epoch or early stopping, from the last checkpoint on."""
    try:
        with shared_threads(loop.device):
            return _run_epochs(loop, store, title)
    except torch.OutOfMemoryError as error:
        size = loop.settings.batch_size
        raise InputError(
            f"{loop.name}: expected room on the GPU for steps of {size} cells, found too little "
            f"memory: try fewer models at a time, vae.batch_size below {size} or vae.device: cpu"
        ) from error


def _run_epochs(loop: "TrainingLoop", store: CheckpointStore | None, title: str) -> Trained:
    settings = loop.settings
    if store is not None:
        loop.resume(store)
    if loop.adam.eager:
        loop.model.update_by(loop.adam)
    progress = Progress(f"{title} on {len(loop.training):,} cells", settings.epochs)
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


def learn_types(
    trained: Trained,
    matrix: sp.csr_matrix,
    split: np.ndarray,
    cell_types: np.ndarray | None,
    batch: np.ndarray | None = None,
) -> Trained:
    """Learn types on top of a trained VAE; see `latentcell.models.types`.

    Parameters
    ----------
    trained : Trained
        VAE of the same cells, with `labelled_share` among its settings.
    matrix, split, cell_types, batch
        See `train`; the types of training and validation cells with labels are used.

    Returns
    -------
    Trained
        The same VAE, with types.

    Raises
    ------
    InputError
        If fewer than two types have a labelled cell.
    """
    settings, seed, kinds = trained.settings, trained.seed, 0
    if not settings.labelled_share:
        raise InputError("vae.labelled_share: expected a share above 0 for a semi-vae, found 0")
    if cell_types is not None:
        kinds = len(np.unique(cell_types[cell_types != ""]))
    labels = Labels.choose(cell_types, split, kinds, settings.labelled_share, seed)
    if (shown := len(np.unique(labels.shown[labels.cells]))) < 2:
        raise InputError(
            "vae.labelled_share: expected training cells of at least two types for a semi-vae, "
            f"found {shown}"
        )
    prior = np.full(kinds, 1.0 / kinds)
    if settings.cluster_prior == "inferred":
        prior = _shares(cell_types, labels.cells, kinds).numpy()
    how = TypeTraining(
        settings.type_epochs,
        settings.batch_size,
        settings.labels_per_type,
        settings.label_weight,
        trained.model.shape.hidden_units,
    )
    z1 = _posterior(trained.model, trained.counts(matrix, batch), settings.batch_size)
    training = np.flatnonzero(split == "training")
    fit = fit_types(z1, training, labels, prior, how, random_stream(seed, 0, 11))
    return replace(trained, type_fit=fit, types=labels.types, labelled=labels.cells)


@torch.no_grad()
def _posterior(model: GMVAE, counts: CountMatrix, batch_size: int) -> LatentNormal:
    """q(z given x) of all n cells of a VAE, on the host."""
    rows = torch.split(torch.arange(counts.shape[0]), batch_size)
    parts = [model.q_z(counts.rows(index)) for index in rows]
    joined = (
        torch.cat([part[:, 0] for part in column]).cpu() for column in zip(*parts, strict=True)
    )
    found: LatentNormal = type(parts[0])(*joined)
    return found


def _require_precision(precision: str, device: torch.device) -> None:
    """Refuse bfloat16 where it is not faster, or not there."""
    if precision != "bfloat16":
        return
    if device.type != "cpu":
        raise InputError(
            "vae.precision: bfloat16 is for the CPU, found a CUDA device: take tf32 or float32"
        )
    if not bfloat16_usable():
        raise InputError(
            "vae.precision: bfloat16 needs a processor with AMX or AVX512-BF16, found none: take "
            "float32"
        )


class TrainingLoop:
    """State of a training, which alone determines the next epoch."""

    def __init__(
        self,
        matrix: sp.csr_matrix,
        split: np.ndarray,
        name: ModelName,
        components: int,
        settings: VaeSettings,
        seed: int,
        batch: np.ndarray | None = None,
        cell_types: np.ndarray | None = None,
        genes: np.ndarray | None = None,
        *,
        like: "TrainingLoop | None" = None,
        folder: Path | None = None,
        graphs: bool = False,
    ) -> None:
        self.settings, self.seed, self.name = settings, seed, name
        self.device = device_of(settings)
        _require_precision(settings.precision, self.device)
        self.training = np.flatnonzero(split == "training")
        self.validation = np.flatnonzero(split == "validation")
        training_batch = None if batch is None else batch[self.training]
        # Models of the same cells and settings share inputs and counts.
        self.inputs: Inputs = (
            like.inputs
            if like is not None
            else Inputs.learn(matrix, settings, training_batch, genes, self.training)
        )
        shape = _architecture(name, components, settings, self.inputs)
        self.labels: Labels | None = None
        if settings.labelled_share and shape.kind == "gmvae":
            share = settings.labelled_share
            self.labels = Labels.choose(cell_types, split, components, share, seed)
        probabilities = None
        if shape.cluster_prior == "inferred" and shape.kind == "gmvae":
            shown = self.training if self.labels is None else self.labels.cells
            probabilities = _shares(cell_types, shown, components)
        self.model = self._new_model(shape, probabilities).to(self.device)
        likelihood, mapped = self.model.decoder.likelihood, mapped_folder(matrix, folder)
        self.counts: CountMatrix = (
            like.counts
            if like is not None
            else self.inputs.counts(matrix, batch, likelihood, self.device, torch.float32, mapped)
        )
        # Saves the memory of wide models' gradients; on a GPU one kernel for all is faster.
        eager = self.device.type == "cpu"
        parameters, rate = self.model.parameters(), settings.learning_rate
        self.adam = Adam(parameters, rate, maximise=True, eager=eager)
        samples = settings.monte_carlo_samples * settings.importance_samples
        self.fixed: dict[str, TrainingSteps | EvaluationSteps] = {}
        if graphs and usable(self.counts, self.model, settings.batch_size, samples):
            self.fixed = self._fixed_steps()
        self.epoch = 0
        self.history: list[dict[str, Any]] = []
        self.seconds: list[float] = []
        self.best_epoch, self.best_elbo = 0, -np.inf
        self.best: dict[str, Tensor] = {}

    def _new_model(self, shape: Architecture, probabilities: Tensor | None) -> GMVAE:
        model = GMVAE(shape, random_stream(self.seed, 0, 0), probabilities)
        if self.settings.output_bias == "means":
            mean = self.inputs.genes.mean[self.inputs.genes.modelled]
            model.set_output_bias(torch.as_tensor(mean, dtype=torch.float32))
        return model

    def _fixed_steps(self) -> dict[str, TrainingSteps | EvaluationSteps]:
        """Steps of fixed shapes: those of training, and of the evaluations by split."""
        size, shown = self.settings.batch_size, None if self.labels is None else self.labels.shown
        names = ("training", "validation") if self.settings.training_elbo_every else ("validation",)
        steps: dict[str, TrainingSteps | EvaluationSteps] = {
            name: EvaluationSteps(self.model, self.counts, getattr(self, name), size)
            for name in names
        }
        steps[""] = TrainingSteps(self.model, self.counts, self.adam, self.training, size, shown)
        return steps

    def run_epoch(self, epoch: int) -> None:
        """Train on every training cell once, then evaluate."""
        start = time.perf_counter()
        objectives = self._train_epoch(epoch)
        self._require_finite(objectives, epoch)  # Waits for the device, too.
        self.seconds.append(time.perf_counter() - start)
        self.epoch = epoch
        self._evaluate(epoch)

    def _train_epoch(self, epoch: int) -> Tensor:
        """Take a step for each minibatch; returns the objectives."""
        settings = self.settings
        noise = random_stream(self.seed, epoch, 1, self.device)
        order = torch.randperm(len(self.training), generator=random_stream(self.seed, epoch, 2))
        cells = torch.as_tensor(self.training)[order]
        # As in scVAE, the first epoch has weight 0.
        warm_up = (
            min(1.0, (epoch - 1) / settings.warm_up_epochs) if settings.warm_up_epochs else 1.0
        )
        how = objective_of(
            settings,
            threshold=settings.prune_below,
            kl_weight=settings.kl_weight * warm_up,
            free_nats=settings.free_nats * math.log(self.model.shape.components),
            label_weight=self._label_weight(),
        )
        shown = None if self.labels is None else torch.as_tensor(self.labels.shown)
        self.adam.learning_rate = settings.learning_rate * _schedule(settings, epoch)
        self.model.train()
        fixed = self.fixed.get("")
        if isinstance(fixed, TrainingSteps):
            return fixed.run(cells, noise.initial_seed(), how)
        objectives = []
        batches = torch.split(cells, settings.batch_size)
        gathered = ahead(self.counts.training_rows, batches)
        for index, minibatch in zip(batches, gathered, strict=True):
            known = None if shown is None else shown[index].to(self.device, non_blocking=True)
            bound = self.model(minibatch, noise, how, known)
            bound.objective.backward()
            self.adam.step()
            objectives.append(bound.objective.detach())
        return torch.stack(objectives)

    def _label_weight(self) -> float:
        """Weight of a labelled cell's log q(y given x); the sum over all is fixed."""
        if self.labels is None:
            return 0.0
        return self.settings.label_weight * len(self.training) / len(self.labels.cells)

    def _require_finite(self, objectives: Tensor, epoch: int) -> None:
        bad = torch.nonzero(~torch.isfinite(objectives)).flatten().tolist()
        if bad:
            raise InputError(
                f"{self.name}: the bound ceased to be finite in epoch {epoch}, step {bad[0] + 1}; "
                f"try a learning rate below {self.settings.learning_rate:g} or, if it is in the "
                "first epochs, output_bias: means"
            )

    def _evaluate(self, epoch: int) -> None:
        """Extend the history, and keep the weights of the best epoch."""
        validation = self._means(epoch, "validation")
        elbo = validation["elbo"]
        if not np.isfinite(elbo):
            raise InputError(
                f"{self.name}: the validation ELBO is not finite after epoch {epoch}; "
                f"try a learning rate below {self.settings.learning_rate:g}"
            )
        if elbo > self.best_elbo:
            self.best_epoch, self.best_elbo = epoch, elbo
            if self.settings.keep == "best-validation":
                self._keep_as_best()
        if _is_on_training_curve(epoch, self.settings):
            self.history.append(self._means(epoch, "training"))
        self.history.append(validation)

    def _means(self, epoch: int, name: str) -> dict[str, Any]:
        """Row of the history for a split."""
        how = objective_of(self.settings, threshold=self.settings.prune_below)
        noise = random_stream(self.seed, epoch, _STREAMS[name], self.device)
        cells, fixed = getattr(self, name), self.fixed.get(name)
        if isinstance(fixed, EvaluationSteps):
            self.model.eval()
            result = fixed.run(noise.initial_seed(), how)
        else:
            size = self.settings.batch_size
            result = evaluate(self.model, self.counts, cells, size, noise, how)
        row: dict[str, Any] = {"epoch": epoch, "split": name, **result.means()}
        row["components_used"] = result.components_used()
        if self.labels is not None:
            row["accuracy"] = self.labels.accuracy(result.clusters, cells)
        return row

    def _keep_as_best(self) -> None:
        """Copy the weights into the memory of the last copy."""
        state = self.model.state_dict()
        if not self.best:
            self.best = {name: torch.empty_like(value) for name, value in state.items()}
        for name, value in state.items():
            self.best[name].copy_(value)

    def should_stop(self) -> bool:
        """Whether early stopping is due."""
        patience = self.settings.early_stopping
        return patience is not None and self.epoch - self.best_epoch >= patience

    def checkpoint(self, store: CheckpointStore) -> None:
        """Write the state of the training."""
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
        """Restore the last checkpoint of the same training, if there is one."""
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
        """Trained model with the weights of the epoch that the settings choose."""
        kept = self.epoch
        if self.settings.keep == "best-validation":
            self.model.load_state_dict(self.best)
            kept = self.best_epoch
        self.model.eval()
        self.model.update_by(None)
        used = self.history[-1]["components_used"]
        if self.model.shape.components > 1 and used == 1:
            say(
                f"{self.name}: WARNING, the mixture has collapsed: at the end one of its "
                f"{self.model.shape.components} components holds nearly all validation cells"
            )
        return Trained(
            self.model,
            self.inputs,
            self.settings,
            self.seed,
            self.history,
            kept,
            self.epoch,
            self.seconds,
            *((self.labels.types, self.labels.cells) if self.labels else ()),
        )


def _architecture(
    name: ModelName, components: int, settings: VaeSettings, inputs: Inputs
) -> Architecture:
    return Architecture(
        kind="vae" if name.kind == "semi-vae" else name.kind,
        genes=int(inputs.genes.modelled.sum()),
        latent_dim=name.latent_dim,
        hidden_units=name.hidden_units,
        hidden_layers=settings.hidden_layers,
        components=components if name.is_mixture else 1,
        genes_left_out=int((~inputs.genes.modelled).sum()),
        likelihood=settings.likelihood,
        k_max=settings.k_max,
        size_factor=settings.size_factor,
        gene_dispersion=settings.dispersion == "gene",
        normalisation=settings.normalisation,
        batch_norm_momentum=settings.batch_norm_momentum,
        covariance="none" if name.kind == "dca" else settings.covariance,
        cluster_prior=settings.cluster_prior,
        covariates=inputs.covariates,
        dropout=DropoutRates(**settings.dropout.model_dump()),
    )


def _is_on_training_curve(epoch: int, settings: VaeSettings) -> bool:
    """Whether the learning curve of the training cells has an epoch: at first each.

    That of early stopping is left out, since other replicates may not have it.
    """
    every = settings.training_elbo_every
    if every is None:
        return False
    return epoch <= every or epoch % every == 0 or epoch == settings.epochs


def _schedule(settings: VaeSettings, epoch: int) -> float:
    """Factor of the learning rate in an epoch; 1 in the first."""
    done = (epoch - 1) / max(1, settings.epochs - 1)
    if settings.schedule == "cosine":
        return LAST_RATE + (1.0 - LAST_RATE) * 0.5 * (1.0 + math.cos(math.pi * done))
    if settings.schedule == "exponential":
        return float(LAST_RATE**done)
    return 1.0


def _shares(cell_types: np.ndarray | None, training: np.ndarray, components: int) -> Tensor:
    """Share of each cell type among the training cells, counting at least one cell of each."""
    if cell_types is None:
        raise InputError("vae.cluster_prior: inferred: expected cell types, found none")
    types = np.unique(cell_types[cell_types != ""])
    if len(types) != components:
        raise InputError(
            f"vae.cluster_prior: inferred: expected {components} cell types, one for each "
            f"component, found {len(types)}"
        )
    numbers = [max(1, int((cell_types[training] == kind).sum())) for kind in types]
    return torch.tensor(numbers, dtype=torch.float32) / sum(numbers)
