"""Volumetric heatmaps in the silhouette frame: soft-argmax, confidence, voxel indices.

A volume has D x H' x W' voxels and spans the crop: W pixels in u (right), H in v (down) and H in d (towards
the camera), with the pelvis depth d = 0 in the middle. Voxel i of n covers [i, i + 1) / n of its axis, so its
centre lies at (i + 0.5) / n.
"""

from __future__ import annotations

import torch
from einops import rearrange
from torch import Tensor


def axis_extent(frame: tuple[int, int], like: Tensor) -> tuple[Tensor, Tensor]:
    """(length, origin) of the axes (u, v, d) of a volume in crop pixels, each (3,)."""
    height, width = frame
    return like.new_tensor([width, height, height]), like.new_tensor([0.0, 0.0, -height / 2])


def voxel_centres(volume: tuple[int, int, int], frame: tuple[int, int], like: Tensor) -> Tensor:
    """Centres of the voxels in crop pixels, (D H' W', 3) = (u, v, d), in the order of a flattened volume."""
    depth, height, width = (torch.arange(n, device=like.device, dtype=like.dtype) + 0.5 for n in volume)
    d, v, u = torch.meshgrid(depth / volume[0], height / volume[1], width / volume[2], indexing="ij")
    length, origin = axis_extent(frame, like)
    return rearrange(torch.stack([u, v, d]), "c d h w -> (d h w) c") * length + origin


def soft_argmax(probabilities: Tensor, frame: tuple[int, int]) -> Tensor:
    """Expected position of each volume (integral regression: Sun et al., ECCV 2018).

    One product with the table of voxel centres, which all frames share, reads the volumes once; sums to three
    marginals read them up to three times.

    Args:
        probabilities: (N, K, D, H', W'), each volume summing to one.
        frame: (H, W) of the crop in pixels.

    Returns:
        (N, K, 3) = (u, v, d) in crop pixels, float32.
    """
    flat = rearrange(probabilities, "n k d h w -> n k (d h w)").float()
    with torch.autocast(probabilities.device.type, enabled=False):
        return flat @ voxel_centres(probabilities.shape[2:], frame, flat)


def voxel_index(points: Tensor, volume: tuple[int, int, int], frame: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Flat index of the voxel each point lies in.

    Args:
        points: (..., 3) = (u, v, d) in crop pixels.
        volume: (D, H', W').
        frame: (H, W) of the crop in pixels.

    Returns:
        (index, inside): (...) int64 into the flattened volume (clamped to it), and (...) bool.
    """
    length, origin = axis_extent(frame, points)
    depth, height, width = volume
    counts = points.new_tensor([width, height, depth])
    # floor each axis before combining: a fraction in z must not spill into y and x
    cell = torch.floor((points - origin) / length * counts).long()
    inside = ((cell >= 0) & (cell < counts.long())).all(-1)
    u, v, d = cell.clamp(min=torch.zeros_like(counts.long()), max=counts.long() - 1).unbind(-1)
    return (d * height + v) * width + u, inside
