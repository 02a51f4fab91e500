"""The model written down plainly: dense outputs, log-gamma everywhere, autograd, a loop over K."""

import math
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid, relu, softplus


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
    if k_max:
        return piecewise_categorical(LOG_PROBS[name], k_max)
    if size_factor:
        return partial(LOG_PROBS[name], size_factor=True)
    return LOG_PROBS[name]


def batch_norm(x: Tensor, norm: torch.nn.Module) -> Tensor:
    if not norm.training:
        mean, variance = norm.mean, norm.variance
    else:
        mean, variance = x.mean(0), x.var(0, unbiased=False)
        bessel = len(x) / max(1, len(x) - 1)
        norm.mean = (0.999 * norm.mean + 0.001 * mean).detach()
        norm.variance = (0.999 * norm.variance + 0.001 * variance * bessel).detach()
    return (x - mean) / torch.sqrt(variance + 1e-3) + norm.centre


def hidden(first: Tensor, layers: torch.nn.Module) -> Tensor:
    h = relu(batch_norm(first, layers.norms[0]))
    for dense, norm in zip(layers.dense, layers.norms[1:], strict=True):
        h = relu(batch_norm(h @ dense.weight + dense.bias, norm))
    return h


def bound(model, x: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
    """Terms of the bound for a dense batch (B, G), each a mean over the cells."""
    shape = model.shape
    if shape.kind == "gmvae":
        q = model.q_y
        h = hidden(x @ q.first.weight + q.first.bias, q.hidden)
        log_q = torch.log_softmax(h @ q.logits.weight + q.logits.bias, -1)
    else:
        log_q = torch.zeros(len(x), 1, dtype=x.dtype)
    noise = torch.randn(
        len(x), shape.components, shape.latent_dim, generator=generator, dtype=x.dtype
    )
    enre, kl_z = 0.0, 0.0
    for k in range(shape.components):
        q = model.q_z
        h = hidden(x @ q.first.weight + q.first.bias + q.cluster[k], q.hidden)
        mean = h @ q.head.mean.weight + q.head.mean.bias
        scale = softplus(h @ q.head.scale.weight + q.head.scale.bias).sqrt()
        z = mean + scale * noise[:, k]
        if shape.kind == "gmvae":
            p = model.p_z.head
            prior_mean = p.mean.weight[k] + p.mean.bias
            prior_scale = softplus(p.scale.weight[k] + p.scale.bias).sqrt()
        else:
            prior_mean, prior_scale = torch.zeros_like(mean), torch.ones_like(scale)
        log_ratio = torch.distributions.Normal(mean, scale).log_prob(z)
        log_ratio = log_ratio - torch.distributions.Normal(prior_mean, prior_scale).log_prob(z)
        d = model.decoder
        h = hidden(z @ d.first.weight + d.first.bias, d.hidden)
        outputs = torch.stack(
            [h @ weight.t() + bias for weight, bias in zip(d.weight, d.bias, strict=True)]
        )
        log_prob = LOG_PROBS[shape.likelihood](outputs, x).sum(-1)
        weight = log_q[:, k].exp()
        enre = enre + weight * log_prob
        kl_z = kl_z + weight * log_ratio.sum(-1)
    kl_y = (log_q.exp() * (log_q + math.log(shape.components))).sum(-1)
    return {"enre": enre.mean(), "kl_z": kl_z.mean(), "kl_y": kl_y.mean()}
