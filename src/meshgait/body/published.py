"""Virtual markers as their authors publish them -> a marker set of the body in use.

Ma et al. (3D Human Mesh Estimation from Virtual Markers, CVPR 2023) give a folder for each number of markers K:
`vm_B_sym.npz` (V', K), which vertex each marker is; `vm_A_sym.npz` (K, V'), the mixture of markers that makes each
vertex; both SciPy sparse matrices; and `vm_info.npz` with `vm_K` and `vm_flip_pairs`. V' = 5,664 is smaller than
SMPL's 6,890, for the 1,226 vertices of the head were left out.

What the publication does not give is computed for the body at hand: the mixtures of the vertices left out, the
best ones on sampled meshes as for markers of our own, and the ridge decoder. No mixture of points below the head
reaches the head, so there the simplex decoder is off by more than a hand's breadth; the ridge decoder is not, for
its weights may be negative. Both errors are kept with the markers. Train with the ridge decoder.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np

from meshgait.arrays import Expected, read_npz
from meshgait.body import archetypes
from meshgait.body.archetypes import MILLIMETRES, Symmetry
from meshgait.body.markers import HELD_OUT, Markers, MarkerSettings, assemble
from meshgait.body.poses import sample_meshes
from meshgait.body.skeleton import JOINT_NAMES
from meshgait.body.smpl import BodyModel
from meshgait.body.sparse import dense_matrix
from meshgait.errors import BodyModelError

STEPS = 3
"""Steps that the import reports."""

MIRRORED = 0.03
"""Metres that a marker may lie off its partner's mirror image; otherwise vertices are numbered differently."""

_REMEDY = "give the folder of one K out of assets/ of the publication"


def import_markers(
    folder: Path,
    body: BodyModel,
    kept: np.ndarray | None = None,
    report: Callable[[int, str], None] = lambda step, note: None,
) -> Markers:
    """Reads published markers.

    Args:
        folder: with vm_A_sym.npz, vm_B_sym.npz and vm_info.npz.
        body: the body they are for.
        kept: (V',) vertex of the body for each row of B; None if the body has V' vertices, or if those left out
            are the ones that follow its head joint most.
        report: called with (step, what comes next).

    Returns:
        Markers with left ones first, then right, then midline; `settings.steps` is 0, as none was learnt.

    Raises:
        BodyModelError: a file is missing or malformed, or made for another body.
    """
    folder = Path(folder)
    mixture, choice = _matrix(folder / "vm_A_sym.npz"), _matrix(folder / "vm_B_sym.npz")
    pairs = _pairs(folder / "vm_info.npz", mixture.shape[0])
    if choice.shape != mixture.shape[::-1]:
        raise BodyModelError(
            f"{folder}: vm_A_sym.npz is {mixture.shape}, vm_B_sym.npz is {choice.shape}, not its "
            f"transpose's shape",
            f"{_REMEDY}",
        )
    if not ((choice != 0).sum(axis=0) == 1).all():
        raise BodyModelError(f"{folder}: vm_B_sym.npz has not one vertex for each marker", _REMEDY)
    if mixture.min() < -1e-6 or not np.allclose(mixture.sum(axis=0), 1, atol=0.01):
        raise BodyModelError(f"{folder}: columns of vm_A_sym.npz are no mixtures of markers", _REMEDY)
    kept = _kept(mixture.shape[1], body, kept)
    indices = kept[choice.argmax(axis=0)]
    order, flip = _ordered(indices, pairs, body, folder)
    indices, mixture = indices[order], mixture[order]

    settings = MarkerSettings(k=len(indices), steps=0)
    symmetry = Symmetry(body.mirror, flip, np.sign(body.arrays["v_template"][:, 0]))
    report(0, "sampling meshes")
    features = archetypes.compress(sample_meshes(body, settings.meshes, settings.seed), body.mirror)
    report(1, "decoders")
    simplex = archetypes.simplex_decoder(features, indices, symmetry)
    simplex[:, kept] = mixture.clip(0) / mixture.clip(0).sum(axis=0)
    ridge = archetypes.ridge_decoder(features, indices, symmetry, settings.noise_mm)
    report(2, "errors")
    markers = assemble(body, indices, simplex, ridge, flip, settings)
    report(STEPS, "")
    left_out = np.setdiff1d(np.arange(body.num_vertices), kept)
    if not len(left_out):
        return markers
    meshes = sample_meshes(body, HELD_OUT, settings.seed + 2, noise=0.0)
    far = {
        f"{name}_left_out": np.linalg.norm(
            markers.decode(markers.pick(meshes), name)[:, left_out] - meshes[:, left_out], axis=-1
        )
        for name in ("simplex", "ridge")
    }
    errors = {name: round(MILLIMETRES * float(error.mean()), 2) for name, error in far.items()}
    return dataclasses.replace(markers, errors={**markers.errors, **errors})


