"""Markers written as their publication has them, of our own body, must come back in our order."""

import pickle
import re
import shlex
import subprocess
import sys

import numpy as np
import pytest
import torch
from scipy import sparse

from meshgait.body import archetypes
from meshgait.body.archetypes import Symmetry
from meshgait.body.markers import Markers
from meshgait.body.poses import sample_meshes
from meshgait.body.published import import_markers
from meshgait.errors import BodyModelError, ConfigError, DataError, UnsafeFileError
from meshgait.tools.markers import read_indices
from tests.body.test_verbs import call

pytestmark = pytest.mark.slow

HEAD = 15


def publish(folder, indices, mixture, pairs, kept):
    """Write markers in the publication's layout: vertices are counted among those kept."""
    place = {int(vertex): row for row, vertex in enumerate(kept)}
    choice = np.zeros((len(kept), len(indices)), np.float32)
    choice[[place[int(i)] for i in indices], np.arange(len(indices))] = 1
    folder.mkdir(exist_ok=True)
    sparse.save_npz(folder / "vm_A_sym.npz", sparse.csc_matrix(mixture))
    sparse.save_npz(folder / "vm_B_sym.npz", sparse.csc_matrix(choice))
    np.savez(folder / "vm_info.npz", vm_K=np.int64(len(indices)), vm_flip_pairs=np.array(pairs, np.int64))
    return folder


@pytest.fixture(scope="module")
def made(tmp_path_factory, default_model):
    """(folder, indices, mixture, pairs, kept): markers below the head in a random order, left and right mixed."""
    own, body = Markers.default(), default_model
    head = body.arrays["weights"].argmax(1) == HEAD
    kept = np.flatnonzero(~head)
    stay = np.flatnonzero(~head[own.indices])
    assert 20 < len(stay) < 64 and np.array_equal(np.sort(own.flip[stay]), stay)
    order = np.random.default_rng(0).permutation(stay)
    indices = own.indices[order]
    partner = {int(a): i for i, a in enumerate(order)}
    flip = np.array([partner[int(own.flip[a])] for a in order])
    pairs = [(i, int(j)) for i, j in enumerate(flip) if i < j]
    features = archetypes.compress(sample_meshes(body, 40, 5), body.mirror)
    mixture = archetypes.simplex_decoder(features, indices, Symmetry(body.mirror, flip, np.zeros(0)))[:, kept]
    folder = publish(tmp_path_factory.mktemp("assets") / "n", indices, mixture, pairs, kept)
    return folder, indices, mixture, pairs, kept


@pytest.fixture(scope="module")
def markers(made, default_model) -> Markers:
    return import_markers(made[0], default_model)


def test_everything_published_is_kept(markers, made, default_model):
    _, indices, mixture, pairs, kept = made
    assert set(markers.indices.tolist()) == set(indices.tolist()) and markers.require(default_model)
    where = [markers.indices.tolist().index(i) for i in indices]
    np.testing.assert_allclose(markers.simplex[where][:, kept], mixture, atol=5e-4)
    assert {(where[a], where[b]) for a, b in pairs} <= {(i, int(j)) for i, j in enumerate(markers.flip)}
    # left, right, midline
    x = default_model.arrays["v_template"][markers.indices, 0]
    count = len(pairs)
    assert (x[:count] > 0).all() and (x[count : 2 * count] < 0).all() and np.abs(x[2 * count :]).max() < 1e-3
    np.testing.assert_array_equal(markers.flip[:count], np.arange(count) + count)


def test_the_head_is_decoded_as_well(markers, made, default_model):
    _, _, _, _, kept = made
    left_out = np.setdiff1d(np.arange(default_model.num_vertices), kept)
    assert (markers.simplex.astype(np.float64).sum(0) == 1).all() and markers.simplex.min() >= 0
    meshes = sample_meshes(default_model, 20, 77, noise=0.0)
    # mixtures do not reach beyond the points, but no worse than the nearest of them does
    distance = np.linalg.norm(meshes[0][left_out][:, None] - meshes[0][markers.indices], axis=-1)
    nearest = meshes[:, markers.indices[distance.argmin(1)]]
    limits = {"simplex": np.linalg.norm(nearest - meshes[:, left_out], axis=-1).mean(), "ridge": 0.03}
    for decoder, limit in limits.items():
        decoded = markers.decode(markers.pick(meshes), decoder)
        wrong = np.linalg.norm(decoded - meshes, axis=-1)[:, left_out].mean()
        assert wrong < limit
        assert markers.errors[f"{decoder}_left_out"] == pytest.approx(1000 * wrong, rel=0.2)
    assert 2 * markers.errors["ridge_held_out"] < markers.errors["simplex_held_out"]
    assert markers.errors["mirror"] < 1 and markers.settings.steps == 0


