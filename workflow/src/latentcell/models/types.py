r"""Cell types on top of a VAE: the model M1+M2 (Kingma et al. 2014), without labels first.

M1 is a VAE with the latent :math:`z_1`, learnt from counts alone. M2 models :math:`z_1` with the
type y and a further latent :math:`z_2` that holds what the type leaves open, as in scANVI (Xu et
al. 2021): :math:`p(y)`, :math:`p(z_2) = N(0, 1)`, :math:`p(z_1|z_2, y)`; :math:`q(y|z_1)`, which is
linear, and :math:`q(z_2|z_1, y)`. With a draw of :math:`z_1` from M1, the bound of a cell is

.. math:: \sum_y q(y|z_1) \left[\log p(z_1|z_2, y) - \mathrm{KL}(q(z_2|z_1, y) \| p(z_2))\right]
          - \mathrm{KL}(q(y|z_1) \| p(y)),

and of a cell whose type is known the terms of this type, with :math:`\log p(y)`. The weights of M1
stay as they are.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import log_softmax, one_hot, relu

from latentcell.models.gmvae import NormalHead
from latentcell.models.labels import UNKNOWN, Labels
from latentcell.models.networks import Dense, glorot
from latentcell.models.normal import DiagonalNormal, LatentNormal
from latentcell.models.optimiser import Adam
from latentcell.models.regression import type_weights

# Ridge penalties of the linear classifier at the start, those of the classifier `logistic`.
PENALTIES = (0.001, 0.01, 0.1, 1.0, 10.0)
_LEARNING_RATE = 1e-2


class GivenType(nn.Module):
    """A normal distribution given a latent and the type: [z, onehot(y)] -> H -> normal."""

    def __init__(
        self, latent_dim: int, hidden_units: int, types: int, stream: torch.Generator
    ) -> None:
        super().__init__()
        self.first = Dense(latent_dim, hidden_units, stream)
        self.shift = glorot(types, hidden_units, stream)
        self.head = NormalHead(hidden_units, latent_dim, "diagonal", stream)

    def forward(self, z: Tensor) -> DiagonalNormal:
        """Distributions (B, K, Z) for latents (B, 1 or K, Z)."""
        normal: DiagonalNormal = self.head(relu(self.first(z) + self.shift))
        return normal


class TypeBound(NamedTuple):
    """Terms for each cell, nats: `elbo` is given_type - kl_y, without constants."""

    elbo: Tensor
    given_type: Tensor
    kl_y: Tensor


class TypeModel(nn.Module):
    """M2: types y, and the latent z2, as the origin of the latent z1 of a VAE.

    Parameters
    ----------
    latent_dim : int
        Dimensions Z of z1, and of z2.
    hidden_units : int
        Units H of the networks of q(z2 given z1, y) and p(z1 given z2, y).
    prior : Tensor of shape (K,)
        p(y).
    stream : torch.Generator
        Draws the initial weights.
    """

    log_prior: Tensor

    def __init__(
        self, latent_dim: int, hidden_units: int, prior: Tensor, stream: torch.Generator
    ) -> None:
        super().__init__()
        types = len(prior)
        self.q_y = Dense(latent_dim, types, stream)
        self.q_z2 = GivenType(latent_dim, hidden_units, types, stream)
        self.p_z1 = GivenType(latent_dim, hidden_units, types, stream)
        self.register_buffer("log_prior", torch.log(prior))

    def log_types(self, z1: Tensor) -> Tensor:
        """Log q(y given z1), shape (B, K)."""
        return log_softmax(self.q_y(z1), -1)

    def given_types(self, z1: Tensor, stream: torch.Generator) -> Tensor:
        """Bound on log p(z1 given y) by one draw of z2 for each type, shape (B, K)."""
        q_z2 = self.q_z2(z1[:, None])
        z2 = q_z2.sample(1, stream)[:, 0]
        standard = DiagonalNormal(torch.zeros_like(q_z2.mean), torch.ones_like(q_z2.scale))
        return self.p_z1(z2).log_density(z1[:, None]) - q_z2.kl(standard)  # type: ignore[no-any-return]

    def forward(self, z1: Tensor, labels: Tensor, stream: torch.Generator) -> TypeBound:
        """Bound of cells.

        Parameters
        ----------
        z1 : Tensor of shape (B, Z)
        labels : Tensor of int64, shape (B,)
            Known type of each cell, `UNKNOWN` of the others.
        stream : torch.Generator
            Draws z2.
        """
        log_q_y, known = self.log_types(z1), labels != UNKNOWN
        label = torch.where(known, labels, 0)
        certain = one_hot(label, len(self.log_prior)).to(z1.dtype)
        weight = torch.where(known[:, None], certain, log_q_y.exp())
        divergence = (log_q_y.exp() * (log_q_y - self.log_prior)).sum(-1)
        kl_y = torch.where(known, -self.log_prior[label], divergence)
        given_type = (weight * self.given_types(z1, stream)).sum(-1)
        return TypeBound(given_type - kl_y, given_type, kl_y)

    @torch.no_grad()
    def probabilities(self, z1: NDArray[np.float32]) -> NDArray[np.float32]:
        """q(y given z1), shape (n, K)."""
        weight = self.q_y.weight
        values = torch.as_tensor(z1, dtype=weight.dtype, device=weight.device)
        return self.log_types(values).exp().cpu().numpy().astype(np.float32)


@dataclass(frozen=True)
class TypeTraining:
    """Settings of the training of M2.

    Attributes
    ----------
    epochs, batch_size : int
    labels_per_type : int
        Labelled cells of each type in an epoch, at most.
    label_weight : float
        Weight of the mean log q(y given z1) of labelled cells beside the mean bound of all.
    hidden_units : int
    """

    epochs: int
    batch_size: int
    labels_per_type: int
    label_weight: float
    hidden_units: int


@dataclass
class TypeFit:
    """A fitted M2.

    Attributes
    ----------
    model : TypeModel
        With the weights of the chosen epoch.
    epoch : int
        Chosen epoch; 0 is the linear classifier alone.
    history : list of dict
        ``epoch``, and ``accuracy`` and ``log_loss`` of the labelled validation cells.
    """

    model: TypeModel
    epoch: int = 0
    history: list[dict[str, float]] = field(default_factory=list)


def fit_types(
    z1: LatentNormal,
    training: NDArray[np.int64],
    labels: Labels,
    prior: NDArray[np.float64],
    how: TypeTraining,
    stream: torch.Generator,
) -> TypeFit:
    """Fit M2 to the latents of a VAE.

    The linear classifier starts as logistic regression on the labelled cells, with the ridge
    penalty that is best on the labelled validation cells, and keeps this penalty. The epoch is
    chosen by the log loss of the same validation cells, which tells more than their accuracy where
    they are few, among the epochs that are as accurate on them as the start: under a strong penalty
    all log losses are close to that of equal probabilities. Without such cells it is the last.

    Parameters
    ----------
    z1 : DiagonalNormal or FullNormal
        q(z1 given x) of n cells.
    training : ndarray of int64
        Row numbers of the training cells.
    labels : Labels
    prior : ndarray, shape (K,)
        p(y).
    how : TypeTraining
    stream : torch.Generator
        Draws initial weights, minibatches and latents.
    """
    shape = (z1.mean.shape[1], how.hidden_units)
    model = TypeModel(*shape, torch.as_tensor(prior, dtype=z1.mean.dtype), stream)
    ridge = _start(model, z1.mean, labels)
    fit, best, least = TypeFit(model), np.inf, 0.0
    state: dict[str, Tensor] = {}
    adam = Adam(model.parameters(), _LEARNING_RATE, maximise=True)
    shown = torch.as_tensor(labels.shown)
    for epoch in range(how.epochs + 1):
        if epoch:
            steps = torch.as_tensor(training)[torch.randperm(len(training), generator=stream)]
            batches = torch.split(steps, how.batch_size)
            own = labelled_batches(labels, how, len(batches), stream)
            for rows, chosen in zip(batches, own, strict=True):
                part = type(z1)(*(values[rows] for values in z1))
                bound = model(part.sample(1, stream)[:, 0], shown[rows], stream)
                right = model.log_types(z1.mean[chosen]).gather(1, shown[chosen][:, None]).mean()
                penalty = 0.5 * ridge * model.q_y.weight.square().sum()
                (bound.elbo.mean() + how.label_weight * (right - penalty)).backward()
                adam.step()
        row = _judge(model, z1.mean, labels)
        fit.history.append({"epoch": epoch, **row})
        least = row["accuracy"] if epoch == 0 else least
        better = row["log_loss"] < best and row["accuracy"] >= least
        if better or not len(labels.choosing):
            fit.epoch, best = epoch, row["log_loss"]
            state = {name: value.clone() for name, value in model.state_dict().items()}
    model.load_state_dict(state)
    return fit


def labelled_batches(
    labels: Labels, how: TypeTraining, steps: int, stream: torch.Generator
) -> list[Tensor]:
    """Draw minibatches of labelled cells for an epoch, at most so many cells of each type.

    The drawn cells are dealt to the steps in turn, again and again.
    """
    cells, types = torch.as_tensor(labels.cells), torch.as_tensor(labels.shown[labels.cells])
    order = torch.randperm(len(cells), generator=stream)
    cells, types = cells[order], types[order]
    rank = (one_hot(types).cumsum(0).gather(1, types[:, None]) - 1)[:, 0]
    drawn = cells[rank < how.labels_per_type]
    size = min(how.batch_size, len(drawn))
    places = torch.arange(steps * size) % len(drawn)
    return list(torch.split(drawn[places], size))


def _start(model: TypeModel, mean: Tensor, labels: Labels) -> float:
    """Set q(y given z1) to logistic regression; returns the ridge penalty of a mean over cells."""
    from sklearn.linear_model import LogisticRegression

    features, cells, choosing = mean.numpy(), labels.cells, labels.choosing
    best, found = -1.0, None
    for strength in PENALTIES:
        fitted = LogisticRegression(C=strength, max_iter=2000)
        fitted.fit(features[cells], labels.shown[cells])
        right = (
            fitted.predict(features[choosing]) == labels.judged[choosing] if len(choosing) else 0
        )
        accuracy = float(np.mean(right))
        if accuracy > best:
            best, found = accuracy, fitted
    assert found is not None
    weight, bias = type_weights(found)
    with torch.no_grad():
        model.q_y.weight[:, found.classes_] = torch.as_tensor(weight.T, dtype=mean.dtype)
        model.q_y.bias[found.classes_] = torch.as_tensor(bias, dtype=mean.dtype)
    return float(1.0 / (found.C * len(cells)))


@torch.no_grad()
def _judge(model: TypeModel, mean: Tensor, labels: Labels) -> dict[str, float]:
    """Accuracy and log loss of the labelled validation cells; NaN without any."""
    cells = labels.choosing
    if not len(cells):
        return {"accuracy": float("nan"), "log_loss": float("nan")}
    log_q_y, true = model.log_types(mean[cells]), torch.as_tensor(labels.judged[cells])
    accuracy = (log_q_y.argmax(1) == true).double().mean()
    loss = -log_q_y.gather(1, true[:, None]).double().mean()
    return {"accuracy": float(accuracy), "log_loss": float(loss)}
