"""The baseline that every benchmark must beat: nearest neighbour of mean silhouettes.

Gait energy image: Han and Bhanu, *Individual Recognition Using Gait Energy Image*, TPAMI 2006.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import torch
from einops import rearrange
from torch import Tensor

from meshgait.errors import DataError
from meshgait.evaluation.scoring import Scores, Task, evaluate


def gei(silhouettes: np.ndarray) -> np.ndarray:
    """Mean silhouette: (T, H, W) uint8 0..255 -> (H, W) float32 in [0, 1]."""
    if not len(silhouettes):
        raise DataError("a sequence without frames has no mean silhouette", "leave it out")
    return silhouettes.mean(axis=0, dtype=np.float32) / np.float32(255)


def gei_embeddings(read: Callable[[int], np.ndarray], indices: Iterable[int]) -> Tensor:
    """Mean silhouettes as embeddings of one strip.

    Args:
        read: gives the silhouettes (T, H, W) uint8 of a sequence, such as `Store.silhouettes`.
        indices: which sequences, n of them.

    Returns:
        (n, 1, H * W) float32.
    """
    means = np.stack([gei(read(int(index))) for index in indices])
    return torch.from_numpy(rearrange(means, "n h w -> n 1 (h w)"))


def gei_scores(read: Callable[[int], np.ndarray], task: Task) -> dict[str, Scores]:
    """Scores of the baseline (Euclidean) under the same protocol as the model's."""
    needed = np.flatnonzero(np.logical_or.reduce([task.gallery, *task.probes.values()]))
    return evaluate(gei_embeddings(read, needed), task, indices=torch.from_numpy(needed))
