"""The model written down plainly: dense outputs, log-gamma everywhere, autograd, a loop over K."""

import math
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid, relu, softplus

from latentcell.models.likelihoods import make_likelihood


def negative_binomial(outputs: Tensor, x: Tensor, size_factor: bool = False) -> Tensor:
    log_r = outputs[0].clamp(-10.0, 10.0)
    logit = outputs[1] - log_r if size_factor else outputs[1]
    r = log_r.exp()
    log_p = logsigmoid(logit).clamp_min(-87.33654475055310898657)
    return (
        torch.lgamma(x + r)
        - torch.lgamma(x + 1)
        - torch.lgamma(r)
        + r * logsigmoid(-logit)
        + x * log_p
    )


def poisson(outputs: Tensor, x: Tensor, size_factor: bool = False) -> Tensor:
    log_rate = outputs[0] if size_factor else outputs[0].clamp(-10.0, 10.0)
    return x * log_rate - log_rate.exp() - torch.lgamma(x + 1)


def bernoulli(outputs: Tensor, x: Tensor) -> Tensor:
    return torch.where(x > 0, logsigmoid(outputs[0]), logsigmoid(-outputs[0]))


def gaussian(outputs: Tensor, x: Tensor) -> Tensor:
    sigma = outputs[1].clamp(-3.0, 3.0).exp()
    return torch.distributions.Normal(outputs[0], sigma).log_prob(x)


def log_normal(outputs: Tensor, x: Tensor) -> Tensor:
    variance = -logsigmoid(-outputs[1]) + math.exp(-6.0)
    normal = torch.distributions.Normal(outputs[0], variance.sqrt())
    return normal.log_prob(torch.log1p(x)) - torch.log1p(x)


