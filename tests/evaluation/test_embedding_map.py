import numpy as np
import pytest

from meshgait.evaluation.embedding_map import embedding_map


def groups(count=4, each=12):
    """Embeddings (N, 2, 3) in well separated groups, and the group of each."""
    rng = np.random.default_rng(0)
    group = np.repeat(np.arange(count), each)
    centres = 10 * np.eye(6)[:count]
    return (centres[group] + 0.1 * rng.normal(size=(len(group), 6))).reshape(-1, 2, 3).astype(np.float16), group


@pytest.mark.slow
def test_neighbours_stay_neighbours():
    embeddings, group = groups()
    points = embedding_map(embeddings)
    assert points.shape == (48, 2) and points.dtype == np.float32
    distances = np.linalg.norm(points[:, None] - points[None], axis=-1) + np.diag(np.full(48, np.inf))
    np.testing.assert_array_equal(group[distances.argmin(1)], group)
    np.testing.assert_allclose(points.mean(0), 0, atol=1e-3)


def test_the_same_seed_gives_the_same_map():
    embeddings, _ = groups(3, 5)
    np.testing.assert_array_equal(embedding_map(embeddings, 1), embedding_map(embeddings, 1))


def test_few_points_keep_their_distances():
    embeddings = np.array([[[0, 0, 0]], [[3, 0, 0]], [[0, 4, 0]]], np.float32)
    points = embedding_map(embeddings)
    assert np.linalg.norm(points[1] - points[2]) == pytest.approx(5, rel=1e-5)


@pytest.mark.parametrize("count", [0, 1, 2, 9, 10, 11])
def test_any_number_of_points_can_be_shown(count):
    embeddings = np.random.default_rng(0).normal(size=(count, 2, 4))
    points = embedding_map(embeddings)
    assert points.shape == (count, 2) and np.isfinite(points).all()


def test_points_that_coincide_can_be_shown():
    np.testing.assert_array_equal(embedding_map(np.ones((20, 2, 4))), np.zeros((20, 2)))
