"""Classification loss over strips; computed in float32 whatever the precision of the network."""

from __future__ import annotations

from einops import rearrange, repeat
from torch import Tensor
from torch.nn.functional import cross_entropy


def classification_loss(logits: Tensor, labels: Tensor, scale: float = 16.0, smoothing: float = 0.1) -> Tensor:
    """Cross-entropy of scaled cosine logits, label-smoothed, mean over samples and strips (GaitBase, CVPR 2023).

    Devices have equally many samples, so the mean over ranks is that of the whole batch.

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
