"""Uncertainty of rates: subjects are resampled, not sequences or comparisons.

Sequences of one person depend on each other, so many sequences of few persons say little (Bolle et al.,
*Error analysis of pattern recognition systems: the subsets bootstrap*, CVIU 2004).
"""

from __future__ import annotations

import numpy as np
from einops import rearrange

DRAWS = 500
"""Resamplings of the subjects."""


def draw_subjects(subjects: int, draws: int = DRAWS, seed: int = 0) -> np.ndarray:
    """How often each of ``subjects`` is drawn, with replacement: (draws, subjects) float64."""
    shares = np.full(subjects, 1 / subjects)
    return np.random.default_rng(seed).multinomial(subjects, shares, size=draws).astype(float)


def interval(values: np.ndarray) -> np.ndarray:
    """(draws, ...) -> (2, ...); draws without a comparison (NaN) do not count."""
    if not np.isfinite(values).any():
        return np.full((2, *values.shape[1:]), np.nan)
    return np.nanpercentile(values, (2.5, 97.5), axis=0)


def bootstrap_subjects(values: np.ndarray, labels: np.ndarray, draws: int = DRAWS, seed: int = 0) -> np.ndarray:
    """95 % interval (2, K) of the mean of values (n, K), resampling the n rows by subject (labels (n,)).

    NaN where there are fewer than two subjects.
    """
    subjects, row_of = np.unique(labels, return_inverse=True)
    if len(subjects) < 2:
        return np.full((2, values.shape[1]), np.nan)
    sums = np.zeros((len(subjects), values.shape[1]))
    np.add.at(sums, row_of, values)
    weights = draw_subjects(len(subjects), draws, seed)
    return interval((weights @ sums) / (weights @ rearrange(np.bincount(row_of), "s -> s 1")))
