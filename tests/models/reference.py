"""The model written down plainly: dense outputs, log-gamma everywhere, autograd, a loop over K."""

import math

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid, relu, softplus


def negative_binomial(outputs: Tensor, x: Tensor) -> Tensor:
    log_r = outputs[0].clamp(-10.0, 10.0)
    r = log_r.exp()
    log_p = logsigmoid(outputs[1]).clamp_min(-87.33654475055310898657)
    return (
        torch.lgamma(x + r)
        - torch.lgamma(x + 1)
        - torch.lgamma(r)
        + r * logsigmoid(-outputs[1])
        + x * log_p
    )


def poisson(outputs: Tensor, x: Tensor) -> Tensor:
    log_rate = outputs[0].clamp(-10.0, 10.0)
    return x * log_rate - log_rate.exp() - torch.lgamma(x + 1)


LOG_PROBS = {"negative-binomial": negative_binomial, "poisson": poisson}


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
