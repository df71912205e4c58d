"""CMC (cumulative match characteristic): how many probes are identified within the first k ranks.

Intervals resample subjects (`meshgait.evaluation.bootstrap`).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from einops import rearrange

from meshgait.evaluation.bootstrap import DRAWS, bootstrap_subjects
from meshgait.evaluation.comparisons import Record, pair_distances
from meshgait.evaluation.ranking import rank


class FirstRanks(NamedTuple):
    """Probes that have a match in the gallery: rank (P,) of the first one, from 1, and the probe's label (P,)."""

    ranks: np.ndarray
    labels: np.ndarray


def first_ranks(record: Record, condition: str) -> FirstRanks:
    """Rank of the first match of each probe (of each person, where the protocol scores persons).

    Each probe against the whole gallery without the pairs that the protocol excludes, as in `Scores.pooled_rank1`.
    """
    found = []
    for pairs in pair_distances(record, condition):
        distances, match, counted = map(torch.from_numpy, (pairs.distances, pairs.match, pairs.counted))
        ranking = rank(distances, match, ~counted)
        matched = (ranking.matches > 0).numpy()
        found.append((ranking.first.numpy()[matched], pairs.probes[matched]))
    return FirstRanks(*(np.concatenate(column) for column in zip(*found, strict=True)))


def cmc(first: np.ndarray, ranks: int = 20) -> np.ndarray:
    """Share in percent (ranks,) of the probes whose first match is at that rank or before.

    Args:
        first: (P,) rank of the first match of each probe, from 1.
        ranks: length of the curve.
    """
    if not len(first):
        return np.full(ranks, np.nan)
    return 100 * _within(first, ranks).mean(axis=0)


def cmc_band(first: FirstRanks, ranks: int = 20, draws: int = DRAWS, seed: int = 0) -> np.ndarray:
    """95 % interval (2, ranks) of `cmc` over the probes' subjects; the gallery stays as it is."""
    return bootstrap_subjects(100.0 * _within(first.ranks, ranks), first.labels, draws, seed)


def _within(first: np.ndarray, ranks: int) -> np.ndarray:
    return rearrange(first, "p -> p 1") <= np.arange(1, ranks + 1)