def _matrix(path: Path) -> np.ndarray:
    """A SciPy sparse matrix as a dense array; SciPy reads these files without pickle."""
    expected = {"shape": Expected("iu", (1,)), "format": Expected("US", (0,)), "data": Expected("fiub", (1,))}
    expected |= {name: Expected("iu", (1,)) for name in ("indices", "indptr")}
    arrays = read_npz(path, expected, _REMEDY, BodyModelError)
    try:
        return dense_matrix(arrays["format"].astype(str).item(), arrays, tuple(arrays["shape"].tolist()))
    except (ValueError, KeyError, TypeError) as error:
        raise BodyModelError(f"{path} cannot be read as a sparse matrix ({error})", _REMEDY) from None


def _pairs(path: Path, k: int) -> np.ndarray:
    """Left-right pairs (P, 2) of markers."""
    expected = {"vm_K": Expected("iu", (0,)), "vm_flip_pairs": Expected("iu", (2,))}
    arrays = read_npz(path, expected, _REMEDY, BodyModelError)
    count, pairs = int(arrays["vm_K"]), arrays["vm_flip_pairs"].astype(np.int64)
    if count != k:
        raise BodyModelError(f"{path} is of {count} markers, vm_A_sym.npz of {k}", _REMEDY)
    once = pairs.ndim == 2 and pairs.shape[1] == 2 and len(np.unique(pairs)) == pairs.size
    if not once or pairs.min(initial=0) < 0 or pairs.max(initial=0) >= k:
        raise BodyModelError(f"{path}: vm_flip_pairs {pairs.shape} are no pairs of {k} markers", _REMEDY)
    return pairs


def _kept(count: int, body: BodyModel, kept: np.ndarray | None) -> np.ndarray:
    """Vertex (V',) of the body for each row of B."""
    if kept is None and count == body.num_vertices:
        return np.arange(count)
    if kept is None:
        kept = np.flatnonzero(body.arrays["weights"].argmax(axis=1) != JOINT_NAMES.index("head"))
        if len(kept) != count:
            raise BodyModelError(
                f"the markers are of {count} vertices, {body.source} has {body.num_vertices} ({len(kept)} without "
                "the head)",
                "give the body they were made for, or its vertices by --vertex-indices",
            )
    if kept.shape != (count,) or len(np.unique(kept)) < count or kept.min() < 0 or kept.max() >= body.num_vertices:
        raise BodyModelError(
            f"the vertex indices {kept.shape} are not {count} different ones of {body.num_vertices}",
            "give those of the vertices that the markers were made of",
        )
    return kept.astype(np.int64)


def _ordered(
    indices: np.ndarray, pairs: np.ndarray, body: BodyModel, folder: Path
) -> tuple[np.ndarray, np.ndarray]:
    """Order (K,) that puts left markers first, then right, then midline, and the flip (K,) in that order."""
    rest = body.arrays["v_template"][indices]
    off = np.linalg.norm(rest[pairs[:, 0]] * (-1, 1, 1) - rest[pairs[:, 1]], axis=-1).max(initial=0)
    if off > MIRRORED:
        raise BodyModelError(
            f"{folder}: markers that should mirror each other are {1000 * off:.0f} mm off on {body.source}, so "
            "its vertices are numbered differently",
            "give the body they were made for, or other --vertex-indices",
        )
    swap = rest[pairs[:, 0], 0] < 0
    left, right = np.where(swap[:, None], pairs[:, ::-1], pairs).T
    middle = np.setdiff1d(np.arange(len(indices)), pairs)
    places = np.arange(len(left))
    flip = np.concatenate([places + len(left), places, np.arange(2 * len(left), len(indices))])
    return np.concatenate([left, right, middle]), flip.astype(np.int64)
