"""Meshes with colours, shapes that mark points and bones, Wavefront files; `meshgait.viz.render` draws them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import trimesh
from einops import rearrange, repeat

from meshgait.atomic import atomic_file
from meshgait.body.skeleton import PARENTS

SKIN = (176, 188, 206)
ACCENT = (214, 84, 48)


@dataclass(frozen=True)
class Mesh:
    """A surface with a colour per vertex.

    Attributes:
        vertices: (V, 3) in metres.
        faces: (F, 3) vertex indices, counter-clockwise seen from outside.
        colours: (V, 3) RGB, 0..255.
    """

    vertices: np.ndarray
    faces: np.ndarray
    colours: np.ndarray

    @classmethod
    def of(cls, vertices: np.ndarray, faces: np.ndarray, colours: np.ndarray | Sequence[float] = SKIN) -> Mesh:
        """A mesh with one colour, or with a colour per vertex."""
        return cls(vertices, faces, np.broadcast_to(np.asarray(colours, np.float32), (len(vertices), 3)))

    def __add__(self, other: Mesh) -> Mesh:
        return Mesh(
            np.concatenate([self.vertices, other.vertices]),
            np.concatenate([self.faces, other.faces + len(self.vertices)]),
            np.concatenate([self.colours, other.colours]),
        )


def vertex_normals(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Area-weighted unit normals.

    Args:
        vertices: (V, 3).
        faces: (F, 3).

    Returns:
        (V, 3); zero for vertices of no face.
    """
    corners = vertices[faces]
    area = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals = np.zeros_like(vertices, dtype=np.float64)
    np.add.at(normals, faces.ravel(), np.repeat(area, 3, axis=0))
    return normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)


def spheres(centres: np.ndarray, radius: float = 0.012, colours: np.ndarray | Sequence[float] = ACCENT) -> Mesh:
    """Small balls that mark points.

    Args:
        centres: (P, 3) in metres.
        radius: in metres.
        colours: one RGB colour, or (P, 3).
    """
    ball = trimesh.creation.icosphere(subdivisions=2, radius=radius)
    size = len(ball.vertices)
    vertices = rearrange(centres[:, None] + ball.vertices, "p v c -> (p v) c")
    faces = rearrange(ball.faces + size * np.arange(len(centres))[:, None, None], "p f c -> (p f) c")
    colours = np.broadcast_to(np.asarray(colours, np.float32), (len(centres), 3))
    return Mesh(vertices, faces, repeat(colours, "p c -> (p v) c", v=size))


def skeleton(joints: np.ndarray, radius: float = 0.012, colours: np.ndarray | Sequence[float] = ACCENT) -> Mesh:
    """Balls at SMPL's joints and rods along the bones between them.

    Args:
        joints: (24, 3) in metres, in SMPL's order.
        radius: of the balls in metres; rods are half as thick.
        colours: one RGB colour.
    """
    bones = spheres(joints, radius, colours)
    for joint, parent in enumerate(PARENTS):
        if parent >= 0 and not np.allclose(joints[joint], joints[parent]):
            rod = trimesh.creation.cylinder(radius / 2, segment=joints[[parent, joint]], sections=8)
            bones = bones + Mesh.of(np.asarray(rod.vertices), np.asarray(rod.faces), colours)
    return bones


def write_obj(path: str | Path, mesh: Mesh | trimesh.Trimesh) -> None:
    """Write a Wavefront .obj file, in metres, under a temporary name until it is whole.

    Args:
        path: where to.
        mesh: what to write; colours are left out.

    Raises:
        OutputError: the place cannot be written.
    """
    path = Path(path)
    solid = (
        mesh if isinstance(mesh, trimesh.Trimesh) else trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)
    )
    text = trimesh.exchange.obj.export_obj(solid, include_normals=False, include_color=False, header="Mesh-Gait")
    with atomic_file(path) as partial:
        partial.write_text(text, encoding="utf-8")
