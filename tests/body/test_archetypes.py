import numpy as np
import pytest

from meshgait.body import archetypes
from meshgait.body.archetypes import Symmetry
from meshgait.body.poses import sample_meshes
from meshgait.body.smpl import BodyModel
from meshgait.errors import ConfigError


@pytest.fixture(scope="module")
def body() -> BodyModel:
    return BodyModel.default()


@pytest.fixture(scope="module")
def meshes(body) -> np.ndarray:
    return sample_meshes(body, 40, seed=5)


@pytest.fixture(scope="module")
def features(meshes, body) -> np.ndarray:
    return archetypes.compress(meshes, body.mirror)


@pytest.mark.parametrize("k", [1, 2, 3, 16, 33, 64, 96])
def test_symmetry_divides_any_number(body, k):
    symmetry = Symmetry.of(body.arrays["v_template"], body.mirror, k)
    flip = symmetry.markers
    assert len(flip) == k and np.array_equal(flip[flip], np.arange(k))
    middle = (flip == np.arange(k)).sum()
    assert middle % 2 == k % 2 and 2 * symmetry.pairs + middle == k
    start = archetypes.initial_markers(body.arrays["v_template"].T.astype(float), symmetry)
    assert len(set(start.tolist())) == k
    assert np.array_equal(body.mirror[start], start[flip])


@pytest.mark.parametrize("k", [0, -3, 1300])
def test_impossible_numbers(body, k):
    with pytest.raises(ConfigError, match="markers do not fit"):
        Symmetry.of(body.arrays["v_template"], body.mirror, k)


@pytest.mark.slow
def test_compressed_distances_are_those_of_the_meshes(body, meshes, features):
    both = np.concatenate([meshes, meshes[:, body.mirror] * np.array([-1, 1, 1])])
    rng = np.random.default_rng(0)
    for u, v in rng.integers(0, meshes.shape[1], (30, 2)):
        rms = 1000 * np.sqrt(((both[:, u] - both[:, v]).astype(float) ** 2).sum(1).mean())
        assert np.linalg.norm(features[:, u] - features[:, v]) == pytest.approx(rms, abs=3)
    assert len(features) < 6 * len(meshes)
    many = archetypes.compress(np.repeat(meshes, 6, axis=0), body.mirror)  # more rows than vertices
    np.testing.assert_allclose(many.T @ many, features.T @ features, rtol=1e-3, atol=30)


@pytest.mark.slow
def test_analysis_descends_and_is_symmetric(body, features):
    symmetry = Symmetry.of(body.arrays["v_template"], body.mirror, 24)
    errors = []
    mixture = archetypes.analyse(features, symmetry, steps=25, progress=lambda *news: errors.append(news[2]))
    assert errors[-1] < 0.9 * errors[0]
    np.testing.assert_allclose(mixture.sum(0), 1, atol=1e-4)
    assert mixture.min() >= 0
    np.testing.assert_allclose(mixture, mixture[body.mirror][:, symmetry.markers], atol=1e-4)
    indices = archetypes.snap(features, features @ mixture, symmetry)
    assert len(set(indices.tolist())) == 24
    assert np.array_equal(body.mirror[indices], indices[symmetry.markers])


def test_simplex_decoder_is_the_constrained_optimum(body, features):
    """Optimality conditions: at the best mixture no exchange between two markers lowers the error."""
    symmetry = Symmetry.of(body.arrays["v_template"], body.mirror, 32)
    indices = archetypes.initial_markers(features, symmetry)
    weights = archetypes.simplex_decoder(features, indices, symmetry)
    np.testing.assert_allclose(weights.sum(0), 1, atol=1e-9)
    np.testing.assert_allclose(weights[:, indices], np.eye(32), atol=1e-3)
    markers = features[:, indices]
    gradient = markers.T @ (markers @ weights - features)
    for vertex in range(0, body.num_vertices, 37):
        active = gradient[weights[:, vertex] > 1e-3, vertex]
        scale = np.abs(gradient[:, vertex]).max() + 1
        assert np.ptp(active) < 0.02 * scale  # active markers pull alike
        assert gradient[:, vertex].min() > active.mean() - 0.02 * scale  # no other marker pulls more


def test_ridge_decoder_minimises_the_noisy_error(body, features):
    symmetry = Symmetry.of(body.arrays["v_template"], body.mirror, 16)
    indices = archetypes.initial_markers(features, symmetry)
    weights = archetypes.ridge_decoder(features, indices, symmetry, noise=5.0)
    np.testing.assert_allclose(weights.sum(0), 1, atol=1e-9)

    def expected(candidate: np.ndarray) -> float:
        error = ((features[:, indices] @ candidate - features) ** 2).sum(0) + 75 * (candidate**2).sum(0)
        return float(error.mean())

    rng = np.random.default_rng(0)
    best = expected(weights)
    for _ in range(20):
        step = 1e-2 * rng.normal(size=weights.shape)
        assert expected(weights + step - step.mean(0)) > best  # any change that keeps the sums is worse
