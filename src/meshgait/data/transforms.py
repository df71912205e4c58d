"""Augmentation of silhouette sequences (B, T, H, W), drawn once a sequence; the rest is left alone.

What happened to the geometry is returned, so that SMPL truth can follow (`meshgait.body.targets.follow`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from einops import rearrange
from torch import Generator, Tensor
from torch.nn.functional import interpolate, max_pool2d

from meshgait.data.warp import corner_moves, resample
from meshgait.errors import ConfigError

CHANCES = ("flip", "rotate_chance", "perspective_chance", "erase", "coarse", "thickness")
STRENGTHS = {"rotate": 180.0, "scale": 1.0, "shift": float("inf"), "perspective": 0.5}  # each below its limit


@dataclass
class Geometry:
    """What augmentation did to the geometry of each of B sequences, in this order, about the crop's centre.

    Attributes:
        flip: (B,) bool, mirrored left to right.
        angle: (B,) radians, turned clockwise as seen in the image.
        scale: (B,) enlarged by this factor.
        shift: (B, 2) moved by (right, down) pixels.
        corners: (B, 4, 2) at last the crop's corners (top left, top right, bottom left, bottom right) were moved
            by (right, down) pixels, and all between them by the perspective that does so.
    """

    flip: Tensor
    angle: Tensor
    scale: Tensor
    shift: Tensor
    corners: Tensor

    @property
    def has_perspective(self) -> Tensor:
        """(B,) bool, whether there is a perspective, which no camera of SMPL truth can follow."""
        return self.corners.flatten(1).any(1)

    @property
    def warped(self) -> Tensor:
        """(B,) bool, whether pixels come to lie between others."""
        return (self.angle != 0) | (self.scale != 1) | self.shift.any(1) | self.has_perspective

    def part(self, which: slice) -> Geometry:
        """Of some of the sequences."""
        return Geometry(*(values[which] for values in vars(self).values()))

    def sources(self, frame: tuple[int, int]) -> Tensor:
        """(B, 3, 3) projective maps from places after to those before, in pixels from the centre of (H, W)."""
        cos, sin, zero = torch.cos(self.angle), torch.sin(self.angle), torch.zeros_like(self.angle)
        right, down = self.shift.unbind(-1)
        rows = (
            (cos, sin, -cos * right - sin * down),
            (-sin, cos, sin * right - cos * down),
            (zero, zero, self.scale),
        )
        still = torch.stack(
            [torch.stack(row, -1) for row in rows], 1
        )  # divided by its last row, which is the scale
        mirror = torch.where(self.flip, -1.0, 1.0)
        still = torch.cat([rearrange(mirror, "b -> b 1 1") * still[:, :1], still[:, 1:]], 1)
        return still @ corner_moves(self.corners, frame) if self.has_perspective.any() else still


@dataclass(frozen=True)
class Augmentation:
    """Strengths of the augmentation; all zero leaves silhouettes as they are.

    Attributes:
        flip: probability of mirroring.
        rotate: largest angle in degrees either way.
        rotate_chance: probability that a sequence is turned.
        scale: largest relative change of size either way.
        shift: largest shift in pixels either way, per axis.
        perspective: how far each corner of the crop moves at most, as a share of its sides. A weak-perspective
            camera cannot follow, so SMPL truth of such sequences is not used.
        perspective_chance: probability that a sequence is seen in another perspective.
        erase: probability that a random rectangle of a sequence is blanked.
        coarse: probability that a sequence is seen at half resolution (as from a small or distant figure).
        thickness: probability that figures are thinned or thickened by one or two pixels a side (as by another
            background or another way of segmenting).
    """

    flip: float = 0.0
    rotate: float = 0.0
    rotate_chance: float = 1.0
    scale: float = 0.0
    shift: float = 0.0
    perspective: float = 0.0
    perspective_chance: float = 1.0
    erase: float = 0.0
    coarse: float = 0.0
    thickness: float = 0.0

    def __post_init__(self) -> None:
        for name in CHANCES:
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"augmentation {name} is {getattr(self, name)}", "a probability lies in 0..1")
        for name, limit in STRENGTHS.items():
            if not 0 <= getattr(self, name) < limit:
                raise ConfigError(
                    f"augmentation {name} is {getattr(self, name)}", f"give 0 or more, below {limit:g}"
                )

    def draw(self, count: int, generator: Generator, frame: tuple[int, int] = (64, 44)) -> Geometry:
        """Draw the geometry of ``count`` sequences of frames (H, W)."""
        angle, scale, right, down = (torch.rand(4, count, generator=generator) * 2 - 1).unbind(0)
        flip = torch.rand(count, generator=generator) < self.flip
        turned, bent = torch.rand(2, count, generator=generator) < torch.tensor(
            [[self.rotate_chance], [self.perspective_chance]]
        )
        corners = (torch.rand(count, 4, 2, generator=generator) * 2 - 1) * torch.tensor(frame[::-1])
        return Geometry(
            flip=flip,
            angle=torch.deg2rad(angle * self.rotate) * turned,
            scale=1 + scale * self.scale,
            shift=torch.stack([right, down], dim=-1) * self.shift,
            corners=corners * self.perspective * rearrange(bent, "b -> b 1 1"),
        )

    def __call__(
        self, silhouettes: Tensor, generator: Generator, rank: int = 0, world: int = 1
    ) -> tuple[Tensor, Geometry]:
        """Augment silhouettes.

        Args:
            silhouettes: (B, T, H, W) in [0, 1].
            generator: of the CPU; the same on all ranks, each of which draws for the batch of all.
            rank: whose share of that batch this is.
            world: number of equal shares.

        Returns:
            Silhouettes and geometry.
        """
        count, own = len(silhouettes) * world, slice(len(silhouettes) * rank, len(silhouettes) * (rank + 1))
        geometry = self.draw(count, generator, _frame(silhouettes)).part(own)
        with _one_thread():
            return self._apply(_copied(silhouettes), geometry, generator, count, own), geometry

    def _apply(
        self, silhouettes: Tensor, geometry: Geometry, generator: Generator, count: int, own: slice
    ) -> Tensor:
        """Augment in place those that are the ``own`` of ``count`` sequences."""
        frame, warped = _frame(silhouettes), geometry.warped
        _change(silhouettes, geometry.flip & ~warped, lambda x, _: x.flip(-1))
        _change(silhouettes, warped, lambda x, places: resample(x, geometry.sources(frame)[places]))
        if self.coarse:
            chosen = torch.rand(count, generator=generator) < self.coarse
            _change(silhouettes, chosen[own], lambda x, _: _blur(x))
        if self.thickness:
            pixels = self._draw_thickness(count, generator)[own]
            for change in pixels.unique().tolist():

                def grow(x: Tensor, _: Tensor, pixels: int = change) -> Tensor:
                    return _grow(x, pixels)

                _change(silhouettes, (pixels == change) & (pixels != 0), grow)
        if self.erase:
            for which, hole in enumerate(self._draw_holes(count, frame, generator)[own]):
                if hole is not None:
                    silhouettes[which, :, hole[0], hole[1]] = 0
        return silhouettes

    def _draw_thickness(self, count: int, generator: Generator) -> Tensor:
        """(B,) pixels a side by which figures grow."""
        chosen = torch.rand(count, generator=generator) < self.thickness
        change = torch.randint(1, 3, (count,), generator=generator)
        change *= torch.randint(0, 2, (count,), generator=generator) * 2 - 1
        return torch.where(chosen, change, 0)

    def _draw_holes(
        self, count: int, frame: tuple[int, int], generator: Generator
    ) -> list[tuple[slice, slice] | None]:
        """Rows and columns of the hole of each sequence, or None."""
        chosen, limits = torch.rand(count, generator=generator) < self.erase, torch.tensor(frame)[:, None]
        sides = (0.15 + 0.25 * torch.rand(2, count, generator=generator)) * limits
        starts = torch.rand(2, count, generator=generator) * (limits - sides)
        # pixels whose number lies within
        first, end = (
            rearrange(edge.ceil().int(), "side b -> b side").tolist() for edge in (starts, starts + sides)
        )
        return [
            (slice(low[0], high[0]), slice(low[1], high[1])) if use else None
            for use, low, high in zip(chosen.tolist(), first, end, strict=True)
        ]


@contextmanager
def _one_thread() -> Iterator[None]:
    """Threads gain little on one small sequence, and waiting for them costs much on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _frame(silhouettes: Tensor) -> tuple[int, int]:
    """(H, W)."""
    height, width = silhouettes.shape[-2:]
    return height, width


