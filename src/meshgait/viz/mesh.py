"""Pictures of meshes without a graphics card or display: z-buffer in numpy, orthographic, shaded.

Camera frame: x right, y up, z towards the camera, in metres; images are RGB uint8 (H, W, 3).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import trimesh
from einops import einsum, rearrange, repeat

from meshgait.atomic import atomic_file
from meshgait.body.skeleton import PARENTS

BACKGROUND = (246, 247, 249)
SKIN = (176, 188, 206)
ACCENT = (214, 84, 48)
_SUPERSAMPLE = 3


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


def camera(azimuth: float, elevation: float = 0.0) -> np.ndarray:
    """Rotation from the body's axes to the camera frame of a camera that circles the y axis.

    Args:
        azimuth: degrees; 0 sees the front (looks along -z), 90 stands at the body's left (+x).
        elevation: degrees above the horizon.

    Returns:
        (3, 3), rows are the camera's right, up and backward axes.
    """
    a, e = np.radians([azimuth, elevation])
    turn = np.array([[np.cos(a), 0, -np.sin(a)], [0, 1, 0], [np.sin(a), 0, np.cos(a)]])
    tilt = np.array([[1, 0, 0], [0, np.cos(e), -np.sin(e)], [0, np.sin(e), np.cos(e)]])
    return tilt @ turn


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


def _area(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    """Twice the signed area of triangles in the plane, corners (F, 2 or more)."""
    return (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0])


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


def rasterise(points: np.ndarray, faces: np.ndarray, size: tuple[int, int]) -> tuple[np.ndarray, ...]:
    """Finds for each pixel centre the triangle nearest to the camera.

    Args:
        points: (V, 3): column and row in pixels (pixel i covers [i, i+1)), depth towards the camera.
        faces: (F, 3).
        size: (H, W) in pixels.

    Returns:
        Index of the face at each pixel (H, W), -1 where there is none; barycentric weights (H, W, 3); depth
        (H, W), -inf where there is none.
    """
    height, width = size
    corners = points[faces]
    a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
    area = _area(a, b, c)
    low = np.ceil(corners[..., :2].min(1) - 0.5).astype(int).clip(0)
    high = np.floor(corners[..., :2].max(1) - 0.5).astype(int).clip(max=(width - 1, height - 1))
    extent = (high - low + 1).clip(0)
    extent[np.abs(area) < 1e-9] = 0
    count = extent.prod(1)

    # every pixel of every triangle's box, as one long list
    face = np.repeat(np.arange(len(faces)), count)
    step = np.arange(len(face)) - np.repeat(np.cumsum(count) - count, count)
    column = low[face, 0] + step % extent[face, 0]
    row = low[face, 1] + step // extent[face, 0]
    x, y = column + 0.5, row + 0.5

    def edge(p: np.ndarray, q: np.ndarray) -> np.ndarray:
        return (q[face, 0] - p[face, 0]) * (y - p[face, 1]) - (q[face, 1] - p[face, 1]) * (x - p[face, 0])

    weights = np.stack([edge(b, c), edge(c, a), edge(a, b)], axis=1) / area[face, None]
    inside = (weights >= -1e-9).all(1)
    face, weights, pixel = face[inside], weights[inside], (row * width + column)[inside]
    depth = einsum(weights, corners[face, :, 2], "p k, p k -> p")

    order = np.lexsort((depth, pixel))  # the last of each pixel's run is the nearest
    pixel, last = pixel[order], np.ones(len(order), dtype=bool)
    last[:-1] = pixel[1:] != pixel[:-1]
    winner, pixel = order[last], pixel[last]
    faces_seen, depths = np.full(height * width, -1), np.full(height * width, -np.inf)
    shares = np.zeros((height * width, 3))
    faces_seen[pixel], shares[pixel], depths[pixel] = face[winner], weights[winner], depth[winner]
    return (
        rearrange(faces_seen, "(h w) -> h w", h=height),
        rearrange(shares, "(h w) k -> h w k", h=height),
        rearrange(depths, "(h w) -> h w", h=height),
    )


def render(
    mesh: Mesh,
    size: tuple[int, int] = (480, 320),
    rotation: np.ndarray | None = None,
    scale: float | None = None,
    centre: np.ndarray | None = None,
    background: Sequence[int] = BACKGROUND,
    smooth: bool = True,
) -> np.ndarray:
    """Draws a shaded mesh.

    Args:
        mesh: what to draw; closed surfaces, whose inside is never seen.
        size: (H, W) in pixels.
        rotation: (3, 3) from the mesh's axes to the camera frame, see `camera`; None looks from the front.
        scale: pixels per metre; None fits the mesh into the picture.
        centre: (3,) point in metres that is drawn in the middle; None takes the middle of the box.
        background: RGB colour.
        smooth: whether to interpolate normals (else each triangle has one shade).

    Returns:
        RGB picture (H, W, 3) uint8.
    """
    rotation = np.eye(3) if rotation is None else rotation
    if centre is None:
        centre = (mesh.vertices.min(0) + mesh.vertices.max(0)) / 2
    seen = (mesh.vertices - centre) @ rotation.T
    if scale is None:
        reach = np.maximum(np.abs(seen[:, :2]).max(0), 1e-6)
        scale = float((0.5 * 0.94 * np.array([size[1], size[0]]) / reach).min())
    fine = (size[0] * _SUPERSAMPLE, size[1] * _SUPERSAMPLE)
    pixels = seen * (1, -1, 1) * (scale * _SUPERSAMPLE) + (fine[1] / 2, fine[0] / 2, 0)
    a, b, c = rearrange(pixels[mesh.faces][..., :2], "f k c -> k f c")
    facing = mesh.faces[_area(a, b, c) < 0]  # counter-clockwise with y up is clockwise with rows down
    face, shares, _ = rasterise(pixels, facing, fine)
    hit = face >= 0
    corner, share = facing[face[hit]], shares[hit]
    if smooth:
        normals = einsum(share, vertex_normals(seen, mesh.faces)[corner], "p k, p k c -> p c")
    else:
        a, b, c = (seen[corner[:, k]] for k in range(3))
        normals = np.cross(b - a, c - a)
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    colours = einsum(share, mesh.colours[corner], "p k, p k c -> p c")

    picture = np.empty((*fine, 3), np.float32)
    picture[:] = np.asarray(background, np.float32)
    picture[hit] = shade(normals, colours)
    resized = cv2.resize(picture, (size[1], size[0]), interpolation=cv2.INTER_AREA)
    return np.clip(np.round(resized), 0, 255).astype(np.uint8)


def shade(normals: np.ndarray, colours: np.ndarray) -> np.ndarray:
    """Key light from the upper left, weak fill from the right, sky above, and a dark rim (Blinn-Phong)."""
    key = np.array([-0.45, 0.55, 0.70])
    key /= np.linalg.norm(key)
    fill = np.array([0.8, 0.1, 0.6])
    fill /= np.linalg.norm(fill)
    half = key + np.array([0, 0, 1.0])
    half /= np.linalg.norm(half)
    light = 0.36 + 0.10 * normals[:, 1] + 0.62 * (normals @ key).clip(0) + 0.18 * (normals @ fill).clip(0)
    light *= 0.72 + 0.28 * np.abs(normals[:, 2]).clip(0, 1) ** 0.5
    gloss = 26.0 * (normals @ half).clip(0) ** 24
    return colours * light[:, None] + gloss[:, None]


def views(mesh: Mesh, azimuths: Sequence[float] = (0, 35, 90, 180), height: int = 480) -> np.ndarray:
    """One picture with a mesh seen from several sides, at one scale.

    Args:
        mesh: what to draw.
        azimuths: degrees, see `camera`.
        height: of the picture in pixels.

    Returns:
        RGB picture (height, W, 3) uint8.
    """
    low, high = mesh.vertices.min(0), mesh.vertices.max(0)
    centre = (low + high) / 2
    scale = 0.92 * height / (high[1] - low[1])
    panels = []
    for azimuth in azimuths:
        rotation = camera(azimuth)
        width = 2.0 * np.abs((mesh.vertices - centre) @ rotation[0]).max() * scale
        size = (height, int(width + 0.1 * height))
        panels.append(render(mesh, size, rotation, scale, centre))
    return np.concatenate(panels, axis=1)


def turntable(mesh: Mesh, frames: int = 36, size: tuple[int, int] = (360, 360)) -> list[np.ndarray]:
    """Pictures of a mesh that turns once about the vertical, for an animation.

    Args:
        mesh: what to draw.
        frames: number of pictures T.
        size: (H, W) in pixels.

    Returns:
        T pictures (H, W, 3) uint8.
    """
    low, high = mesh.vertices.min(0), mesh.vertices.max(0)
    centre = (low + high) / 2
    radius = np.linalg.norm((mesh.vertices - centre)[:, [0, 2]], axis=1).max()
    scale = 0.94 * min(size[0] / (high[1] - low[1]), size[1] / (2 * radius))
    return [render(mesh, size, camera(a), scale, centre) for a in np.linspace(0, 360, frames, endpoint=False)]


def write_obj(path: str | Path, mesh: Mesh | trimesh.Trimesh) -> None:
    """Writes a Wavefront .obj file, in metres, under a temporary name until it is whole.

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
