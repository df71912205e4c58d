"""Archetypal analysis of a body's surface: few points whose mixtures give all others, symmetric by design.

Meshes as columns X (3 frames x vertices) are approximated by X B A, columns of B (V x K) and A (K x V) on the
simplex: archetypes are mixtures of vertices, vertices are mixtures of archetypes (Cutler & Breiman 1994; for
virtual markers Ma et al., CVPR 2023). The loss needs X only up to rotations of its rows, so X is replaced by
a factor R of few rows with R'R ~ X'X.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from einops import einsum, rearrange
from scipy.optimize import linear_sum_assignment, nnls
from scipy.spatial.distance import cdist
from torch import Tensor

from meshgait.errors import ConfigError

MILLIMETRES = 1000.0
_FLOOR = -12.0  # logits start no lower: vertices far away stay reachable


@dataclass(frozen=True)
class Symmetry:
    """How markers and vertices map to each other in a mirror.

    Attributes:
        vertices: (V,) partner of each vertex.
        markers: (K,) partner of each marker: pairs come first, then those on the midline.
        sides: (V,) sign of x at rest: 1 left, -1 right, 0 on the midline.
    """

    vertices: np.ndarray
    markers: np.ndarray
    sides: np.ndarray

    @classmethod
    def of(cls, template: np.ndarray, mirror: np.ndarray, k: int) -> Symmetry:
        """Divides K markers into left-right pairs and about an eighth on the midline.

        Args:
            template: rest vertices (V, 3) in metres.
            mirror: (V,) partners of the vertices.
            k: number of markers.

        Raises:
            ConfigError: the mesh has too few vertices for K markers.
        """
        # a vertex may only carry a marker if it is its partner's partner
        mutual = mirror[mirror] == np.arange(len(mirror))
        sides = np.sign(template[:, 0]) * mutual
        midline = mirror == np.arange(len(mirror))
        sides = np.where(midline, 0, np.where(mutual, sides, np.nan))
        middle = min(2 * round(k / 16), int(midline.sum()) // 2 * 2) + k % 2
        pairs = (k - middle) // 2
        if k < 1 or middle > midline.sum() or pairs > (sides == 1).sum():
            raise ConfigError(
                f"{k} markers do not fit a body of {len(mirror)} vertices", f"choose between 1 and {len(mirror)}"
            )
        flip = [*(np.arange(pairs) + pairs), *np.arange(pairs), *np.arange(2 * pairs, k)]
        return cls(mirror, np.array(flip, dtype=np.int64), sides)

    @property
    def pairs(self) -> int:
        """Number of left-right pairs P; markers 0..P-1 are left, P..2P-1 right, the rest midline."""
        return int((self.markers != np.arange(len(self.markers))).sum()) // 2

    def complete(self, left: np.ndarray, middle: np.ndarray) -> np.ndarray:
        """Vertex indices (K,) of all markers from those of the left and of the midline."""
        return np.concatenate([left, self.vertices[left], middle]).astype(np.int64)


def compress(meshes: np.ndarray, mirror: np.ndarray, tolerance: float = 0.2) -> np.ndarray:
    """Few rows that have the same inner products between vertices as many meshes and their mirror images.

    Args:
        meshes: (N, V, 3) in metres, pelvis-centred.
        mirror: (V,) partners of the vertices; mirrored meshes make what is learnt symmetric.
        tolerance: what may get lost, as RMS over vertices in mm.

    Returns:
        R (r, V) in mm with |R(:,u) - R(:,v)| the RMS distance of vertices u and v over the 2 N meshes.
    """
    both = np.concatenate([meshes, meshes[:, mirror] * (-1, 1, 1)]).astype(np.float64)
    columns = rearrange(both, "n v c -> (n c) v") * (MILLIMETRES / np.sqrt(len(both)))
    rows, vertices = columns.shape
    # the smaller of the two Gram matrices has the same positive eigenvalues; eigh sorts them ascending
    energy, axes = np.linalg.eigh(columns @ columns.T if rows < vertices else columns.T @ columns)
    rank = len(energy) - int((np.cumsum(energy.clip(0)) / vertices < tolerance**2).sum())
    energy, axes = energy[::-1][:rank], axes[:, ::-1][:, :rank]
    return axes.T @ columns if rows < vertices else np.sqrt(energy)[:, None] * axes.T


def farthest_points(features: np.ndarray, count: int, taken: list[int], allowed: np.ndarray) -> list[int]:
    """Greedily picks vertices far from all those taken.

    Args:
        features: (r, V) columns whose distances count.
        count: how many to pick.
        taken: vertices already there.
        allowed: indices to pick from.

    Returns:
        The picked indices.
    """
    picked: list[int] = []
    points = features.T
    near = np.full(len(points), np.inf)
    for index in taken:
        near = np.minimum(near, ((points - points[index]) ** 2).sum(1))
    if not taken:  # start far from the centre
        near = ((points - points.mean(0)) ** 2).sum(1)
    for number in range(count):
        chosen = int(allowed[near[allowed].argmax()])
        picked.append(chosen)
        fresh = ((points - points[chosen]) ** 2).sum(1)
        near = fresh if not taken and number == 0 else np.minimum(near, fresh)
    return picked


def initial_markers(features: np.ndarray, symmetry: Symmetry) -> np.ndarray:
    """Farthest points on the left, mirrored, and on the midline: vertex indices (K,)."""
    middle = farthest_points(
        features, len(symmetry.markers) - 2 * symmetry.pairs, [], np.flatnonzero(symmetry.sides == 0)
    )
    left = farthest_points(features, symmetry.pairs, middle, np.flatnonzero(symmetry.sides == 1))
    return symmetry.complete(np.array(left, dtype=int), np.array(middle, dtype=int))


def analyse(
    features: np.ndarray,
    symmetry: Symmetry,
    steps: int = 900,
    progress: Callable[[int, int, float], None] | None = None,
) -> np.ndarray:
    """Archetypal analysis by Adam on softmax logits that are tied to their mirror image.

    Args:
        features: R (r, V) in mm.
        symmetry: mirror partners.
        steps: optimiser steps.
        progress: called after each step with (step, steps, RMS error per vertex in mm).

    Returns:
        B (V, K): each archetype's mixture of vertices, columns on the simplex.
    """
    target = torch.from_numpy(features).float()
    start = initial_markers(features, symmetry)
    distance = torch.cdist(target.T, target.T[start]) ** 2  # (V, K) mm^2
    b = (-distance / 40.0**2).clamp(min=_FLOOR).requires_grad_()
    a = (-distance.T / 100.0**2).clamp(min=_FLOOR).requires_grad_()
    vertices, markers = torch.from_numpy(symmetry.vertices), torch.from_numpy(symmetry.markers)

    def tied(logits: Tensor) -> Tensor:
        return (logits + logits[vertices][:, markers]) / 2

    optimizer = torch.optim.Adam([b, a], lr=0.15)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps, eta_min=0.005)
    for step in range(1, steps + 1):
        mixed = target @ tied(b).softmax(0) @ tied(a.T).T.softmax(0)
        loss = ((mixed - target) ** 2).sum(0).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if progress:
            progress(step, steps, float(loss.detach().sqrt()))
    return tied(b).softmax(0).detach().numpy().astype(np.float64)


def snap(features: np.ndarray, archetypes: np.ndarray, symmetry: Symmetry) -> np.ndarray:
    """Nearest vertices to archetypes, all different, mirrored pairs at mirrored vertices.

    Args:
        features: R (r, V) in mm.
        archetypes: R B (r, K).
        symmetry: mirror partners.

    Returns:
        Vertex indices (K,).
    """

    def assign(columns: np.ndarray, allowed: np.ndarray) -> np.ndarray:
        cost = cdist(columns.T, features.T[allowed], "sqeuclidean")
        return allowed[linear_sum_assignment(cost)[1]]

    pairs = symmetry.pairs
    left = assign(archetypes[:, :pairs], np.flatnonzero(symmetry.sides == 1))
    middle = assign(archetypes[:, 2 * pairs :], np.flatnonzero(symmetry.sides == 0))
    return symmetry.complete(left, middle)


def _tie(weights: np.ndarray, symmetry: Symmetry) -> np.ndarray:
    """Mean of weights (K, V) and their mirror image."""
    return (weights + weights[symmetry.markers][:, symmetry.vertices]) / 2


def simplex_decoder(features: np.ndarray, indices: np.ndarray, symmetry: Symmetry) -> np.ndarray:
    """Best non-negative mixtures of markers for each vertex: exact least squares on the simplex.

    Args:
        features: R (r, V) in mm.
        indices: (K,) vertex of each marker.
        symmetry: mirror partners.

    Returns:
        A (K, V), columns on the simplex.
    """
    basis, system = np.linalg.qr(features[:, indices])
    wanted = basis.T @ features
    heavy = 100.0 * np.abs(system).max()  # weight of the row "sums to one"
    system = np.vstack([system, np.full((1, len(indices)), heavy)])
    wanted = np.vstack([wanted, np.full((1, wanted.shape[1]), heavy)])
    weights = np.stack([nnls(system, column)[0] for column in wanted.T], axis=1)
    weights = _tie(weights, symmetry)
    weights[weights < 1e-5] = 0
    return weights / weights.sum(0)


def ridge_decoder(features: np.ndarray, indices: np.ndarray, symmetry: Symmetry, noise: float) -> np.ndarray:
    """Best linear mixtures of noisy markers for each vertex, with weights that sum to one.

    Weights of one vertex act alike on x, y and z, so the decoder follows any rotation; they sum to one, so it
    follows any translation. Expected squared error under marker noise = squared error + 3 noise^2 |w|^2.

    Args:
        features: R (r, V) in mm.
        indices: (K,) vertex of each marker.
        symmetry: mirror partners.
        noise: standard deviation per axis in mm that markers are expected to have.

    Returns:
        W (K, V), columns summing to 1.
    """
    markers = features[:, indices]
    centre = markers.mean(1, keepdims=True)
    spread = markers - centre
    gram = spread.T @ spread + 3 * noise**2 * np.eye(len(indices))
    weights = np.linalg.solve(gram, spread.T @ (features - centre))
    weights += (1 - weights.sum(0)) / len(indices)
    return _tie(weights, symmetry)


def mesh_error(meshes: np.ndarray, indices: np.ndarray, weights: np.ndarray, noise: float = 0.0) -> float:
    """Mean distance in mm between meshes and what a decoder makes of their markers.

    Args:
        meshes: (N, V, 3) in metres.
        indices: (K,) vertex of each marker.
        weights: (K, V) decoder.
        noise: standard deviation per axis of Gaussian noise on the markers, in mm.
    """
    markers = meshes[:, indices]
    if noise:
        markers = markers + np.random.default_rng(0).normal(0, noise / MILLIMETRES, markers.shape)
    decoded = einsum(markers, weights, "n k c, k v -> n v c")
    return float(np.linalg.norm(decoded - meshes, axis=-1).mean() * MILLIMETRES)
