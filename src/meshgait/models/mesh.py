"""Mesh from markers, weighted by the network's confidence in each of them (Ma et al., CVPR 2023)."""

from __future__ import annotations

import torch
from einops import rearrange
from torch import Tensor, nn

from meshgait.models.autocast import full_precision


class MeshDecoder(nn.Module):
    """Vertices as weighted means of markers; a marker's weight is multiplied by confidence ** gamma.

    gamma is learnt, starting at 0 (the fixed weights). With weights of mixed sign (the ridge decoder) a
    normalised re-weighting has no meaning, so that decoder is applied as it is.

    Args:
        weights: (K, V) of a decoder, summing to one over K for each vertex.
        adaptive: whether confidence re-weights; only for weights that are not negative.
    """

    weights: Tensor

    def __init__(self, weights: Tensor, adaptive: bool) -> None:
        super().__init__()
        self.register_buffer("weights", weights, persistent=False)
        self.gamma = nn.Parameter(torch.zeros(())) if adaptive else None

    @full_precision
    def forward(self, markers: Tensor, confidence: Tensor) -> Tensor:
        """(N, K, 3), (N, K) -> vertices (N, V, 3) in the markers' frame."""
        by_vertex = rearrange(self.weights, "k v -> v k")
        if self.gamma is None:
            return by_vertex @ markers
        trust = rearrange(confidence.clamp(min=1e-4) ** self.gamma, "n k -> n k 1")
        return (by_vertex @ (markers * trust)) / (by_vertex @ trust)
