import dataclasses
import json

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from meshgait.body.cache import cache_folder, markers_for
from meshgait.body.geometry import mirror_points, mirror_pose
from meshgait.body.markers import Markers, MarkerSettings, learn
from meshgait.body.poses import sample_meshes
from meshgait.body.smpl import BodyModel
from meshgait.errors import BodyModelError, OutputError

DECODERS = ("simplex", "ridge")


@pytest.fixture(scope="module")
def body() -> BodyModel:
    return BodyModel.default()


@pytest.fixture(scope="module")
def markers() -> Markers:
    return Markers.default()


@pytest.fixture(scope="module")
def quick(body) -> Markers:
    return learn(body, settings=MarkerSettings(k=9, meshes=30, steps=20))


def test_shipped_markers_fit_the_shipped_body(body, markers):
    assert markers.require(body) is markers and markers.k == 64
    assert len(set(markers.indices.tolist())) == 64
    assert markers.simplex.shape == markers.ridge.shape == (64, body.num_vertices)
    assert markers.simplex.min() >= 0
    # sums are exact: the weights lie on a binary grid
    assert (markers.simplex.astype(np.float64).sum(0) == 1).all()
    assert (markers.ridge.astype(np.float64).sum(0) == 1).all()


def test_flip_is_a_geometric_mirror(body, markers):
    flip = markers.flip
    assert np.array_equal(flip[flip], np.arange(64)) and (flip == np.arange(64)).sum() == 8
    rest = body.arrays["v_template"][markers.indices]
    np.testing.assert_allclose(rest[flip], rest * (-1, 1, 1), atol=1e-6)
    pose, betas = 0.4 * torch.randn(3, 72), torch.randn(3, 10)
    here, there = (markers.pick(body(betas, p).vertices) for p in (pose, mirror_pose(pose)))
    torch.testing.assert_close(there, mirror_points(here, flip), atol=1e-5, rtol=0)


def test_errors_are_those_on_file(body, markers):
    """Held-out meshes drawn as documented, errors by plain loops."""
    for name, seed, noise in (("held_out", 1, 1.0), ("walking", 2, 0.0)):
        meshes = sample_meshes(body, 60, seed, noise)
        for decoder in DECODERS:
            table = getattr(markers, decoder)
            total = 0.0
            for mesh in meshes:
                decoded = table.T @ mesh[markers.indices]
                total += np.sqrt(((decoded - mesh) ** 2).sum(1)).mean()
            assert 1000 * total / 60 == pytest.approx(markers.errors[f"{decoder}_{name}"], abs=0.05)


def test_errors_are_good(markers):
    # the feasibility study had 12.6 / 10.5 mm (simplex) and 4.2 / 2.5 mm (ridge) on poses of its own
    assert markers.errors["simplex_held_out"] < 12.6 and markers.errors["simplex_walking"] < 10.5
    assert markers.errors["ridge_held_out"] < 5.5 and markers.errors["ridge_walking"] < 2.5
    assert markers.errors["ridge_noise30"] < markers.errors["simplex_noise30"]
    assert markers.errors["mirror"] < 0.1


@pytest.mark.parametrize("decoder", DECODERS)
def test_decoded_mesh_follows_the_markers(body, markers, decoder):
    points = torch.from_numpy(markers.pick(sample_meshes(body, 4, seed=9))).double()
    turn = torch.from_numpy(Rotation.random(random_state=0).as_matrix())
    shift = torch.tensor([3.0, -2.0, 5.0], dtype=torch.float64)
    moved = 12.0 * points @ turn.mT + shift
    expected = 12.0 * markers.decode(points, decoder) @ turn.mT + shift
    torch.testing.assert_close(markers.decode(moved, decoder), expected)


@pytest.mark.parametrize("decoder", DECODERS)
def test_mirrored_markers_give_the_mirrored_mesh(body, markers, decoder):
    points = torch.from_numpy(markers.pick(sample_meshes(body, 4, seed=11)))
    there = markers.decode(mirror_points(points, markers.flip), decoder)
    here = mirror_points(markers.decode(points, decoder), body.mirror)
    assert (there - here).norm(dim=-1).max() < 1e-4


def test_simplex_stays_between_its_markers(body, markers):
    points = markers.pick(sample_meshes(body, 3, seed=4))
    mesh = markers.decode(points, "simplex")
    assert (mesh.max(1) <= points.max(1) + 1e-6).all() and (mesh.min(1) >= points.min(1) - 1e-6).all()
    np.testing.assert_allclose(mesh[:, markers.indices], points, atol=2e-3)


