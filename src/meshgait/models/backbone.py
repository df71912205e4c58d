"""Silhouette backbones, split where the 3D branch leaves: `Stem` (shared) and `Trunk` (2D branch).

Frames are folded into the batch: (B T, C, H, W). GaitBase is after Fan et al., CVPR 2023: a ResNet-9 at full
resolution, one basic block a stage.
"""

from __future__ import annotations

import torch
from einops import rearrange
from torch import Tensor, nn

from meshgait.models.blocks import conv_bn, residual_stage
from meshgait.models.size import NetworkSize


def as_images(frames: Tensor) -> Tensor:
    """(N, H, W) -> (N, 1, H, W), laid out channels last (faster convolutions on CPU and GPU alike)."""
    return rearrange(frames, "n h w -> n 1 h w").contiguous(memory_format=torch.channels_last)


class Stem(nn.Module):
    """3x3 convolution and residual stage 1: (N, 1, H, W) -> (N, channels[0], H / s, W / s)."""

    def __init__(self, size: NetworkSize) -> None:
        super().__init__()
        width = size.channels[0]
        self.entry = nn.Sequential(conv_bn(1, width, 3, size.strides[0]), nn.ReLU(inplace=True))
        self.stage = residual_stage(width, width, size.blocks[0], size.strides[1])

    def forward(self, frames: Tensor) -> Tensor:
        """Early features of silhouettes in [0, 1]."""
        return self.stage(self.entry(frames))


class Trunk(nn.Sequential):
    """Residual stages 2..4: (N, channels[0], ., .) -> (N, channels[3], H / 4, W / 4)."""

    def __init__(self, size: NetworkSize) -> None:
        stages = zip(size.channels, size.channels[1:], size.blocks[1:], size.strides[2:], strict=False)
        super().__init__(*(residual_stage(*stage) for stage in stages))
