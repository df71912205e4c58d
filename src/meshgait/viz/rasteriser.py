"""Which triangle of a mesh is seen at each pixel: an exact z-buffer in numpy, for pictures of meshes.

`meshgait.body.raster` draws silhouettes of whole sequences, for which no depth is needed.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from einops import rearrange

EDGE = 1e-9
"""Pixels by which a triangle reaches beyond its edges, so that no pixel on a shared edge is lost to rounding."""


class VisibleFaces(NamedTuple):
    """The P pixels whose centre a triangle covers, and the triangle nearest to the camera there.

    Attributes:
        pixel: (P,) rising numbers of the pixels: row times width plus column.
        face: (P,) index of the triangle.
        weights: (P, 3) barycentric weights of its corners.
        depth: (P,) of the surface.
    """

    pixel: np.ndarray
    face: np.ndarray
    weights: np.ndarray
    depth: np.ndarray


def twice_area(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    """Twice the signed area of triangles in the plane, corners (F, 2 or more)."""
    return (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0])


def rasterise(points: np.ndarray, faces: np.ndarray, size: tuple[int, int]) -> VisibleFaces:
    """Find for each pixel centre the triangle nearest to the camera.

    Args:
        points: (V, 3): column and row in pixels (pixel i covers [i, i + 1)), depth towards the camera.
        faces: (F, 3).
        size: (H, W) in pixels.
    """
    height, width = size
    corners = points[faces].astype(float)
    planes = _weight_planes(corners)
    span, row, first, last = _spans(corners, planes, size)

    # every pixel of every span, as one long list
    count = last - first + 1
    start = np.cumsum(count) - count
    column = np.arange(int(count.sum())) + np.repeat(first - start, count)
    pixel = np.repeat(row * width, count) + column
    slopes = np.einsum("fkx,fk->fx", planes, corners[..., 2])[span]  # depth = slopes . (x, y, 1)
    at_row = slopes[:, 1] * (row + 0.5) + slopes[:, 2]
    depth = np.repeat(slopes[:, 0], count) * (column + 0.5) + np.repeat(at_row, count)

    nearest = np.full(height * width, -np.inf)
    np.maximum.at(nearest, pixel, depth)
    won = np.flatnonzero(depth == nearest[pixel])[::-1]  # of equally near ones the first stays
    seen = np.full(height * width, -1)
    seen[pixel[won]] = np.repeat(span, count)[won]
    hit = np.flatnonzero(seen >= 0)
    x, y = hit % width + 0.5, hit // width + 0.5
    plane = planes[seen[hit]]
    weights = plane[..., 0] * x[:, None] + plane[..., 1] * y[:, None] + plane[..., 2]
    return VisibleFaces(hit, seen[hit], weights, nearest[hit])


def _weight_planes(corners: np.ndarray) -> np.ndarray:
    """(F, 3, 3): row k times (x, y, 1) is the barycentric weight of corner k; NaN for triangles without area."""
    following, after = np.roll(corners, -1, axis=1)[..., :2], np.roll(corners, -2, axis=1)[..., :2]
    a, b, c = rearrange(corners, "f k x -> k f x")
    area = twice_area(a, b, c)
    area = np.where(np.abs(area) < 1e-9, np.nan, area)
    (x0, y0), (x1, y1) = (rearrange(p, "f k x -> x f k") for p in (following, after))
    return np.stack([y0 - y1, x1 - x0, x0 * y1 - x1 * y0], axis=-1) / area[:, None, None]


def _spans(
    corners: np.ndarray, planes: np.ndarray, size: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Triangle, row, first and last column (S,) of the pixels that each triangle covers in each row."""
    height, width = size
    low = np.ceil(corners[..., 1].min(1) - 0.5 - EDGE).clip(0, height).astype(int)
    high = np.floor(corners[..., 1].max(1) - 0.5 + EDGE).clip(-1, height - 1).astype(int)
    count = np.where(np.isnan(planes[:, 0, 0]), 0, high - low + 1).clip(0)
    face = np.repeat(np.arange(len(corners)), count)
    row = np.arange(len(face)) + np.repeat(low - np.cumsum(count) + count, count)
    slope, rest = planes[face, :, 0], planes[face, :, 1] * (row[:, None] + 0.5) + planes[face, :, 2]
    with np.errstate(divide="ignore", invalid="ignore"):
        crossing = -rest / slope
    # a weight is 0 or more to the right of where it crosses 0 if it rises, to the left if it falls
    left = np.where(slope > 0, crossing, -np.inf).max(axis=1)
    right = np.where(slope < 0, crossing, np.inf).min(axis=1)
    outside = ((slope == 0) & (rest < -EDGE)).any(axis=1)
    first = np.ceil(left - 0.5 - EDGE).clip(0, width).astype(int)
    last = np.floor(right - 0.5 + EDGE).clip(-1, width - 1).astype(int)
    kept = (first <= last) & ~outside
    return face[kept], row[kept], first[kept], last[kept]
