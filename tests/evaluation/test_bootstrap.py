"""Intervals over subjects against closed forms."""

import numpy as np
import pytest

from meshgait.evaluation.bootstrap import bootstrap_subjects, draw_subjects, interval


def test_persons_not_comparisons_are_resampled():
    """Values that are the same for all of a person's rows are as uncertain as the persons are few."""
    persons = np.random.default_rng(0).normal(size=40)
    one = bootstrap_subjects(persons[:, None], np.arange(40), draws=4000)
    many = bootstrap_subjects(np.repeat(persons, 30)[:, None], np.repeat(np.arange(40), 30), draws=4000)
    np.testing.assert_allclose(one, many)
    half = (one[1] - one[0]).item() / 2
    assert half == pytest.approx(1.96 * persons.std() / np.sqrt(40), rel=0.05)  # the normal approximation


def test_the_mean_of_a_draw_is_that_of_the_repeated_rows():
    values, labels = np.random.default_rng(1).normal(size=(7, 2)), np.array([5, 5, 5, 9, 9, 2, 2])
    means = []
    for draw in draw_subjects(3, 50, seed=6).astype(int):
        rows = [np.repeat(values[labels == s], times, axis=0) for s, times in zip((2, 5, 9), draw, strict=True)]
        means.append(np.concatenate(rows).mean(0))
    np.testing.assert_allclose(bootstrap_subjects(values, labels, 50, seed=6), interval(np.array(means)))


def test_draws_are_of_as_many_subjects_with_replacement():
    draws = draw_subjects(30, 2000)
    assert (draws.sum(1) == 30).all()
    assert (draws == 0).mean() == pytest.approx((1 - 1 / 30) ** 30, abs=0.01)


def test_one_subject_has_no_interval():
    assert np.isnan(bootstrap_subjects(np.ones((3, 2)), np.zeros(3), draws=5)).all()


def test_draws_without_a_value_do_not_count():
    assert interval(np.array([1.0, np.nan, 1.0])).tolist() == [1, 1]
    assert np.isnan(interval(np.full((3, 4), np.nan))).all()
