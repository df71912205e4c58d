"""Triplet loss over strip embeddings; computed in float32 whatever the precision of the network."""

from __future__ import annotations

import torch
from einops import rearrange, reduce
from torch import Tensor

from meshgait import distributed


def triplet_loss(embeddings: Tensor, labels: Tensor, margin: float = 0.2) -> Tensor:
    """Batch-all triplet loss per strip (Hermans et al., arXiv 1703.07737; strips as in GaitSet, AAAI 2019).

    Every (anchor, positive, negative) with a positive that is not the anchor itself counts; the mean is taken
    over the terms above zero of a strip, then over strips. On several devices anchors are a device's own, while
    positives and negatives are all devices', so that no term is computed twice; the mean over ranks is the loss of
    the whole batch.

    The largest tensors have S x pairs x B numbers, with B (K - 1) pairs in a batch of P x K, never S B^3.

    Args:
        embeddings: (B, S, C).
        labels: (B,) int64.
        margin: in units of the Euclidean distance.

    Returns:
        Scalar; zero (with a gradient path) where no triplet violates the margin.
    """
    with torch.autocast(embeddings.device.type, enabled=False):
        own = rearrange(embeddings.float(), "b s c -> s b c")
        distances = _distances(own, rearrange(distributed.all_gather(embeddings.float()), "b s c -> s b c"))
        everyone = distributed.all_gather(labels)
        same = labels[:, None] == everyone[None, :]
        places = torch.arange(len(everyone), device=labels.device)
        itself = places[None, :] == places[: len(labels), None] + distributed.rank() * len(labels)
        anchor, positive = torch.nonzero(same & ~itself, as_tuple=True)
        terms = margin + distances[:, anchor, positive].unsqueeze(-1) - distances[:, anchor]
        terms = terms.relu() * ~same[anchor]
        count = distributed.all_reduce_sum(reduce(terms > 0, "s pairs negatives -> s", "sum"))
        return (
            distributed.world_size() * (reduce(terms, "s pairs negatives -> s", "sum") / count.clamp(min=1)).mean()
        )


def _distances(strips: Tensor, others: Tensor) -> Tensor:
    """Euclidean distances (S, A, B) of (S, A, C), (S, B, C); a floor keeps the root's gradient finite at zero."""
    squares = [reduce(x.square(), "s b c -> s b", "sum") for x in (strips, others)]
    products = strips @ rearrange(others, "s b c -> s c b")
    return (squares[0][:, :, None] + squares[1][:, None, :] - 2 * products).clamp(min=1e-12).sqrt()


@torch.no_grad()
def between_subject_distance(embeddings: Tensor, labels: Tensor) -> Tensor:
    """Mean distance between sequences of different subjects, over strips and the batches of all devices.

    Exactly 0 where all are of one subject.

    Args:
        embeddings: (B, S, C).
        labels: (B,) int64.
    """
    with torch.autocast(embeddings.device.type, enabled=False):
        embeddings, labels = distributed.all_gather(embeddings.float()), distributed.all_gather(labels)
        strips = rearrange(embeddings, "b s c -> s b c")
        distances = _distances(strips, strips)
        others = labels[:, None] != labels[None, :]
        return (distances * others).sum() / (others.sum() * len(distances)).clamp(min=1)
