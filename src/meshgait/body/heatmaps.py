"""Volumetric heatmaps in the silhouette frame: soft-argmax, marginals, voxel indices.

A volume has D x H' x W' voxels and spans the crop: W pixels in u (right), H in v (down) and H in d (towards
the camera), with the pelvis depth d = 0 in the middle. Voxel i of n covers [i, i + 1) / n of its axis, so its
centre lies at (i + 0.5) / n.
"""

from __future__ import annotations

import torch
from einops import rearrange
from torch import Tensor
from torch.nn.functional import one_hot


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


def read_volumes(probabilities: Tensor, frame: tuple[int, int]) -> tuple[Tensor, Tensor, Tensor]:
    """Expected position (integral regression: Sun et al., ECCV 2018), marginals and confidence of each volume.

    One product with a table that all frames share reads the volumes once, forwards and backwards; sums along
    each axis would read them several times, and on a CPU that is what the 3D branch spends its time on.

    Args:
        probabilities: (N, K, D, H', W'), each volume summing to one.
        frame: (H, W) of the crop in pixels.

    Returns:
        points (N, K, 3) = (u, v, d) in crop pixels, marginals (N, K, W' + H' + D) of the axes u, v, d, one after
        the other, and confidence (N, K), see `point_confidence`; all float32. No gradient goes through confidence.
    """
    depth, height, width = probabilities.shape[2:]
    flat = rearrange(probabilities, "n k d h w -> n k (d h w)").float()
    cells = torch.cartesian_prod(*(torch.arange(n, device=flat.device) for n in (depth, height, width)))
    d, v, u = cells.unbind(-1)
    table = [voxel_centres((depth, height, width), frame, flat)]
    table += [one_hot(axis, n).to(flat) for axis, n in ((u, width), (v, height), (d, depth))]
    with torch.autocast(flat.device.type, enabled=False):
        read = flat @ torch.cat(table, dim=-1)
    points, marginals = read[..., :3], read[..., 3:]
    return points, marginals, point_confidence(probabilities.detach(), points.detach(), frame).float()


def expected_points(probabilities: Tensor, frame: tuple[int, int]) -> Tensor:
    """The points of `read_volumes` alone, (N, K, 3), at a quarter of its time: for inference.

    Sums along rows and over rows are quick to make but slow to go back through, the product is not.
    """
    rows = rearrange(probabilities, "n k d h w -> n k (d h) w").float()
    depth, height, width = probabilities.shape[2:]
    mass = rearrange(rows.sum(-1), "n k (d h) -> n k d h", d=depth)
    marginals = rows.sum(-2), mass.sum(-2), mass.sum(-1)
    centres = ((torch.arange(n, device=rows.device) + 0.5) / n for n in (width, height, depth))
    unit = torch.stack([(p * at).sum(-1) for p, at in zip(marginals, centres, strict=True)], dim=-1)
    length, origin = axis_extent(frame, unit)
    return unit * length + origin


def axis_cells(points: Tensor, volume: tuple[int, int, int], frame: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Cell of each axis that a point lies in.

    Args:
        points: (..., 3) = (u, v, d) in crop pixels.
        volume: (D, H', W').
        frame: (H, W) of the crop in pixels.

    Returns:
        (cells, inside): (..., 3) int64 along (u, v, d), clamped to the volume, and (...) bool.
    """
    length, origin = axis_extent(frame, points)
    counts = torch.tensor(volume[::-1], device=points.device)
    # floor each axis before combining: a fraction in z must not spill into y and x
    cells = torch.floor((points - origin) / length * counts).long()
    inside = ((cells >= 0) & (cells < counts)).all(-1)
    return torch.minimum(cells.clamp(min=0), counts - 1), inside


def voxel_index(points: Tensor, volume: tuple[int, int, int], frame: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Flat index (...) int64 of the voxel each point lies in (clamped), and whether it lies inside (...) bool."""
    cells, inside = axis_cells(points, volume, frame)
    u, v, d = cells.unbind(-1)
    _, height, width = volume
    return (d * height + v) * width + u, inside


def point_confidence(volumes: Tensor, points: Tensor, frame: tuple[int, int]) -> Tensor:
    """Probability mass of the voxel each point lies in.

    Args:
        volumes: (N, K, D, H', W') probabilities.
        points: (N, K, 3) in crop pixels.
        frame: (H, W) of the crop.

    Returns:
        (N, K) in [0, 1].
    """
    depth, height, width = volumes.shape[2:]
    index, _ = voxel_index(points, (depth, height, width), frame)
    flat = rearrange(volumes, "n k d h w -> n k (d h w)")
    return flat.gather(-1, rearrange(index, "n k -> n k 1"))[..., 0]
