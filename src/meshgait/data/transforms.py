"""Augmentation of silhouette sequences (B, T, H, W), drawn once a sequence and vectorised over the batch.

What happened to the geometry is returned, so that SMPL truth can follow (`meshgait.body.targets.follow`).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from einops import rearrange
from torch import Generator, Tensor
from torch.nn.functional import affine_grid, grid_sample, interpolate, max_pool2d

from meshgait.errors import ConfigError


@dataclass
class Geometry:
    """What augmentation did to the geometry of each of B sequences, in this order, about the crop's centre.

    Attributes:
        flip: (B,) bool, mirrored left to right.
        angle: (B,) radians, turned clockwise as seen in the image.
        scale: (B,) enlarged by this factor.
        shift: (B, 2) moved by (right, down) pixels.
    """

    flip: Tensor
    angle: Tensor
    scale: Tensor
    shift: Tensor


@dataclass(frozen=True)
class Augmentation:
    """Strengths of the augmentation; all zero leaves silhouettes as they are.

    Attributes:
        flip: probability of mirroring.
        rotate: largest angle in degrees either way.
        scale: largest relative change of size either way.
        shift: largest shift in pixels either way, per axis.
        erase: probability that a random rectangle of a sequence is blanked.
        coarse: probability that a sequence is seen at half resolution (as from a small or distant figure).
        thickness: probability that figures are thinned or thickened by one or two pixels a side (as by another
            background or another way of segmenting).
    """

    flip: float = 0.0
    rotate: float = 0.0
    scale: float = 0.0
    shift: float = 0.0
    erase: float = 0.0
    coarse: float = 0.0
    thickness: float = 0.0

    def __post_init__(self) -> None:
        for name in ("flip", "erase", "coarse", "thickness"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"augmentation {name} is {getattr(self, name)}; a probability lies in 0..1")
        for name in ("rotate", "shift", "scale"):
            if getattr(self, name) < 0:
                raise ConfigError(f"augmentation {name} is {getattr(self, name)}; it must not be negative")
        if self.scale >= 1:
            raise ConfigError(f"augmentation scale is {self.scale}; it must stay below 1")

    def draw(self, count: int, generator: Generator) -> Geometry:
        """Draw the geometry of ``count`` sequences."""
        angle, scale, right, down = (torch.rand(4, count, generator=generator) * 2 - 1).unbind(0)
        return Geometry(
            flip=torch.rand(count, generator=generator) < self.flip,
            angle=torch.deg2rad(angle * self.rotate),
            scale=1 + scale * self.scale,
            shift=torch.stack([right, down], dim=-1) * self.shift,
        )

    def __call__(self, silhouettes: Tensor, generator: Generator) -> tuple[Tensor, Geometry]:
        """Augment (B, T, H, W) in [0, 1]; ``generator`` is of the CPU. Returns silhouettes and geometry."""
        geometry = self.draw(len(silhouettes), generator)
        if self.flip:
            flip = geometry.flip.to(silhouettes.device)
            silhouettes = torch.where(rearrange(flip, "b -> b 1 1 1"), silhouettes.flip(-1), silhouettes)
        if self.rotate or self.scale or self.shift:
            silhouettes = _warp(silhouettes, geometry)
        if self.coarse:
            silhouettes = self._blur(silhouettes, generator)
        if self.thickness:
            silhouettes = self._thicken(silhouettes, generator)
        if self.erase:
            silhouettes = self._blank(silhouettes, generator)
        return silhouettes, geometry

    def _blur(self, silhouettes: Tensor, generator: Generator) -> Tensor:
        chosen = (torch.rand(len(silhouettes), generator=generator) < self.coarse).to(silhouettes.device)
        height, width = silhouettes.shape[-2:]
        half = interpolate(silhouettes, (height // 2, width // 2), mode="area").round()
        full = interpolate(half, (height, width), mode="bilinear")
        return torch.where(rearrange(chosen, "b -> b 1 1 1"), full, silhouettes)

    def _thicken(self, silhouettes: Tensor, generator: Generator) -> Tensor:
        chosen = torch.rand(len(silhouettes), generator=generator) < self.thickness
        change = torch.randint(1, 3, (len(silhouettes),), generator=generator)
        change *= torch.randint(0, 2, (len(silhouettes),), generator=generator) * 2 - 1
        change = torch.where(chosen, change, 0).tolist()
        return torch.stack([_grow(x, pixels) for x, pixels in zip(silhouettes, change, strict=True)])

    def _blank(self, silhouettes: Tensor, generator: Generator) -> Tensor:
        count, _, height, width = silhouettes.shape
        chosen = torch.rand(count, generator=generator) < self.erase
        sides = (0.15 + 0.25 * torch.rand(2, count, generator=generator)) * torch.tensor([[height], [width]])
        starts = torch.rand(2, count, generator=generator) * (torch.tensor([[height], [width]]) - sides)
        inside = [
            (torch.arange(n)[None] >= start[:, None]) & (torch.arange(n)[None] < (start + side)[:, None])
            for n, start, side in zip((height, width), starts, sides, strict=True)
        ]
        hole = inside[0][:, :, None] & inside[1][:, None, :] & chosen[:, None, None]
        return silhouettes.masked_fill(rearrange(hole, "b h w -> b 1 h w").to(silhouettes.device), 0.0)


def _grow(frames: Tensor, pixels: int) -> Tensor:
    """Dilate frames (T, H, W) by so many pixels a side; a negative number erodes."""
    if not pixels:
        return frames
    sign = 1 if pixels > 0 else -1
    return sign * max_pool2d(sign * frames, 2 * abs(pixels) + 1, 1, abs(pixels))


def _warp(silhouettes: Tensor, geometry: Geometry) -> Tensor:
    """Turn, scale and shift by bilinear sampling; outside of the crop is background."""
    count, frames, height, width = silhouettes.shape
    cos, sin = torch.cos(geometry.angle) / geometry.scale, torch.sin(geometry.angle) / geometry.scale
    right, down = geometry.shift.unbind(-1)
    # where each output pixel comes from, in pixels from the centre: x_in = R(-angle) (x_out - shift) / scale
    aspect = height / width
    theta = torch.stack(
        [
            torch.stack([cos, sin * aspect, -(cos * right + sin * down) * 2 / width], dim=-1),
            torch.stack([-sin / aspect, cos, (sin * right - cos * down) * 2 / height], dim=-1),
        ],
        dim=1,
    ).to(silhouettes)
    grid = affine_grid(theta, [count, frames, height, width], align_corners=False)
    return grid_sample(silhouettes, grid, align_corners=False)
