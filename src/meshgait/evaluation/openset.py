"""Open-set identification: most who walk by are not in the gallery, and must not be taken for somebody who is.

Terms of ISO/IEC 19795-1:2021. A probe whose person is in the gallery is a *mated* search, another one *non-mated*.
A search returns the nearest gallery sequence if its distance is at most the threshold. FPIR (false-positive
identification rate): share of the non-mated searches that return anybody; FNIR (false-negative identification
rate): share of the mated ones that do not return their own person. Rates are in percent; intervals resample the
probes' subjects (`meshgait.evaluation.bootstrap`) while the gallery stays; each draw sets its own threshold.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from einops import rearrange

from meshgait.errors import DataError
from meshgait.evaluation.bootstrap import DRAWS, draw_subjects, interval
from meshgait.evaluation.comparisons import Record, pair_distances

HELD_OUT = 0.5
"""Share of the gallery's subjects that are taken out of it: as many searches are non-mated as mated."""


class OpenSet(NamedTuple):
    """FNIR in percent at each FPIR in percent.

    Attributes:
        fnir: (K,).
        band: (2, K) 95 % intervals over subjects.
        mated, nonmated: how many searches.
        held_out: labels of the subjects that were taken out of the gallery.
    """

    fnir: np.ndarray
    band: np.ndarray
    mated: int
    nonmated: int
    held_out: np.ndarray


class Searches(NamedTuple):
    """Per probe (P,): distance of the nearest gallery sequence, whether it is the probe's person, label, mated."""

    nearest: np.ndarray
    right: np.ndarray
    labels: np.ndarray
    mated: np.ndarray


def hold_out(record: Record, fraction: float = HELD_OUT, seed: int = 0) -> np.ndarray:
    """Labels of the gallery's subjects that are drawn to be left out of it."""
    task = record.task()
    subjects = np.unique(np.asarray(task.labels)[task.gallery])
    count = min(round(fraction * len(subjects)), len(subjects) - 1)
    return np.sort(np.random.default_rng(seed).permutation(subjects)[:count])


def open_set(
    record: Record,
    condition: str,
    fpir: Sequence[float] = (1.0, 10.0),
    fraction: float = HELD_OUT,
    draws: int = DRAWS,
    seed: int = 0,
) -> OpenSet:
    """FNIR of a probe condition at false-positive identification rates in percent.

    Non-mated are the probes of the subjects that `hold_out` draws, and those whose subject has no gallery sequence
    that the protocol lets them be compared with.

    Raises:
        DataError: all searches are mated, or none is.
    """
    out = hold_out(record, fraction, seed)
    found = searches(record, condition, out)
    if not found.mated.any() or found.mated.all():
        kind = "non-mated" if found.mated.any() else "mated"
        raise DataError(f"probes {condition} have no {kind} search", "hold out another share of the subjects")
    subjects, row_of = np.unique(found.labels, return_inverse=True)
    weights = np.concatenate([np.ones((1, len(subjects))), draw_subjects(len(subjects), draws, seed)])
    rates = np.array([fnir(found, weight[row_of], np.asarray(fpir, float)) for weight in weights])
    return OpenSet(rates[0], interval(rates[1:]), int(found.mated.sum()), int((~found.mated).sum()), out)


def searches(record: Record, condition: str, held_out: np.ndarray) -> Searches:
    """What each probe finds in the gallery without the subjects ``held_out``, block by block."""
    parts = []
    for pairs in pair_distances(record, condition):
        counted = pairs.counted & ~np.isin(pairs.gallery, held_out)
        distances = np.where(counted, pairs.distances, np.inf)
        place = rearrange(distances.argmin(1), "p -> p 1")
        nearest = np.take_along_axis(distances, place, 1)[:, 0]
        right = np.take_along_axis(pairs.match & counted, place, 1)[:, 0]
        parts.append((nearest, right, pairs.probes, (pairs.match & counted).any(1)))
    return Searches(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def fnir(found: Searches, weights: np.ndarray, fpir: np.ndarray) -> np.ndarray:
    """FNIR at the largest thresholds whose FPIR is not above ``fpir``; NaN without a search of either kind."""
    strangers, mated = np.where(found.mated, 0, weights), np.where(found.mated, weights, 0)
    if not strangers.sum() or not mated.sum():
        return np.full(len(fpir), np.nan)
    values, place = np.unique(found.nearest, return_inverse=True)
    # from "nobody is returned" up to the largest distance
    falsely, rightly = (
        np.concatenate([[0], np.bincount(place, x, len(values)).cumsum()])
        for x in (strangers, mated * found.right)
    )
    at = np.searchsorted(100 * falsely / strangers.sum(), fpir + 1e-9, side="right") - 1
    return 100 * (1 - rightly[at] / mated.sum())