def test_file_round_trip_and_verb(made, markers, tmp_path, capsys):
    folder, *_, kept = made
    np.save(tmp_path / "kept.npy", kept)
    for extra in ((), ("--vertex-indices", str(tmp_path / "kept.npy"))):
        call("markers", "--import", str(folder), "--out", str(tmp_path / "m.npz"), *extra)
        said = capsys.readouterr().out
        assert f"{len(markers.indices)} markers of default body" in said and "publication leaves out" in said
        again = Markers.load(tmp_path / "m.npz")
        for name in ("indices", "flip", "simplex", "ridge"):
            np.testing.assert_array_equal(getattr(again, name), getattr(markers, name))
    with pytest.raises(ConfigError, match="goes with --import"):
        call("markers", "--vertex-indices", str(tmp_path / "kept.npy"))
    with pytest.raises(ConfigError, match="leave one out"):
        call("markers", "--import", str(folder), "--force")


def test_vertices_told_by_a_file(made, tmp_path, default_model):
    kept, count = made[4], default_model.num_vertices
    head = np.setdiff1d(np.arange(count), kept)
    (tmp_path / "parts.pkl").write_bytes(pickle.dumps({"leg": kept[:9], "head": head}))
    (tmp_path / "kept.pkl").write_bytes(pickle.dumps(kept))
    for name in ("parts.pkl", "kept.pkl"):
        np.testing.assert_array_equal(read_indices(tmp_path / name, count), kept)
    # the publication's own file holds tensors: refused, with words that make a file of arrays
    path = tmp_path / "the 'smpl' \"indices\".pkl"
    path.write_bytes(pickle.dumps({"head": torch.from_numpy(head)}))
    with pytest.raises(UnsafeFileError, match=r"nothing of it was run.*kept\.npy") as caught:
        read_indices(path, count)
    command = shlex.split(re.search(r"python -c .*", str(caught.value))[0])  # the message's own words
    subprocess.run([sys.executable, *command[1:]], cwd=tmp_path, check=True)
    np.testing.assert_array_equal(read_indices(tmp_path / "kept.npy", count), kept)
    (tmp_path / "legs.pkl").write_bytes(pickle.dumps({"leg": kept[:9]}))
    np.save(tmp_path / "real.npy", np.zeros(3))
    for name, text in (("legs.pkl", "no head"), ("real.npy", "whole numbers"), ("absent.npy", "does not exist")):
        with pytest.raises(DataError, match=text):
            read_indices(tmp_path / name, count)


def test_a_body_without_the_head_needs_no_indices(made, tmp_path, default_model):
    """V' = V: the matrices are the body's as they stand."""
    _, indices, _, pairs, _ = made
    own = import_markers(made[0], default_model)
    assert own.errors["ridge_left_out"] < own.errors["simplex_left_out"]
    everything = np.arange(default_model.num_vertices)
    where = [own.indices.tolist().index(i) for i in indices]
    folder = publish(tmp_path / "whole", indices, own.simplex[where].astype(float), pairs, everything)
    whole = import_markers(folder, default_model)
    np.testing.assert_array_equal(whole.simplex, own.simplex)
    assert "ridge_left_out" not in whole.errors


def test_what_does_not_fit_is_named(made, tmp_path, default_model):
    _, indices, mixture, pairs, kept = made
    shifted = np.roll(kept, 5)
    cases = [
        (lambda f: publish(f, indices, mixture * 2, pairs, kept), None, "no mixtures"),
        (lambda f: publish(f, indices, mixture[:, :-1], pairs, kept), None, "not its transpose"),
        (lambda f: publish(f, indices, mixture, [(0, 999)], kept), None, "no pairs"),
        (lambda f: publish(f, indices, mixture, [*pairs, pairs[0]], kept), None, "no pairs"),
        (lambda f: publish(f, indices, mixture, pairs, kept), shifted, r"mirror each other are \d+ mm off"),
        (lambda f: publish(f, indices, mixture, pairs, kept), kept[:-1], "not .* different ones"),
        (
            lambda f: publish(f, indices, mixture[:, 1:], pairs, np.setdiff1d(kept, kept[:1])),
            None,
            "without the head",
        ),
    ]
    for number, (make, given, text) in enumerate(cases):
        with pytest.raises(BodyModelError, match=text) as caught:
            import_markers(make(tmp_path / str(number)), default_model, given)
        assert "\n" not in str(caught.value)
    broken = publish(tmp_path / "broken", indices, mixture, pairs, kept)
    for name in ("vm_info.npz", "vm_A_sym.npz"):
        whole = (broken / name).read_bytes()
        (broken / name).write_bytes(whole[:200])
        with pytest.raises(BodyModelError, match="cannot be read"):
            import_markers(broken, default_model)
        (broken / name).unlink()
        with pytest.raises(BodyModelError, match=f"{name} does not exist"):
            import_markers(broken, default_model)
        (broken / name).write_bytes(whole)
    np.savez(broken / "vm_info.npz", vm_K=np.int64(7), vm_flip_pairs=np.array(pairs))
    with pytest.raises(BodyModelError, match="of 7 markers"):
        import_markers(broken, default_model)
    np.savez(broken / "vm_info.npz", vm_K=np.array([None]), vm_flip_pairs=np.array(pairs))
    with pytest.raises(UnsafeFileError, match="vm_K holds Python objects"):
        import_markers(broken, default_model)
