"""Heatmap encoder of the 3D branch: volumes of joints and markers -> features for recognition."""

from __future__ import annotations

import torch
from einops import rearrange
from torch import Tensor, nn

from meshgait.models.blocks import ResidualStage, multiply_per_frame
from meshgait.models.size import FEATURE_STRIDE, NetworkSize

PROBABILITY_GAIN = 16.0
"""Brings a peak of one voxel's spread (probability ~ 1 / 16) to about 1 for the batch norm that reads it."""


class HeatmapEncoder(nn.Module):
    """Features of the volumes on the grid of the 2D branch: (N, K, D, H', W') -> (N, C', H / 4, W / 4)."""

    def __init__(self, size: NetworkSize) -> None:
        super().__init__()
        width = size.reader_channels
        self.fold = nn.Parameter(torch.empty(width, size.points * size.volume_depth))
        nn.init.kaiming_uniform_(self.fold, nonlinearity="relu")
        self.norm = nn.Sequential(nn.BatchNorm2d(width), nn.ReLU(inplace=True))
        self.stage = ResidualStage(width, width, 1, FEATURE_STRIDE // size.volume_stride)

    def forward(self, volumes: Tensor) -> Tensor:
        """Read probability volumes."""
        return self.refined(self.folded(volumes))

    def folded(self, volumes: Tensor) -> Tensor:
        """The one product that reads the volumes: (N, K, D, H', W') -> (N, C', H', W')."""
        height = volumes.shape[-2]
        folded = multiply_per_frame(self.fold * PROBABILITY_GAIN, rearrange(volumes, "n k d h w -> n (k d) (h w)"))
        return rearrange(folded, "n c (h w) -> n c h w", h=height)

    def refined(self, folded: Tensor) -> Tensor:
        """The layers after that product: (N, C', H', W') -> (N, C', H / 4, W / 4)."""
        return self.stage(self.norm(folded))
