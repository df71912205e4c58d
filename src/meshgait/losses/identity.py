"""Identity losses over strip embeddings; computed in float32 whatever the precision of the network."""

from __future__ import annotations

import torch
from einops import rearrange, reduce, repeat
from torch import Tensor
from torch.nn.functional import cross_entropy


def triplet(embeddings: Tensor, labels: Tensor, margin: float = 0.2) -> Tensor:
    """Batch-all triplet loss per strip (Hermans et al., arXiv 1703.07737; strips as in GaitSet, AAAI 2019).

    Every (anchor, positive, negative) with a positive that is not the anchor itself counts; the mean is taken
    over the terms above zero of a strip, then over strips.

    Args:
        embeddings: (B, S, C).
        labels: (B,) int64.
        margin: in units of the Euclidean distance.

    Returns:
        Scalar; zero (with a gradient path) where no triplet violates the margin.
    """
    with torch.autocast(embeddings.device.type, enabled=False):
        strips = rearrange(embeddings.float(), "b s c -> s b c")
        distances = _distances(strips)
        same = labels[:, None] == labels[None, :]
        itself = torch.eye(len(labels), dtype=torch.bool, device=labels.device)
        anchor, positive = torch.nonzero(same & ~itself, as_tuple=True)
        terms = margin + distances[:, anchor, positive].unsqueeze(-1) - distances[:, anchor]
        terms = terms.relu() * ~same[anchor]
        count = reduce(terms > 0, "s pairs negatives -> s", "sum")
        return (reduce(terms, "s pairs negatives -> s", "sum") / count.clamp(min=1)).mean()


def _distances(strips: Tensor) -> Tensor:
    """Euclidean distances (S, B, B) of (S, B, C); the tiny floor keeps the root's gradient finite at zero."""
    squares = reduce(strips.square(), "s b c -> s b", "sum")
    products = strips @ rearrange(strips, "s b c -> s c b")
    return (squares[:, :, None] + squares[:, None, :] - 2 * products).clamp(min=1e-12).sqrt()


@torch.no_grad()
def separation(embeddings: Tensor, labels: Tensor) -> Tensor:
    """Mean distance between sequences of different subjects, over strips; exactly 0 where all are of one alone.

    Args:
        embeddings: (B, S, C).
        labels: (B,) int64.
    """
    with torch.autocast(embeddings.device.type, enabled=False):
        distances = _distances(rearrange(embeddings.float(), "b s c -> s b c"))
        others = labels[:, None] != labels[None, :]
        return (distances * others).sum() / (others.sum() * len(distances)).clamp(min=1)


def classification(logits: Tensor, labels: Tensor, scale: float = 16.0, smoothing: float = 0.1) -> Tensor:
    """Cross-entropy of scaled cosine logits, label-smoothed, mean over samples and strips (GaitBase, CVPR 2023).

    Args:
        logits: (B, S, classes) in [-1, 1].
        labels: (B,) int64 in [0, classes).
        scale: factor on the cosine.
        smoothing: label smoothing.
    """
    flat = rearrange(logits.float() * scale, "b s k -> (b s) k")
    return cross_entropy(flat, repeat(labels, "b -> (b s)", s=logits.shape[1]), label_smoothing=smoothing)


def accuracy(logits: Tensor, labels: Tensor) -> Tensor:
    """Share of (sample, strip) pairs whose largest logit is the right class."""
    return (logits.argmax(-1) == labels[:, None]).float().mean()
