"""DET against loops, closed forms and resampling done by hand."""

import numpy as np
import pytest

from meshgait.errors import DataError
from meshgait.evaluation import verification
from meshgait.evaluation.bootstrap import draw_subjects
from tests.evaluation.records import arrays, loops, make


def test_error_rates_equal_counting():
    rng = np.random.default_rng(1)
    mated, nonmated = rng.normal(1, 0.5, 3000), rng.normal(2, 0.5, 4000)
    rates = verification.error_rates(mated, nonmated)
    assert 100 < len(rates.thresholds) <= 202
    for t, fmr, fnmr in zip(*rates[:3], strict=True):
        assert fmr == pytest.approx(100 * sum(d <= t for d in nonmated) / 4000)
        assert fnmr == pytest.approx(100 * sum(d > t for d in mated) / 3000)
    assert (rates.fmr[0], rates.fnmr[0], rates.fmr[-1], rates.fnmr[-1]) == (0, 100, 100, 0)
    assert (np.diff(rates.fmr) >= 0).all() and (np.diff(rates.fnmr) <= 0).all()
    # as small as one comparison of 4000
    assert 0 < rates.fmr[rates.fmr > 0][0] <= 0.025
    # every distance as a threshold, and the normal distributions' own value
    every = np.sort(np.concatenate([mated, nonmated]))
    gaps = [abs((nonmated <= t).mean() - (mated > t).mean()) for t in every]
    exact = 100 * (nonmated <= every[np.argmin(gaps)]).mean()
    assert rates.eer == pytest.approx(exact, abs=0.3)
    assert rates.eer == pytest.approx(15.87, abs=1.5)


def test_error_rates_at_their_ends():
    apart = verification.error_rates(np.array([1.0, 2.0]), np.array([3.0, 4.0]))
    assert apart.eer == 0
    assert apart.fnmr_at(0) == 0
    same = verification.error_rates(np.arange(1000.0), np.arange(1000.0))
    assert same.eer == pytest.approx(50, abs=0.5)
    swapped = verification.error_rates(np.array([3.0, 4.0]), np.array([1.0, 2.0]))
    assert swapped.eer == 100
    one = verification.error_rates(np.array([1.0]), np.array([1.0]))  # nothing but ties
    assert (one.fmr.tolist(), one.fnmr.tolist(), one.eer) == ([0, 100], [100, 0], 50)


def test_fnmr_at_a_false_match_rate():
    rates = verification.ErrorRates(np.arange(4), np.array([0, 0, 10, 100.0]), np.array([100, 60, 20, 0.0]), 0)
    np.testing.assert_allclose(rates.fnmr_at([0, 5, 10, 55, 100]), [60, 40, 20, 10, 0])


def test_verification_counts_all_comparisons_in_blocks(monkeypatch):
    record = make(spread=2)
    whole = verification.verification(record, "nm", draws=20)
    direct = verification.error_rates(*arrays(record))
    for name in ("thresholds", "fmr", "fnmr"):
        np.testing.assert_allclose(getattr(whole.rates, name), getattr(direct, name), rtol=1e-5, atol=1e-9)
    assert whole.rates.eer == pytest.approx(direct.eer)
    every = loops(record)
    assert whole.mated == (every[:, 1] == every[:, 2]).sum()
    assert whole.mated + whole.nonmated == len(every)
    assert whole.subjects == 6
    monkeypatch.setattr(verification, "BLOCK_ELEMENTS", 1)  # one probe at a time
    parts = verification.verification(record, "nm", draws=20)
    np.testing.assert_allclose(parts.band, whole.band)
    np.testing.assert_allclose(parts.eer_interval, whole.eer_interval)


def test_resampling_equals_repeating_the_drawn_persons():
    """The weights of a draw against rates over pairs written out as often as their persons were drawn."""
    record, seed, draws = make(spread=2, subjects=5), 4, 3
    result = verification.verification(record, "nm", draws=draws, seed=seed)
    every, persons = loops(record), np.unique(record.task().labels)
    for times, fmr, fnmr in zip(draw_subjects(5, draws, seed), *result.draws, strict=True):
        assert times.sum() == 5
        drawn = dict(zip(persons, times.astype(int), strict=True))
        mated = [d for d, p, g in every if p == g for _ in range(drawn[p])]
        nonmated = [d for d, p, g in every if p != g for _ in range(drawn[p] * drawn[g])]
        for column in range(1, len(fmr), 17):
            t = result.rates.thresholds[column] * (1 + 1e-6)  # distances in blocks differ in the last digit
            assert fmr[column] == pytest.approx(100 * np.mean(np.array(nonmated) <= t))
            assert fnmr[column] == pytest.approx(100 * np.mean(np.array(mated) > t))


def test_intervals_hold_the_rates_and_are_seeded():
    record = make(spread=2, subjects=15)
    result = verification.verification(record, "nm")
    low, high = result.eer_interval
    assert low < result.rates.eer < high
    assert (result.band[0] <= result.rates.fnmr + 1e-9).mean() > 0.9
    assert (result.band[1] >= result.rates.fnmr - 1e-9).mean() > 0.9
    low, high = result.fnmr_interval(10)
    assert low < result.rates.fnmr_at(10) < high
    again = verification.verification(record, "nm")
    np.testing.assert_array_equal(again.band, result.band)
    assert (verification.verification(record, "nm", seed=1).eer_interval != result.eer_interval).any()


def test_without_comparisons_there_are_no_rates():
    with pytest.raises(DataError, match="no non-mated"):
        verification.verification(make(subjects=1), "nm")
    two = verification.verification(make(subjects=2), "nm", draws=40)  # many a draw is of one person alone
    assert np.isnan(two.draws[0]).any() and np.isfinite(two.eer_interval).all()