def zero_inflated(base: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def log_prob(outputs: Tensor, x: Tensor, **keywords: bool) -> Tensor:
        log_pi, log_rest = logsigmoid(outputs[-1]), logsigmoid(-outputs[-1])
        value = log_rest + base(outputs[:-1], x, **keywords)
        return torch.where(x > 0, value, torch.logaddexp(log_pi, value))

    return log_prob


def piecewise_categorical(base: Callable[..., Tensor], k_max: int) -> Callable[..., Tensor]:
    def log_prob(outputs: Tensor, x: Tensor) -> Tensor:
        classes = torch.log_softmax(outputs[-k_max - 1 :], 0)
        value = classes[k_max] + base(outputs[: -k_max - 1], (x - k_max).clamp_min(0.0))
        for j in range(k_max):
            value = torch.where(x == j, classes[j], value)
        return value

    return log_prob


LOG_PROBS = {
    "poisson": poisson,
    "negative-binomial": negative_binomial,
    "zero-inflated-poisson": zero_inflated(poisson),
    "zero-inflated-negative-binomial": zero_inflated(negative_binomial),
    "constrained-poisson": partial(poisson, size_factor=True),
    "bernoulli": bernoulli,
    "gaussian": gaussian,
    "log-normal": log_normal,
}


def log_prob_of(name: str, k_max: int = 0, size_factor: bool = False) -> Callable[..., Tensor]:
    """Log P(x) of outputs (O, R, G) and x (R, G); size factors' rate output is the log mean."""
    if name not in LOG_PROBS:  # Not written down here: autograd of its own.
        return make_likelihood(name, k_max, size_factor).log_prob
    if k_max:
        return piecewise_categorical(LOG_PROBS[name], k_max)
    if size_factor:
        return partial(LOG_PROBS[name], size_factor=True)
    return LOG_PROBS[name]


def normalise(x: Tensor, norm: torch.nn.Module) -> Tensor:
    if not hasattr(norm, "centre"):
        if isinstance(norm, torch.nn.Identity):
            return x
        mean, variance = x.mean(-1, keepdim=True), x.var(-1, unbiased=False, keepdim=True)
        return (x - mean) / torch.sqrt(variance + norm.eps) * norm.weight + norm.bias
    if not norm.training:
        mean, variance = norm.mean, norm.variance
    else:
        mean, variance = x.mean(0), x.var(0, unbiased=False)
        bessel = len(x) / max(1, len(x) - 1)
        norm.mean = (0.999 * norm.mean + 0.001 * mean).detach()
        norm.variance = (0.999 * norm.variance + 0.001 * variance * bessel).detach()
    return (x - mean) / torch.sqrt(variance + 1e-3) + norm.centre


def hidden(first: Tensor, layers: torch.nn.Module, cluster: Tensor | float = 0.0) -> Tensor:
    if layers.cluster_last:  # What comes in is normalised already, once for all clusters.
        h = relu(first + cluster)
    else:
        h = relu(normalise(first + cluster, layers.norms[0]))
    for dense, norm in zip(layers.dense, layers.norms[1:], strict=True):
        h = relu(normalise(h @ dense.weight + dense.bias, norm))
    return h


def once(first: Tensor, layers: torch.nn.Module) -> Tensor:
    return normalise(first, layers.norms[0]) if layers.cluster_last else first


def normal(mean: Tensor, raw: Tensor | None, covariance: str) -> torch.distributions.Distribution:
    size = mean.shape[-1]
    if covariance != "full":
        scale = torch.ones_like(mean) if raw is None else softplus(raw).sqrt()
        root = torch.diag_embed(scale)
    else:
        root = mean.new_zeros(*mean.shape, size)
        entry = 0
        for row in range(size):
            for column in range(row + 1):
                value = raw[..., entry]
                root[..., row, column] = softplus(value) if row == column else value
                entry += 1
    return torch.distributions.MultivariateNormal(mean, scale_tril=root)


def decode(model: torch.nn.Module, z: Tensor, x: Tensor, covariates: Tensor | None) -> Tensor:
    """Log P(x) of each cell, (B,), for the latents of one cluster and sample or of several."""
    d, shape = model.decoder, model.shape
    z = z if covariates is None else torch.cat([z, covariates], 1)
    h = hidden(once(z @ d.first.weight + d.first.bias, d.hidden), d.hidden)
    fixed = len(d.bias) - len(d.weight)
    outputs = [d.bias[i].expand(len(h), -1) for i in range(fixed)]
    outputs += [h @ w.t() + b for w, b in zip(d.weight, d.bias[fixed:], strict=True)]
    rate = d.likelihood.rate_output
    if rate is not None:
        library = x.sum(1, keepdim=True).clamp_min(1.0)
        outputs[rate] = torch.log(library * torch.softmax(outputs[rate], 1))
    log_prob = log_prob_of(shape.likelihood, shape.k_max, shape.size_factor)
    return log_prob(torch.stack(outputs), x).sum(-1)


def bound(
    model: torch.nn.Module,
    x: Tensor,
    generator: torch.Generator,
    how: object = None,
    covariates: Tensor | None = None,
    labels: list[int | None] | None = None,
) -> dict[str, Tensor]:
    """Terms of the bound for a dense batch (B, G), each a mean over the cells.

    Of a cell with a label they are those of the label's component, and `label` is the mean over all
    cells of log q(y given x) of those with a label.
    """
    shape = model.shape
    outer = how.monte_carlo if how else 1
    inner = how.importance if how else 1
    if shape.kind == "gmvae":
        q = model.q_y
        h = hidden(once(x @ q.first.weight + q.first.bias, q.hidden), q.hidden)
        log_q = torch.log_softmax(h @ q.logits.weight + q.logits.bias, -1)
    else:
        log_q = torch.zeros(len(x), 1, dtype=x.dtype)
    share, log_prior = log_q.exp(), torch.log_softmax(model.p_y.logits, 0)
    kl_y = (share * (log_q - log_prior)).sum(-1)
    right = torch.zeros((), dtype=x.dtype)
    for cell, label in enumerate(labels or []):
        if label is not None:
            share = torch.cat([share[:cell], torch.zeros_like(share[:1]), share[cell + 1 :]])
            share[cell, label] = 1.0
            kl_y = torch.cat([kl_y[:cell], -log_prior[label : label + 1], kl_y[cell + 1 :]])
            right = right + log_q[cell, label]
    noise = torch.randn(
        len(x), outer * inner, shape.components, shape.latent_dim, generator=generator,
        dtype=x.dtype,
    )  # fmt: skip
    enre, kl_z, weighted = 0.0, 0.0, 0.0
    first = once(x @ model.q_z.first.weight + model.q_z.first.bias, model.q_z.hidden)
    for k in range(shape.components):
        q = model.q_z
        h = hidden(first, q.hidden, q.cluster[k])
        mean = h @ q.head.mean.weight + q.head.mean.bias
        if shape.kind == "dca":  # No distribution of z: the mean is its value.
            z = mean[:, None].expand(-1, outer * inner, -1)
            repeated = None if covariates is None else covariates.repeat_interleave(z.shape[1], 0)
            cells = x.repeat_interleave(z.shape[1], 0)
            enre = decode(model, z.flatten(0, 1), cells, repeated).view(len(x), -1).mean(1)
            weighted, kl_z = enre, torch.zeros_like(enre)
            continue
        raw = None if q.head.scale is None else h @ q.head.scale.weight + q.head.scale.bias
        posterior = normal(mean, raw, shape.covariance)
        if shape.kind == "gmvae":
            p = model.p_z.head
            prior = normal(
                p.mean.weight[k] + p.mean.bias, p.scale.weight[k] + p.scale.bias,
                "full" if shape.covariance == "full" else "diagonal",
            )  # fmt: skip
        else:
            prior = normal(torch.zeros_like(posterior.mean), None, "unit")
        root = posterior.scale_tril
        z = posterior.mean[:, None] + (root[:, None] @ noise[:, :, k, :, None])[..., 0]
        # All samples of all cells are one batch.
        repeated = None if covariates is None else covariates.repeat_interleave(z.shape[1], 0)
        cells = x.repeat_interleave(z.shape[1], 0)
        log_prob = decode(model, z.flatten(0, 1), cells, repeated).view(len(x), -1)
        if how and how.closed_form_kl:
            ratio = torch.distributions.kl_divergence(posterior, prior)[:, None].expand_as(log_prob)
        else:
            ratio = torch.stack(
                [posterior.log_prob(z[:, s]) - prior.log_prob(z[:, s]) for s in range(z.shape[1])],
                1,
            )
        weight = share[:, k]
        enre = enre + weight * log_prob.mean(1)
        kl_z = kl_z + weight * ratio.mean(1)
        kl_weight = how.kl_weight if how else 1.0
        logs = (log_prob - kl_weight * ratio).view(len(x), outer, inner)
        weighted = weighted + weight * (torch.logsumexp(logs, 2) - math.log(inner)).mean(1)
    return {
        "enre": enre.mean(),
        "kl_z": kl_z.mean(),
        "kl_y": kl_y.mean(),
        "importance_weighted": weighted.mean(),
        "label": right / len(x),
    }
