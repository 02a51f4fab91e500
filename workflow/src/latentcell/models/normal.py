"""Normal distributions of the latent with diagonal and with full covariance."""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.linalg import solve_triangular


def _noise(mean: Tensor, samples: int, generator: torch.Generator) -> Tensor:
    """Standard normal noise (B, samples, ..., Z) for means (B, ..., Z), on their device."""
    shape = (len(mean), samples, *mean.shape[1:])
    return torch.randn(shape, generator=generator, device=generator.device, dtype=mean.dtype)


class DiagonalNormal(NamedTuple):
    """Normal distribution with independent dimensions; `scale` is the standard deviation."""

    mean: Tensor
    scale: Tensor

    def sample(self, samples: int, generator: torch.Generator) -> Tensor:
        """Reparameterised samples (B, samples, ..., Z) of distributions (B, ..., Z)."""
        noise = _noise(self.mean, samples, generator)
        return self.mean[:, None] + self.scale[:, None] * noise

    def log_density(self, z: Tensor) -> Tensor:
        """Log-density at z (..., Z), without its constant -Z/2 log 2 pi, shape (...)."""
        standardised = (z - self.mean) / self.scale
        return -(0.5 * standardised.square() + torch.log(self.scale)).sum(-1)

    def kl(self, prior: "DiagonalNormal") -> Tensor:
        """Divergence KL(this || prior) in closed form, nats, shape (...).

        Kingma and Welling (2014), appendix B, for any prior.
        """
        ratio = self.scale / prior.scale
        distance = (self.mean - prior.mean) / prior.scale
        return (0.5 * (ratio.square() + distance.square() - 1.0) - torch.log(ratio)).sum(-1)


class FullNormal(NamedTuple):
    """Normal distribution with covariance L L^T; `root` is L, lower triangular, (..., Z, Z)."""

    mean: Tensor
    root: Tensor

    def sample(self, samples: int, generator: torch.Generator) -> Tensor:
        """See `DiagonalNormal.sample`."""
        noise = _noise(self.mean, samples, generator)
        return self.mean[:, None] + (self.root[:, None] @ noise[..., None])[..., 0]

    def log_density(self, z: Tensor) -> Tensor:
        """See `DiagonalNormal.log_density`."""
        standardised = solve_triangular(self.root, (z - self.mean)[..., None], upper=False)
        squares: Tensor = standardised[..., 0].square().sum(-1)
        return -0.5 * squares - _half_log_determinant(self.root)

    def kl(self, prior: "FullNormal") -> Tensor:
        """See `DiagonalNormal.kl`."""
        root = solve_triangular(prior.root, self.root, upper=False)
        distance = solve_triangular(prior.root, (self.mean - prior.mean)[..., None], upper=False)[
            ..., 0
        ]
        trace: Tensor = root.square().sum((-2, -1))
        halves: Tensor = trace + distance.square().sum(-1) - self.mean.shape[-1]
        determinants = _half_log_determinant(prior.root) - _half_log_determinant(self.root)
        result: Tensor = 0.5 * halves + determinants
        return result


class Point(NamedTuple):
    """A latent without a distribution: all samples are `mean`, and KL terms are 0."""

    mean: Tensor

    def sample(self, samples: int, generator: torch.Generator) -> Tensor:
        """See `DiagonalNormal.sample`; nothing is drawn."""
        shape = (len(self.mean), samples, *self.mean.shape[1:])
        return self.mean[:, None].expand(shape)

    def log_density(self, z: Tensor) -> Tensor:
        """Zeros in place of a log-density at z (..., Z), shape (...)."""
        return z.new_zeros(z.shape[:-1])

    def kl(self, prior: "Point") -> Tensor:
        """Zeros in place of a divergence, shape (...)."""
        return self.log_density(self.mean)


# A distribution over the last axis, Z.
LatentNormal = DiagonalNormal | FullNormal | Point


def _half_log_determinant(root: Tensor) -> Tensor:
    return torch.log(torch.diagonal(root, dim1=-2, dim2=-1)).sum(-1)


def lower_triangle(values: Tensor, size: int) -> Tensor:
    """Lower triangular matrices (..., Z, Z) from their entries (..., Z (Z + 1) / 2), row by row."""
    rows, columns = torch.tril_indices(size, size, device=values.device)
    matrix = values.new_zeros(*values.shape[:-1], size, size)
    matrix[..., rows, columns] = values
    return matrix
