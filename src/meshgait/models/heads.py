"""Heads per strip: linear map, BNNeck, cosine classifier (as in GaitBase, Fan et al., CVPR 2023).

They cost little and stay in single precision under autocast: distances and cosines are computed from them.
"""

from __future__ import annotations

import torch
from einops import einsum, rearrange
from torch import Tensor, nn
from torch.nn.functional import normalize

from meshgait.models.autocast import full_precision


class StripLinear(nn.Module):
    """One linear map (without bias) a strip: (B, S, inputs) -> (B, S, outputs)."""

    def __init__(self, strips: int, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(strips, inputs, outputs))
        nn.init.xavier_uniform_(self.weight)

    @full_precision
    def forward(self, x: Tensor) -> Tensor:
        """Map each strip by its own matrix."""
        return einsum(x, self.weight, "b s i, s i o -> b s o")


class StripClassifier(nn.Module):
    """BNNeck and cosine logits a strip: (B, S, C) -> (B, S, classes) in [-1, 1]."""

    def __init__(self, strips: int, channels: int, classes: int) -> None:
        super().__init__()
        self.neck = nn.BatchNorm1d(strips * channels)
        self.weight = nn.Parameter(torch.empty(strips, channels, classes))
        nn.init.xavier_uniform_(self.weight)

    @torch.no_grad()
    def reset_classes(self, classes: range, generator: torch.Generator) -> None:
        """Draw the vectors of some classes again, for people who are new.

        Args:
            classes: without gaps.
            generator: on the CPU; of the same state on all devices.
        """
        fresh = nn.init.xavier_uniform_(torch.empty(self.weight.shape), generator=generator)
        chosen = slice(classes.start, classes.stop)
        self.weight[..., chosen] = fresh[..., chosen].to(self.weight)

    @full_precision
    def forward(self, embeddings: Tensor) -> Tensor:
        """Cosine of the normalised strip vectors with each class's vector."""
        flat = self.neck(rearrange(embeddings, "b s c -> b (s c)"))
        features = normalize(rearrange(flat, "b (s c) -> b s c", s=embeddings.shape[1]), dim=-1)
        return einsum(features, normalize(self.weight, dim=1), "b s c, s c k -> b s k")
