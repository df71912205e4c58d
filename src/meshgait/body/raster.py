"""Silhouettes of meshes: exact coverage at pixel centres, for all frames of a sequence at once.

A pixel belongs to the figure if any triangle covers its centre. Counting triangles over a pixel needs only
the edges: along a row, each triangle adds one where it begins and takes one away where it ends, and between
two triangles that face the same way both terms cancel. So only the outline edges (where one side faces the
camera and the other does not) and the borders of open meshes are drawn: some hundreds out of thousands,
accumulated row by row in one pass over the whole sequence.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from einops import rearrange


@dataclass(frozen=True)
class Topology:
    """Triangles and the edges between them.

    Attributes:
        faces: (F, 3) point indices.
        edges: (E, 2) point indices in the order of the edge's first face.
        sides: (E, 2) first face, second face (-1: none).
    """

    faces: np.ndarray
    edges: np.ndarray
    sides: np.ndarray

    @classmethod
    def of(cls, faces: np.ndarray) -> Topology:
        """Pair up the edges of consistently wound faces (F, 3)."""
        directed = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
        owner = np.tile(np.arange(len(faces)), 3)
        code = directed.min(axis=1) * (int(faces.max()) + 1) + directed.max(axis=1)
        order = np.argsort(code, kind="stable")
        directed, owner, code = directed[order], owner[order], code[order]
        # a pair of faces shares an edge only if they run along it in opposite directions
        starts = np.flatnonzero(np.r_[True, code[1:] != code[:-1]])
        counts = np.diff(np.r_[starts, len(code)])
        pairs = starts[counts == 2]
        matched = pairs[(directed[pairs] == directed[pairs + 1][:, ::-1]).all(axis=1)]
        second = np.full(len(code), -1)
        second[matched] = owner[matched + 1]
        keep = np.ones(len(code), bool)
        keep[matched + 1] = False
        return cls(faces, directed[keep], np.stack([owner, second], axis=1)[keep])

    def joined(self, other: Topology, points: int) -> Topology:
        """Both meshes as one, the other's points following the first `points` of this one."""
        sides = np.where(other.sides >= 0, other.sides + len(self.faces), -1)
        return Topology(
            np.concatenate([self.faces, other.faces + points]),
            np.concatenate([self.edges, other.edges + points]),
            np.concatenate([self.sides, sides]),
        )


def outlines(points: np.ndarray, topology: Topology) -> np.ndarray:
    """Directed outline edges of a mesh in all frames.

    Args:
        points: (2, N, T) pixel coordinates.
        topology: of the mesh.

    Returns:
        (6, K) float32: frame, x0, y0, x1, y1, weight.
    """
    (xa, xb, xc), (ya, yb, yc) = (tuple(row[corner] for corner in topology.faces.T) for row in points)
    twice_area = (xb - xa) * (yc - ya) - (yb - ya) * (xc - xa)
    # one more row, 0, for the missing second face at a border
    facing = np.zeros((len(twice_area) + 1, twice_area.shape[1]), np.int8)
    facing[:-1] = (twice_area > 0).view(np.int8) - (twice_area < 0).view(np.int8)
    weight = facing[topology.sides[:, 0]] - facing[topology.sides[:, 1]]
    edge, frame = np.nonzero(weight)
    start, end = topology.edges[edge].T
    x, y = points
    columns = (frame, x[start, frame], y[start, frame], x[end, frame], y[end, frame], weight[edge, frame])
    return np.stack([column.astype(np.float32) for column in columns])


def hulls(points: np.ndarray) -> np.ndarray:
    """Directed edges (6, K), as of `outlines`, of the convex hull of points (2, n, T) in each frame."""
    clouds = np.ascontiguousarray(rearrange(points, "c n t -> t n c"), np.float32)
    corners = [cv2.convexHull(cloud)[:, 0] for cloud in clouds]
    sizes = np.array([len(corner) for corner in corners])
    first = np.cumsum(sizes) - sizes
    index = np.arange(sizes.sum()) + 1
    index[first + sizes - 1] = first  # the last corner of a hull is followed by its first
    start = np.concatenate(corners)
    end = start[index]
    area = np.add.reduceat(start[:, 0] * end[:, 1] - start[:, 1] * end[:, 0], first)
    frame, weight = np.repeat(np.arange(len(clouds)), sizes), np.repeat(np.sign(area), sizes)
    return np.stack([frame, *start.T, *end.T, weight]).astype(np.float32)


def fill(edges: np.ndarray, frames: int, size: tuple[int, int]) -> np.ndarray:
    """Fill what directed edges enclose.

    Args:
        edges: (6, K) frame, x0, y0, x1, y1, weight; pixel i covers [i, i + 1), y down.
        frames: T.
        size: (H, W) in pixels.

    Returns:
        (T, H, W) uint8, 255 where the pixel's centre is covered.
    """
    height, width = size
    frame, x0, y0, x1, y1, weight = edges
    first = np.clip(np.ceil(np.minimum(y0, y1) - 0.5), 0, height).astype(np.int64)
    last = np.clip(np.ceil(np.maximum(y0, y1) - 0.5), 0, height).astype(np.int64)
    count = last - first
    index = np.repeat(np.arange(len(count)), count)
    row = np.arange(len(index)) + np.repeat(first - np.cumsum(count) + count, count)
    with np.errstate(divide="ignore", invalid="ignore"):  # level edges, which cross no row
        slant = (x1 - x0) / (y1 - y0)
    across = (x0 - (y0 - 0.5) * slant)[index] + row * slant[index]
    column = np.clip(np.ceil(across - 0.5), 0, width).astype(np.int64)
    place = (frame.astype(np.int64) * height)[index] + row
    place = place * (width + 1) + column
    # both faces of an outline edge count, so weights reach 2; sums stay far below the range of int16
    signed = (weight * np.sign(y1 - y0))[index]
    sums = np.bincount(place, weights=signed, minlength=frames * height * (width + 1))
    counts = sums.astype(np.int16).reshape(frames, height, width + 1)
    return np.where(np.cumsum(counts, axis=-1, dtype=np.int16)[..., :width] != 0, np.uint8(255), np.uint8(0))
