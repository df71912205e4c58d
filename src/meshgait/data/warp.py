"""Projective warps of silhouette sequences (B, T, H, W): one map a sequence, the same for all of its frames."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from einops import rearrange
from torch import Tensor
from torch.nn.functional import embedding_bag


def corner_moves(moves: Tensor, frame: tuple[int, int]) -> Tensor:
    """Projective maps that undo a perspective.

    Args:
        moves: (B, 4, 2) pixels (right, down) by which the corners of the crop were moved: top left, top right,
            bottom left, bottom right; each by less than half of a side.
        frame: (H, W) of the crop.

    Returns:
        (B, 3, 3) maps of homogeneous places in pixels from the centre, from after the move to before.
    """
    half = torch.tensor([frame[1], frame[0]], dtype=torch.float64) / 2
    before = torch.tensor([[-1, -1], [1, -1], [-1, 1], [1, 1]], dtype=torch.float64) * half
    x, y = (before + moves.double()).unbind(-1)
    one, zero = torch.ones_like(x), torch.zeros_like(x)
    u, v = before.expand_as(moves).unbind(-1)
    # (a x + b y + c) / (g x + h y + 1) = u and the same for v: eight equations, linear in a..h
    rows = ((x, y, one, zero, zero, zero, -u * x, -u * y), (zero, zero, zero, x, y, one, -v * x, -v * y))
    system = rearrange([torch.stack(row, -1) for row in rows], "r b c k -> b (c r) k")
    solution = torch.linalg.solve(system, rearrange([u, v], "r b c -> b (c r)"))
    return rearrange(torch.cat([solution, one[:, :1]], 1), "b (i j) -> b i j", i=3).float()


def resample(silhouettes: Tensor, sources: Tensor) -> Tensor:
    """Bilinear sampling; outside of the crop is background.

    Each pixel is a weighted sum of four others, the same four in all frames of a sequence, so pixels are looked up
    as rows of frames. On a CPU this takes a fraction of the time of ``grid_sample`` or of OpenCV frame by frame.

    Args:
        silhouettes: (B, T, H, W).
        sources: (B, 3, 3) maps of homogeneous places in pixels from the centre, from the result to the input; on
            the CPU.

    Returns:
        (B, T, H, W).
    """
    height, width = silhouettes.shape[-2:]
    taps = [torch.from_numpy(x) for x in _taps(sources.numpy(), (height, width))]
    resampled = torch.empty_like(silhouettes)
    pixels, results = (rearrange(x, "b t h w -> b t (h w)") for x in (silhouettes, resampled))
    # one sequence after the other, so that all of it stays in the processor's cache
    for before, after, indices, weights in zip(
        pixels, results, *(x.to(silhouettes.device) for x in taps), strict=True
    ):
        mixed = embedding_bag(indices, _swapped(before), per_sample_weights=weights.to(before), mode="sum")
        after.copy_(_swapped(mixed))
    return resampled


def _taps(sources: np.ndarray, frame: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Which pixels of B sequences are mixed, (B, H W, 4) int32, and their weights: none outside of the crop."""
    height, width = frame
    down, right = (np.arange(n, dtype=np.float32) + np.float32(0.5 - n / 2) for n in frame)
    places = np.stack([np.tile(right, height), np.repeat(down, width), np.ones(height * width, np.float32)])
    x, y, w = np.moveaxis(sources.astype(np.float32) @ places, 1, 0)
    (columns, across), (rows, along) = _neighbours(x / w, width), _neighbours(y / w, height)
    indices, weights = np.empty((*x.shape, 4), np.int32), np.empty((*x.shape, 4), np.float32)
    for tap, (i, j) in enumerate(((0, 0), (0, 1), (1, 0), (1, 1))):
        np.add(rows[i] * width, columns[j], out=indices[..., tap])
        np.multiply(along[i], across[j], out=weights[..., tap])
    return indices, weights


def _neighbours(offsets: np.ndarray, size: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """The two pixels beside places that are given from the centre of an axis, and the weight of each."""
    places = offsets + np.float32((size - 1) / 2)
    lower = np.floor(places)
    part = places - lower
    pixels, weights = (lower, lower + 1), (1 - part, part)
    return (
        [np.clip(pixel, 0, size - 1).astype(np.int32) for pixel in pixels],
        [weight * ((pixel >= 0) & (pixel < size)) for pixel, weight in zip(pixels, weights, strict=True)],
    )


def _swapped(values: Tensor) -> Tensor:
    """(M, N) -> (N, M), also in memory."""
    if values.device.type != "cpu":
        return rearrange(values, "m n -> n m").contiguous()
    return torch.from_numpy(cv2.transpose(values.numpy()))  # by blocks, several times as fast as torch or numpy