def _copied(silhouettes: Tensor) -> Tensor:
    """A copy, in memory that was in use before if possible (numpy's is, where `reuse_freed_memory` was called)."""
    return (
        silhouettes.clone() if silhouettes.device.type != "cpu" else torch.from_numpy(silhouettes.numpy().copy())
    )


def _change(silhouettes: Tensor, chosen: Tensor, change: Callable[[Tensor, Tensor], Tensor]) -> None:
    """Replace the sequences ``chosen`` (B,) in place; ``change`` takes them and their places (on the CPU)."""
    places = chosen.nonzero()[:, 0]
    if not len(places):
        return
    if silhouettes.device.type == "cpu":  # whole sequences are copied much faster by numpy
        array, rows = silhouettes.numpy(), places.numpy()
        array[rows] = change(torch.from_numpy(array[rows]), places).numpy()
    else:
        on_device = places.to(silhouettes.device)
        silhouettes.index_copy_(0, on_device, change(silhouettes.index_select(0, on_device), places))


def _blur(silhouettes: Tensor) -> Tensor:
    """What is left at half the resolution."""
    height, width = silhouettes.shape[-2:]
    half = interpolate(silhouettes, (height // 2, width // 2), mode="area").round()
    return interpolate(half, (height, width), mode="bilinear")


def _grow(frames: Tensor, pixels: int) -> Tensor:
    """Dilate frames (..., H, W) by ``pixels`` a side; a negative number erodes."""
    sign = 1 if pixels > 0 else -1
    return sign * max_pool2d(sign * frames, 2 * abs(pixels) + 1, 1, abs(pixels))