def test_decode_takes_numpy_torch_and_other_weights(markers):
    points = np.random.default_rng(0).normal(size=(2, 5, 64, 3)).astype(np.float32)
    plain = markers.decode(points, "simplex")
    torch.testing.assert_close(markers.decode(torch.from_numpy(points), "simplex"), torch.from_numpy(plain))
    torch.testing.assert_close(
        markers.decode(torch.from_numpy(points), weights=torch.from_numpy(markers.simplex)),
        torch.from_numpy(plain),
    )
    per_frame = np.broadcast_to(markers.simplex, (2, 5, *markers.simplex.shape))
    np.testing.assert_allclose(markers.decode(points, weights=per_frame), plain, atol=1e-5)
    with pytest.raises(BodyModelError, match="64, 3"):
        markers.decode(points[:, :, :60])
    with pytest.raises(BodyModelError, match="choose simplex or ridge"):
        markers.decode(points, "lasso")


def test_gradients_pass_through_the_decoder(markers):
    points = torch.randn(2, 64, 3, requires_grad=True)
    markers.decode(points).square().mean().backward()
    assert torch.isfinite(points.grad).all() and points.grad.abs().sum() > 0


@pytest.mark.slow
def test_learning_is_deterministic_for_a_seed(body, quick):
    again = learn(body, settings=quick.settings)
    other = learn(body, settings=dataclasses.replace(quick.settings, seed=50))
    assert np.array_equal(quick.indices, again.indices) and np.array_equal(quick.ridge, again.ridge)
    assert not np.array_equal(quick.ridge, other.ridge)


def test_file_round_trip_and_cross_checks(tmp_path, body, quick):
    quick.save(tmp_path / "m.npz")
    back = Markers.load(tmp_path / "m.npz")
    for name in ("indices", "simplex", "ridge", "flip"):
        assert np.array_equal(getattr(back, name), getattr(quick, name))
    assert (back.body, back.settings, back.errors) == (quick.body, quick.settings, quick.errors)
    assert [path.name for path in tmp_path.iterdir()] == ["m.npz"]
    with pytest.raises(BodyModelError, match="learn them again"):
        dataclasses.replace(back, body="0" * 16).require(body)
    with pytest.raises(OutputError):
        quick.save(tmp_path / "m.npz" / "m.npz")


def test_bad_marker_files_are_named(tmp_path, quick):
    with pytest.raises(BodyModelError, match="no marker file"):
        Markers.load(tmp_path / "absent.npz")
    (tmp_path / "text.npz").write_text("no")
    with pytest.raises(BodyModelError, match="cannot be read"):
        Markers.load(tmp_path / "text.npz")
    quick.save(tmp_path / "m.npz")
    with np.load(tmp_path / "m.npz") as archive:
        content = dict(archive)
    meta = json.loads(str(content["meta"]))
    for change, text in (({"version": 99}, "version 99"), ({"settings": {"k": 1, "z": 2}}, "cannot be read")):
        np.savez(tmp_path / "m.npz", **{**content, "meta": np.array(json.dumps({**meta, **change}))})
        with pytest.raises(BodyModelError, match=text):
            Markers.load(tmp_path / "m.npz")


def test_cache(tmp_path, monkeypatch, body, quick):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    calls = []

    def fake(body, settings, progress):
        calls.append(settings)
        return dataclasses.replace(quick, settings=settings)

    monkeypatch.setattr("meshgait.body.cache.learn", fake)
    assert markers_for(body)[1] == "shipped"
    assert markers_for(body, k=9)[1] == "learnt"
    assert markers_for(body, k=9)[1] == str(next(cache_folder().iterdir()))
    assert markers_for(body, k=9, seed=1)[1] == "learnt" and markers_for(body, k=9, force=True)[1] == "learnt"
    for path in cache_folder().iterdir():
        path.write_bytes(b"damaged")
    assert markers_for(body, k=9)[1] == "learnt"  # and not an error
    assert [(s.k, s.seed) for s in calls] == [(9, 0), (9, 1), (9, 0), (9, 0)]
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc/nowhere")
    assert markers_for(body, k=9)[1] == "learnt"  # a cache that cannot be written only costs time


def test_a_user_without_a_home_has_no_cache(monkeypatch, body, quick):
    """As in a container that runs under a number which no user has."""

    def nobody():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr("meshgait.body.cache.Path.home", nobody)
    monkeypatch.setattr("meshgait.body.cache.learn", lambda *_, **__: quick)
    assert cache_folder() is None
    assert markers_for(body, k=9)[1] == "learnt"
