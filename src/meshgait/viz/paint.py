"""Pictures of meshes in milliseconds, for animations and for pictures drawn while training.

Triangles are painted from the farthest to the nearest, each in one shade. `meshgait.viz.mesh.render` decides per
pixel and shades smoothly, and takes some ten times as long.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from einops import rearrange

from meshgait.viz.mesh import BACKGROUND, Mesh, shade, vertex_normals

SUPERSAMPLE = 2
FRACTION_BITS = 4
"""OpenCV takes corners as integers with this number of fractional bits."""


def paint(
    mesh: Mesh,
    size: tuple[int, int],
    scale: float,
    centre: np.ndarray,
    background: Sequence[int] = BACKGROUND,
    split: bool = False,
) -> np.ndarray:
    """Draw a shaded mesh seen from the front (along -z).

    Args:
        mesh: what to draw, a closed surface.
        size: (H, W) in pixels.
        scale: pixels per unit of the mesh.
        centre: (3,) point that is drawn in the middle.
        background: RGB colour.
        split: shade each triangle in four parts, for pictures in which triangles are seen.

    Returns:
        RGB picture (H, W, 3) uint8.
    """
    seen = mesh.vertices - centre
    height, width = size[0] * SUPERSAMPLE, size[1] * SUPERSAMPLE
    flat = seen[:, :2] * (scale * SUPERSAMPLE, -scale * SUPERSAMPLE) + (width / 2, height / 2)
    a, b, c = rearrange(flat[mesh.faces], "f k xy -> k f xy")
    turn = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0])
    facing = mesh.faces[turn < 0]  # counter-clockwise with y up is clockwise with rows down
    columns = [flat, seen[:, 2:], vertex_normals(seen, mesh.faces), mesh.colours]
    corners = np.concatenate(columns, axis=1)[facing]
    corners = _quarters(corners) if split else corners
    corners = corners[np.argsort(corners[..., 2].mean(1), kind="stable")]
    normals, colours = corners[..., 3:6].mean(1), corners[..., 6:].mean(1)
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    shades = np.clip(shade(normals, colours), 0, 255).round().tolist()
    # pixel i covers [i, i + 1), OpenCV puts its centre at i
    triangles = np.round((corners[..., :2] - 0.5) * (1 << FRACTION_BITS)).astype(np.int32)
    picture = np.empty((height, width, 3), np.uint8)
    picture[:] = background
    for triangle, colour in zip(triangles, shades, strict=True):
        cv2.fillConvexPoly(picture, triangle, colour, cv2.LINE_8, FRACTION_BITS)
    return cv2.resize(picture, size[::-1], interpolation=cv2.INTER_AREA)


def _quarters(corners: np.ndarray) -> np.ndarray:
    """Triangles with what belongs to their corners (F, 3, C), cut at the middles of their sides: (4 F, 3, C)."""
    a, b, c = rearrange(corners, "f k c -> k f c")
    ab, bc, ca = (a + b) / 2, (b + c) / 2, (c + a) / 2
    return np.concatenate(
        [np.stack(three, axis=1) for three in ((a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca))]
    )
