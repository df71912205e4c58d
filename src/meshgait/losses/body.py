"""Losses of the 3D branch: pure functions, masked means over frames.

Points are (N, P, 3) in one unit (the stages pass metres); ``mask`` (N,) bool says which frames have truth.
After Ma et al., *3D Human Mesh Estimation from Virtual Markers*, CVPR 2023.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from operator import add

import torch
from einops import rearrange, reduce
from torch import Tensor
from torch.nn.functional import cosine_similarity, normalize


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Mean of ``values`` (N, ...) over frames where ``mask`` (N,); zero, with a gradient path, where none is.

    Selection by `torch.where`, not by a product: NaN on a masked frame stays out.
    """
    keep = mask.view(-1, *(1,) * (values.ndim - 1))
    total = torch.where(keep, values, torch.zeros_like(values)).sum()
    return total / (mask.sum().clamp(min=1) * (values[0].numel() if len(values) else 1))


def points_l1(predicted: Tensor, true: Tensor, mask: Tensor) -> Tensor:
    """Mean absolute difference of coordinates of joints, markers or vertices."""
    return masked_mean((predicted - true).abs(), mask)


def marginal_cross_entropy(marginals: Sequence[Tensor], cells: Tensor, inside: Tensor, mask: Tensor) -> Tensor:
    """Cross-entropy of each axis' marginal at the true cell, -log(p + 1e-6), summed over axes.

    Ma et al. take the whole volume at the true voxel; the marginals' sum is the cross-entropy of a volume that
    is a product of its axes, and costs no pass over the volumes.

    Args:
        marginals: of the axes u, v, d, each (N, K, cells of that axis).
        cells: (N, K, 3) int64, true cell along u, v, d.
        inside: (N, K) bool, whether the true point lies in the volume at all.
        mask: (N,) bool.
    """
    at_truth = [m.gather(-1, cells[..., axis : axis + 1])[..., 0] for axis, m in enumerate(marginals)]
    terms = functools.reduce(add, (-torch.log(p.float() + 1e-6) for p in at_truth))
    keep = rearrange(inside & mask[:, None], "n k -> (n k)")
    return masked_mean(rearrange(terms, "n k -> (n k)"), keep)


def edge_length(predicted: Tensor, true: Tensor, edges: Tensor, mask: Tensor) -> Tensor:
    """Mean absolute difference of edge lengths.

    Args:
        predicted: (N, V, 3).
        true: (N, V, 3).
        edges: (E, 2) int64 vertex indices.
        mask: (N,) bool.
    """
    lengths = [torch.linalg.vector_norm(_edges(v, edges), dim=-1) for v in (predicted, true)]
    return masked_mean((lengths[0] - lengths[1]).abs(), mask)


def surface_normals(predicted: Tensor, true: Tensor, faces: Tensor, mask: Tensor) -> Tensor:
    """Mean |cos| between the predicted edges of a face and the face's true normal; zero where they agree.

    Args:
        predicted: (N, V, 3).
        true: (N, V, 3).
        faces: (F, 3) int64.
        mask: (N,) bool.
    """
    # a NaN of the truth would come back in the gradient of the cosine, even where the mask leaves its value out
    true = torch.where(rearrange(mask, "n -> n 1 1"), true, torch.zeros_like(true))
    a, b, c = true[:, faces].unbind(2)
    normals = normalize(torch.linalg.cross(b - a, c - a), dim=-1)
    corners = predicted[:, faces]
    sides = corners - corners.roll(-1, dims=2)
    cosines = cosine_similarity(sides, rearrange(normals, "n f c -> n f 1 c"), dim=-1)
    return masked_mean(reduce(cosines.abs(), "n f side -> n f", "mean"), mask)


def _edges(vertices: Tensor, edges: Tensor) -> Tensor:
    return vertices[:, edges[:, 0]] - vertices[:, edges[:, 1]]


def mesh_edges(faces: Tensor) -> Tensor:
    """Unique undirected edges (E, 2) of faces (F, 3)."""
    pairs = torch.cat([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    return torch.unique(pairs.sort(dim=1).values, dim=0)
