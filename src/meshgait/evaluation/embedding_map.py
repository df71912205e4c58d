"""Embeddings as points of a plane, to look at."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from einops import rearrange

from meshgait.evaluation.record import EvaluationRecord

MOST_DIMENSIONS = 50
"""Principal components that t-SNE starts from, as its authors do."""
ITERATIONS = 500
"""Enough for the groups to settle; the rest is cosmetics that costs a second while training."""


class EmbeddingMap(NamedTuple):
    """Sequences of an evaluation as points: (n, 2), names of their persons (n,), roles in the protocol (n,)."""

    points: np.ndarray
    persons: np.ndarray
    roles: np.ndarray


def record_map(record: EvaluationRecord, most: int = 400, seed: int = 0) -> EmbeddingMap:
    """`embedding_map` of an evaluation.

    Args:
        record: of the evaluation.
        most: sequences at most, spread over all of them.
        seed: of t-SNE.
    """
    chosen = np.unique(np.linspace(0, len(record.labels) - 1, most).astype(int))
    points = embedding_map(record.embeddings[chosen], seed)
    return EmbeddingMap(points, record.persons[chosen], record.roles[chosen])


def embedding_map(embeddings: np.ndarray, seed: int = 0) -> np.ndarray:
    """Neighbours stay neighbours: principal components, then t-SNE (van der Maaten and Hinton, JMLR 2008).

    Distances between groups mean nothing in it. Fewer than ten sequences, or sequences that all coincide, are
    projected on their first two principal components alone.

    Args:
        embeddings: (N, S, D).
        seed: of t-SNE.

    Returns:
        (N, 2) float32, centred.
    """
    from sklearn.decomposition import PCA  # slow to import, and not needed to train
    from sklearn.manifold import TSNE

    flat = rearrange(np.asarray(embeddings, np.float32), "n s d -> n (s d)")
    flat = flat - flat.mean(0) if len(flat) else flat
    points = np.zeros((len(flat), 2), np.float32)
    if not flat.any():
        return points
    components = PCA(min(MOST_DIMENSIONS, *flat.shape), random_state=seed).fit_transform(flat)
    if len(flat) < 10:
        shown = components[:, :2]
    else:
        # early exaggeration wants the perplexity well below the number of points
        perplexity = min(30.0, (len(flat) - 1) / 3)
        shown = TSNE(
            2, perplexity=perplexity, init="pca", max_iter=ITERATIONS, random_state=seed, n_jobs=1
        ).fit_transform(components)
    points[:, : shown.shape[1]] = shown - shown.mean(0)
    return points
