"""Fusion of the feature maps of the two branches."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from meshgait.errors import ConfigError
from meshgait.models.blocks import conv_bn

FusionKind = Literal["attention", "concat", "3d-only"]


class AttentionFusion(nn.Module):
    """Per-pixel, per-branch weights that sum to one, from both maps; out = 2 (w2 F2 + w3 P F3).

    The factor 2 keeps the magnitude of a plain sum where both weights are one half.
    """

    def __init__(self, channels_2d: int, channels_3d: int) -> None:
        super().__init__()
        self.project = conv_bn(channels_3d, channels_2d, 1)
        hidden = max(channels_2d // 4, 8)
        self.weigh = nn.Sequential(
            *conv_bn(2 * channels_2d, hidden, 1), nn.ReLU(inplace=True), nn.Conv2d(hidden, 2, 1)
        )

    def forward(self, maps_2d: Tensor, maps_3d: Tensor) -> Tensor:
        """(N, C, h, w), (N, C', h, w) -> (N, C, h, w)."""
        maps_3d = self.project(maps_3d)
        weights = torch.softmax(self.weigh(torch.cat([maps_2d, maps_3d], dim=1)), dim=1)
        return 2 * (weights[:, :1] * maps_2d + weights[:, 1:] * maps_3d)


class ConcatFusion(nn.Module):
    """Concatenation and a 1x1 convolution."""

    def __init__(self, channels_2d: int, channels_3d: int) -> None:
        super().__init__()
        self.mix = conv_bn(channels_2d + channels_3d, channels_2d, 1)

    def forward(self, maps_2d: Tensor, maps_3d: Tensor) -> Tensor:
        """(N, C, h, w), (N, C', h, w) -> (N, C, h, w)."""
        return self.mix(torch.cat([maps_2d, maps_3d], dim=1))


class Only3D(nn.Module):
    """The 3D branch alone, as wide as the 2D branch would be: what the volumes say without the 2D map."""

    def __init__(self, channels_2d: int, channels_3d: int) -> None:
        super().__init__()
        self.project = conv_bn(channels_3d, channels_2d, 1)

    def forward(self, maps_2d: Tensor | None, maps_3d: Tensor) -> Tensor:
        """Nothing, (N, C', h, w) -> (N, C, h, w)."""
        return self.project(maps_3d)


def make_fusion(kind: FusionKind, channels_2d: int, channels_3d: int) -> nn.Module:
    """The fusion of that name for maps of these numbers of channels."""
    kinds = {"attention": AttentionFusion, "concat": ConcatFusion, "3d-only": Only3D}
    if kind not in kinds:
        raise ConfigError(f"fusion is {kind!r}", f"use one of {sorted(kinds)}")
    return kinds[kind](channels_2d, channels_3d)
