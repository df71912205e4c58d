"""What a mesh covers of the crop, and how well that agrees with a silhouette."""

from __future__ import annotations

import numpy as np
from einops import rearrange

from meshgait.body.raster import Topology, fill, outlines

BLOCK = 64
"""Frames drawn at once: bounds memory, some megabytes per thousand faces."""

FARTHEST = 1e5
"""Pixels from the crop beyond which coordinates are cut; a fit that is farther off is wrong anyway."""


def outline_masks(
    vertices: np.ndarray, faces: np.ndarray | Topology, size: tuple[int, int] = (64, 44)
) -> np.ndarray:
    """Pixels whose centre the mesh covers.

    Args:
        vertices: (T, V, 2) or (T, V, 3) crop pixels (u right, v down, then depth, which is not needed); pixel i
            covers [i, i + 1). `meshgait.body.targets.to_pixels` gives them.
        faces: (F, 3) vertex indices of either winding, or their topology where many meshes of one body are drawn.
        size: (H, W) of the crop.

    Returns:
        (T, H, W) bool; empty where a vertex is not finite.
    """
    topology = faces if isinstance(faces, Topology) else Topology.of(np.asarray(faces))
    masks = np.zeros((len(vertices), *size), bool)
    for start in range(0, len(vertices), BLOCK):
        block = np.asarray(vertices[start : start + BLOCK, :, :2], np.float32)
        sound = np.isfinite(block).all(axis=(1, 2))
        block = np.where(rearrange(sound, "t -> t 1 1"), block, np.float32(0)).clip(-FARTHEST, FARTHEST)
        points = np.ascontiguousarray(rearrange(block, "t v c -> c v t"))
        masks[start : start + BLOCK] = fill(outlines(points, topology), len(block), size) > 0
    return masks


def iou(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Intersection over union of masks.

    Args:
        first: (T, H, W) bool.
        second: the same.

    Returns:
        (T,) in [0, 1]; 0 where both are empty, for nothing agrees there.
    """
    common = np.count_nonzero(first & second, axis=(1, 2))
    either = np.count_nonzero(first | second, axis=(1, 2))
    return common / np.maximum(either, 1)
