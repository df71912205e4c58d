"""Silhouette backbones, split where the 3D branch leaves: `Stem` (shared) and `Trunk` (2D branch).

Frames are folded into the batch: (B T, C, H, W). GaitBase (Fan et al., CVPR 2023) is a ResNet-9 at full
resolution, one basic block a stage; DeepGaitV2 (Fan et al., arXiv 2303.03301) has more blocks, in its
pseudo-3D form with convolutions over time after the stem. `NetworkSize` says which one it is.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from einops import rearrange
from torch import Tensor, nn

from meshgait.models.activation_checkpointing import maybe_checkpoint
from meshgait.models.blocks import ResidualStage, conv_bn
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
        self.stage = ResidualStage(width, width, size.blocks[0], size.strides[1])

    def checkpointed_parts(self) -> Iterator[nn.Module]:
        """Parts that hold many maps inside: see `meshgait.models.activation_checkpointing`."""
        yield self.entry
        yield from self.stage

    def forward(self, frames: Tensor) -> Tensor:
        """Early features of silhouettes in [0, 1]."""
        return self.stage(maybe_checkpoint(self.entry, frames))


class Trunk(nn.ModuleList):
    """Residual stages 2..4: (B T, channels[0], ., .) -> (B T, channels[3], H / 4, W / 4)."""

    def __init__(self, size: NetworkSize) -> None:
        stages = zip(size.channels, size.channels[1:], size.blocks[1:], size.strides[2:], strict=False)
        super().__init__(ResidualStage(*stage, pseudo_3d=size.pseudo_3d) for stage in stages)

    def checkpointed_parts(self) -> Iterator[nn.Module]:
        """Parts that hold many maps between their input and their output."""
        yield from (block for stage in self for block in stage.children())

    def forward(self, early: Tensor, mask: Tensor) -> Tensor:
        """Maps of early features (B T, channels[0], ., .) of the frames of mask (B, T)."""
        for stage in self:
            early = stage(early, mask)
        return early
