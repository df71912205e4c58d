"""Correlations between people, against numpy's own and cases with a known answer."""

import numpy as np
import pytest
import torch

from benchmarks.between_people import compare, correlation, person_means, walk_values


def test_correlation_is_that_of_numpy():
    a, b = np.random.default_rng(0).normal(size=(2, 7, 3))
    expected = [np.corrcoef(a[:, column], b[:, column])[0, 1] for column in range(3)]
    np.testing.assert_allclose(correlation(a, b), expected)


def test_means_are_by_person_in_the_order_of_names():
    means = person_means(np.array([[1.0], [2.0], [5.0]]), np.array(["b", "a", "b"]))
    np.testing.assert_array_equal(means, [[2.0], [3.0]])


def test_shrinkage_towards_the_mean_person_shows_in_the_spread_alone():
    rng = np.random.default_rng(1)
    traits = rng.normal(size=(20, 4))
    people, cells = np.repeat(np.arange(20), 3).astype(str), np.tile(["front", "side", "back"], 20)
    true = np.repeat(traits, 3, axis=0)
    found = compare(true, 10 + 0.25 * true, people, cells)
    assert found["spread"] == pytest.approx(0.25)
    assert found["correlation of people's means"] == pytest.approx(1)
    assert found["correlation of single walks"] == pytest.approx(1)


def test_an_error_of_the_view_hides_people_in_means_of_unequal_walks_but_not_within_a_view():
    rng = np.random.default_rng(2)
    traits = rng.normal(size=(30, 5))
    people, cells = np.repeat(np.arange(30), 2).astype(str), np.tile(["front", "side"], 30)
    keep = np.arange(60) % 2 == rng.integers(0, 2, 30).repeat(2)  # one view of each person, at random
    true = np.repeat(traits, 2, axis=0)
    found = true + np.where(cells == "front", 20.0, -20.0)[:, None]
    figures = compare(true[keep], found[keep], people[keep], cells[keep])
    assert abs(figures["correlation of people's means"]) < 0.5
    assert figures["correlation of single walks"] == pytest.approx(1)


def test_values_do_not_depend_on_the_view():
    torch.manual_seed(0)
    walk = torch.randn(6, 88, 3) * 5
    walk[:, [1, 13, 16], 0] += 10  # the left side, so that there is a heading
    walk[:, [2, 14, 17], 0] -= 10
    angle = torch.tensor(0.7)
    turn = torch.tensor([[angle.cos(), 0, angle.sin()], [0, 1, 0], [-angle.sin(), 0, angle.cos()]])
    values = walk_values([walk, walk @ turn.T])
    np.testing.assert_allclose(values.bones[0], values.bones[1], rtol=1e-4)
    np.testing.assert_allclose(values.points[0], values.points[1], atol=1e-3)
    torch.testing.assert_close(values.moments[0], values.moments[1], atol=1e-3, rtol=1e-3)
