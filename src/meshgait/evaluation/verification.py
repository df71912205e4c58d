"""Verification: error rates (FMR, FNMR, EER) and the DET curve, with their uncertainty.

Terms of ISO/IEC 19795-1:2021. A comparison (`meshgait.evaluation.comparisons`) matches if its distance is at most
the threshold. FMR (false match rate): share of the non-mated comparisons that match; FNMR (false non-match rate):
share of the mated ones that do not; EER: where both are equal. Rates are in percent.

Intervals resample subjects (`meshgait.evaluation.bootstrap`): a comparison of persons drawn k and l times weighs
k·l times, one of a person drawn k times with itself k times.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from einops import einsum, rearrange

from meshgait.errors import DataError
from meshgait.evaluation.bootstrap import DRAWS, draw_subjects, interval
from meshgait.evaluation.comparisons import Pairs, Record, pair_distances
from meshgait.evaluation.distances import BLOCK_ELEMENTS

SAMPLE = 2**22
"""Comparisons that thresholds are chosen from, spread over the probes; the rates are of all of them."""

LAST_DIGIT = 3e-7
"""Of a float32 distance, relative to the largest."""


class ErrorRates(NamedTuple):
    """Rates in percent per threshold.

    Attributes:
        thresholds: (T,) rising distances.
        fmr: (T,) rising from 0 to 100.
        fnmr: (T,) falling from 100 to 0.
        eer: where both are equal, interpolated between thresholds.
    """

    thresholds: np.ndarray
    fmr: np.ndarray
    fnmr: np.ndarray
    eer: float

    def fnmr_at(self, fmr: float | Sequence[float] | np.ndarray) -> np.ndarray:
        """FNMR in percent at false match rates in percent, interpolated; of a steep FMR the lowest FNMR."""
        return _fnmr_at(self.fmr, self.fnmr, np.asarray(fmr, dtype=float))


class Verification(NamedTuple):
    """Verification of one probe condition with 95 % intervals (low, high) over subjects.

    Attributes:
        rates: of all comparisons.
        band: (2, T) FNMR at the false match rates ``rates.fmr``.
        eer_interval: (2,).
        mated, nonmated: how many comparisons.
        subjects: how many persons there are among them.
        draws: (draws, T) FMR and FNMR of each resampling.
    """

    rates: ErrorRates
    band: np.ndarray
    eer_interval: np.ndarray
    mated: int
    nonmated: int
    subjects: int
    draws: tuple[np.ndarray, np.ndarray]

    def fnmr_interval(self, fmr: float) -> np.ndarray:
        """Interval (2,) of the FNMR at a false match rate in percent."""
        return interval(np.array([_fnmr_at(*curve, np.array(fmr)) for curve in zip(*self.draws, strict=True)]))


def error_rates(mated: np.ndarray, nonmated: np.ndarray, points: int = 200) -> ErrorRates:
    """FMR and FNMR at about ``points`` thresholds, dense where either rate is small.

    Args:
        mated: (m,) distances of one person's pairs.
        nonmated: (n,) distances of two persons' pairs.
        points: how many thresholds at most, besides the ends.
    """
    thresholds = _thresholds(mated, nonmated, points)
    matched, falsely = (np.searchsorted(np.sort(x), thresholds, side="right") for x in (mated, nonmated))
    return _rates(thresholds, falsely / max(1, len(nonmated)), matched / max(1, len(mated)))


def _rates(thresholds: np.ndarray, falsely: np.ndarray, matched: np.ndarray) -> ErrorRates:
    fmr, fnmr = 100 * falsely, 100 * (1 - matched)
    return ErrorRates(thresholds, fmr, fnmr, _equal_error(fmr, fnmr))


def _thresholds(mated: np.ndarray, nonmated: np.ndarray, points: int) -> np.ndarray:
    """Distances at which small rates are met: orders of magnitude of either rate get as many points each."""
    chosen = []
    for values, smallest_first in ((np.sort(nonmated), True), (np.sort(mated), False)):
        if len(values):
            places = np.unique(np.geomspace(1, len(values), points // 2).round().astype(int)) - 1
            chosen.append(values[places] if smallest_first else values[::-1][places])
    every = np.unique(np.concatenate(chosen).astype(np.float64))
    return np.concatenate([[np.nextafter(every[0], -np.inf)], every])


def _equal_error(fmr: np.ndarray, fnmr: np.ndarray) -> float:
    """Where a rising and a falling curve cross; both are taken as straight between thresholds."""
    gap = fmr - fnmr
    after = int(np.argmax(gap >= 0))
    if not gap[after] >= 0:  # NaN: a resampling without comparisons
        return float("nan")
    if after == 0 or gap[after] == 0:
        return float(fmr[after])
    share = gap[after] / (gap[after] - gap[after - 1])
    return float(fmr[after] - share * (fmr[after] - fmr[after - 1]))


def _fnmr_at(fmr: np.ndarray, fnmr: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    before = (np.searchsorted(fmr, wanted, side="right") - 1).clip(0)
    after = np.minimum(before + 1, len(fmr) - 1)
    width = fmr[after] - fmr[before]
    share = np.where(width > 0, (wanted - fmr[before]) / np.where(width > 0, width, 1), 0)
    return fnmr[before] + share * (fnmr[after] - fnmr[before])


def verification(
    record: Record,
    condition: str,
    points: int = 200,
    draws: int = DRAWS,
    seed: int = 0,
) -> Verification:
    """FMR and FNMR of all comparisons of a probe condition, with intervals over subjects.

    Every resampling weighs counts per threshold and pair of persons, which are made block by block and forgotten.
    """
    task = record.task()
    pairs = max(1, int(task.probes[condition].sum()) * int(task.gallery.sum()))
    sample = list(pair_distances(record, condition, every=-(-pairs // SAMPLE)))
    mated, nonmated = (np.concatenate(x) for x in zip(*((p.mated(), p.nonmated()) for p in sample), strict=True))
    if not len(mated) or not len(nonmated):
        kind = "non-mated" if len(mated) else "mated"
        raise DataError(
            f"probes {condition} have no {kind} comparison under the protocol", "evaluate more subjects"
        )
    thresholds = _thresholds(mated, nonmated, points)
    # distances computed in other blocks differ in the last digit, and shall meet the threshold they became
    thresholds[1:] += LAST_DIGIT * np.abs(thresholds).max()
    subjects = np.unique(task.labels[task.gallery | task.probes[condition]])
    # the table of a block has (persons of its rows) x subjects x thresholds entries
    width, steps = int(task.gallery.sum()), len(thresholds) + 1
    block_elements = max(1, BLOCK_ELEMENTS // max(width, len(subjects) * steps)) * width
    # the first row of weights is the sample itself: each subject once
    weights = np.concatenate([np.ones((1, len(subjects))), draw_subjects(len(subjects), draws, seed)])
    sums = {name: np.zeros((len(weights), steps)) for name in ("mated", "nonmated")}
    for block in pair_distances(record, condition, block_elements=block_elements):
        for name, more in _weighed_counts(block, thresholds, subjects, weights).items():
            sums[name] += more
    with np.errstate(invalid="ignore"):  # a draw of one person alone has no non-mated pair: NaN
        matched, falsely = (x[:, :-1].cumsum(1) / x.sum(1, keepdims=True) for x in sums.values())
    fmr = 100 * falsely[1:]
    fnmr = np.where(np.isfinite(fmr), 100 * (1 - matched[1:]), np.nan)
    rates = _rates(thresholds, falsely[0], matched[0])
    return Verification(
        rates=rates,
        band=interval(np.array([_fnmr_at(*curve, rates.fmr) for curve in zip(fmr, fnmr, strict=True)])),
        eer_interval=interval(np.array([_equal_error(*curve) for curve in zip(fmr, fnmr, strict=True)])),
        mated=int(sums["mated"][0].sum()),
        nonmated=int(sums["nonmated"][0].sum()),
        subjects=len(subjects),
        draws=(fmr, fnmr),
    )


def _weighed_counts(
    block: Pairs, thresholds: np.ndarray, subjects: np.ndarray, weights: np.ndarray
) -> dict[str, np.ndarray]:
    """(draws, T + 1) how many pairs, weighed, first match at each threshold (the last column: at none)."""
    steps = len(thresholds) + 1
    rows, row_of = np.unique(np.searchsorted(subjects, block.probes), return_inverse=True)
    column_of = np.searchsorted(subjects, block.gallery)
    places = rearrange(row_of, "p -> p 1") * len(subjects) + column_of
    places = places * steps + np.searchsorted(thresholds, block.distances, side="left")
    flat = np.bincount(places[block.counted], minlength=len(rows) * len(subjects) * steps)
    counts = torch.from_numpy(rearrange(flat.astype(float), "(r s t) -> r s t", s=len(subjects), t=steps))
    own, draws = torch.arange(len(rows)), torch.from_numpy(weights)
    mated = draws[:, rows] @ counts[own, rows]
    counts[own, rows] = 0
    nonmated = einsum(draws[:, rows], einsum(draws, counts, "d s, r s t -> d r t"), "d r, d r t -> d t")
    return {"mated": mated.numpy(), "nonmated": nonmated.numpy()}
