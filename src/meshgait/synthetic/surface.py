"""The body's surface refined for clothes: where the mesh is coarse, faces are split so that hems can show."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import trimesh
from einops import rearrange
from scipy import sparse

from meshgait.body.raster import Topology
from meshgait.synthetic.rig import Figure, Rig
from meshgait.synthetic.rotations import turn

MAX_EDGE = 0.07
"""Longest edge [m] of a clothed surface: about two pixels and a half of a silhouette of 64 rows."""

GROUPS = {
    "torso": (0, 3, 6, 9, 13, 14),
    "leg": (1, 2, 4, 5),
    "foot": (7, 8, 10, 11),
    "head": (12, 15),
    "arm": (16, 17, 18, 19),
    "hand": (20, 21, 22, 23),
}
"""Joints whose skin belongs to a part of the body."""


class Surface:
    """Refined surface of a rig: points are fixed mixtures of the rig's vertices.

    Args:
        rig: the body.

    Attributes:
        mixture: (N, V) sparse, rows sum to one.
        faces: (G, 3).
        weights: (N, 24) skinning weights of the points.
        topology: of `faces`.
    """

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.mixture, self.faces = _split(rig.template, rig.faces)
        self.weights = self.mixture @ rig.weights.astype(np.float64)
        self._sparse_weights = sparse.csr_array(self.weights.astype(np.float32))
        self.topology = Topology.of(self.faces)

    def skin(self, figure: Figure, points: np.ndarray, rotations: np.ndarray, joints: np.ndarray) -> np.ndarray:
        """Pose rest points (N, 3): (3, N, T) float32 from the pelvis; see `Figure.skin` for the arguments."""
        shift = joints - turn(rotations, figure.joints[None])
        stacked = np.concatenate([rotations, shift[..., None]], axis=-1).astype(np.float32)
        blended = self._sparse_weights @ rearrange(stacked, "t j a b -> j (a b t)")
        blended = rearrange(blended, "n (a b t) -> a b n t", a=3, b=4)
        x, y, z = points.T.astype(np.float32)[..., None]
        return np.stack([row[0] * x + row[1] * y + row[2] * z + row[3] for row in blended])


def _split(vertices: np.ndarray, faces: np.ndarray) -> tuple[sparse.csr_array, np.ndarray]:
    """Split faces with a long edge into four, twice; returns the mixture (N, V) and the new faces."""
    mixture = sparse.eye_array(len(vertices), format="csr")
    for limit in (2 * MAX_EDGE, MAX_EDGE):
        points = mixture @ vertices
        corners = points[faces]
        long = np.linalg.norm(corners - np.roll(corners, -1, axis=1), axis=-1).max(axis=1) > limit
        if not long.any():
            continue
        chosen = faces[long]
        edges = rearrange(np.stack([chosen, np.roll(chosen, -1, axis=1)], axis=-1), "f e k -> (f e) k")
        unique, inverse = np.unique(np.sort(edges, axis=1), axis=0, return_inverse=True)
        middle = len(points) + rearrange(inverse.reshape(-1), "(f e) -> f e", e=3)
        rows = np.repeat(np.arange(len(unique)), 2)
        half = (np.full(len(rows), 0.5), (rows, rearrange(unique, "e k -> (e k)")))
        halves = sparse.csr_array(half, (len(unique), len(points)))
        a, b, c = chosen.T
        ab, bc, ca = middle.T
        quarters = [(a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca)]
        faces = np.concatenate([faces[~long], *(np.stack(quarter, axis=1) for quarter in quarters)])
        mixture = sparse.csr_array(sparse.vstack([mixture, halves @ mixture]))
    return mixture, faces


@dataclass(frozen=True)
class Skin:
    """A person's surface in the rest pose with what clothes need to know about each point.

    Attributes:
        surface: of the rig.
        figure: the person.
    """

    surface: Surface
    figure: Figure

    @cached_property
    def points(self) -> np.ndarray:
        """(N, 3) metres."""
        return self.surface.mixture @ self.figure.vertices

    @cached_property
    def normals(self) -> np.ndarray:
        """(N, 3) unit, outwards."""
        mesh = trimesh.Trimesh(self.figure.vertices, self.surface.rig.faces, process=False)
        smooth = self.surface.mixture @ mesh.vertex_normals
        return smooth / np.maximum(np.linalg.norm(smooth, axis=1, keepdims=True), 1e-9)

    @cached_property
    def share(self) -> dict[str, np.ndarray]:
        """Per part of the body how much each point belongs to it (N,), 0..1."""
        return {part: self.surface.weights[:, list(joints)].sum(axis=1) for part, joints in GROUPS.items()}

    @cached_property
    def along(self) -> dict[str, np.ndarray]:
        """Coordinates (N,) along the body.

        "leg": 0 hip, 1 knee, 2 ankle; "arm": 0 shoulder, 1 elbow, 2 wrist; "torso": 0 hips, 1 neck, negative
        below the hips.
        """
        joints, points = self.figure.joints, self.points
        leg = np.interp(-points[:, 1], -joints[[1, 4, 7], 1], [0.0, 1.0, 2.0])
        arm = np.interp(np.abs(points[:, 0]), joints[[16, 18, 20], 0], [0.0, 1.0, 2.0])
        torso = (points[:, 1] - joints[1, 1]) / (joints[12, 1] - joints[1, 1])
        return {"leg": leg, "arm": arm, "torso": torso}

    def back(self, height: float) -> float:
        """Depth (z) of the back [m] at a height y of the rest pose."""
        near = (self.share["torso"] > 0.5) & (np.abs(self.points[:, 1] - height) < 0.08)
        return float(self.points[near, 2].min())
