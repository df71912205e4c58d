"""Fusion of the feature maps of the two branches."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from meshgait.errors import ConfigError
from meshgait.models.blocks import conv_bn

FusionKind = Literal["attention", "concat", "deep"]


class AttentionFusion(nn.Module):
    """Per-pixel, per-branch weights that sum to one, from both maps; out = 2 (w2 F2 + w3 P F3).

    The factor 2 keeps the magnitude of a plain sum where both weights are one half.
    """

    def __init__(self, flat: int, deep: int) -> None:
        super().__init__()
        self.project = conv_bn(deep, flat, 1)
        self.weigh = nn.Sequential(
            *conv_bn(2 * flat, max(flat // 4, 8), 1), nn.ReLU(inplace=True), nn.Conv2d(max(flat // 4, 8), 2, 1)
        )

    def forward(self, flat: Tensor, deep: Tensor) -> Tensor:
        """(N, C, h, w), (N, C', h, w) -> (N, C, h, w)."""
        deep = self.project(deep)
        weights = torch.softmax(self.weigh(torch.cat([flat, deep], dim=1)), dim=1)
        return 2 * (weights[:, :1] * flat + weights[:, 1:] * deep)


class ConcatFusion(nn.Module):
    """Concatenation and a 1x1 convolution."""

    def __init__(self, flat: int, deep: int) -> None:
        super().__init__()
        self.mix = conv_bn(flat + deep, flat, 1)

    def forward(self, flat: Tensor, deep: Tensor) -> Tensor:
        """(N, C, h, w), (N, C', h, w) -> (N, C, h, w)."""
        return self.mix(torch.cat([flat, deep], dim=1))


class Only3D(nn.Module):
    """The 3D branch alone, as wide as the 2D branch would be: what the volumes say without the 2D map."""

    def __init__(self, flat: int, deep: int) -> None:
        super().__init__()
        self.project = conv_bn(deep, flat, 1)

    def forward(self, flat: Tensor | None, deep: Tensor) -> Tensor:
        """Nothing, (N, C', h, w) -> (N, C, h, w)."""
        return self.project(deep)


def make_fusion(kind: FusionKind, flat: int, deep: int) -> nn.Module:
    """The fusion of that name for maps of ``flat`` (2D) and ``deep`` (3D) channels."""
    kinds = {"attention": AttentionFusion, "concat": ConcatFusion, "deep": Only3D}
    if kind not in kinds:
        raise ConfigError(f"fusion is {kind!r}", f"use one of {sorted(kinds)}")
    return kinds[kind](flat, deep)
