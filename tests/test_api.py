"""What `import meshgait` offers."""

import subprocess
import sys

import numpy as np
import pytest
import torch

import meshgait
from meshgait.data.readers import read_silhouettes
from meshgait.errors import ConfigError, DataError
from meshgait.evaluation.distances import pairwise
from meshgait.models.meshgait import NetworkConfig
from meshgait.stages.recognise import RecogniseStage
from tests.checkpoints import save_checkpoint
from tests.data.trees import figure, frames


@pytest.fixture(scope="module")
def model(tmp_path_factory, tiny_size):
    torch.manual_seed(3)
    return meshgait.load(save_checkpoint(RecogniseStage(tiny_size, 4), tmp_path_factory.mktemp("m") / "full.ckpt"))


WALK = np.stack([figure(step, shift=3 * step) for step in range(12)])


def test_importing_is_light():
    code = "import sys, meshgait; print(meshgait.__version__, 'torch' in sys.modules, 'numpy' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).split() == ["0.1.0", "False", "False"]


def test_every_public_name_is_there_and_no_other():
    for name in meshgait.__all__:
        assert getattr(meshgait, name) is not None
    assert set(meshgait.__all__) <= set(dir(meshgait))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = meshgait.nothing


def test_a_walk_in_any_form_has_one_embedding(model, tmp_path):
    np.save(tmp_path / "walk.npy", WALK)
    folder = tmp_path / "walk"
    assert len(frames(folder, 12)) == 12
    read = read_silhouettes(tmp_path / "walk.npy")
    found = model.embed([WALK, tmp_path / "walk.npy", str(tmp_path / "walk.npy"), read, WALK > 0])
    assert found.shape[0] == 5
    assert found.shape[2] == 8
    np.testing.assert_array_equal(found, np.broadcast_to(found[:1], found.shape))
    np.testing.assert_array_equal(model.embed(WALK), found[:1])
    other = model.embed([WALK, folder])
    distances = pairwise(torch.from_numpy(other), torch.from_numpy(other))
    assert distances[0, 1] > distances[0, 0]


def test_the_embedding_is_that_of_the_network(model):
    silhouettes = torch.from_numpy(model.read(WALK).frames)[None].float() / 255
    with torch.no_grad():
        expected = model.network(silhouettes, torch.ones(1, 12, dtype=torch.bool)).embeddings
    np.testing.assert_allclose(model.embed(WALK), expected, atol=1e-5)


def test_bodies(model):
    walk = np.insert(WALK, 3, 0, axis=0)  # an empty frame has no body
    body = model.reconstruct(walk, stature=1.8)
    assert body.kept.tolist() == [*range(3), *range(4, 13)]
    assert body.joints.shape == (12, 24, 3) and body.markers.shape == (12, 64, 3)
    assert body.vertices.shape[0] == 12 and body.faces.max() < body.vertices.shape[1]
    np.testing.assert_allclose(body.joints[:, 0], 0, atol=1e-6)
    heights = np.ptp(body.vertices[..., 1], axis=1)
    assert np.percentile(heights, 90) == pytest.approx(1.8, rel=1e-4)
    twice = model.reconstruct(walk, stature=0.9)
    np.testing.assert_allclose(twice.markers, body.markers / 2, atol=1e-5)


def test_what_cannot_be_read_is_named(model, tmp_path, tiny_size):
    with pytest.raises(DataError, match=r"the array is white with a black figure"):
        model.embed(255 - WALK)
    with pytest.raises(DataError, match=r"none\.npy does not exist"):
        model.embed([WALK, tmp_path / "none.npy"])
    with pytest.raises(DataError, match=r"the array \(3, 120, 160\): none of its 3 frames"):
        model.embed(WALK[:3] * 0)
    flat = meshgait.load(
        save_checkpoint(RecogniseStage(tiny_size, 4, network=NetworkConfig(use_3d=False)), tmp_path / "flat.ckpt")
    )
    assert flat.embed(WALK).shape[0] == 1
    with pytest.raises(ConfigError, match="no 3D branch"):
        flat.reconstruct(WALK)


def test_packing_and_walkers(tmp_path):
    frames(tmp_path / "tree/001/nm-01/090", 4)
    options = meshgait.PackOptions(bits=1)
    store = meshgait.pack(tmp_path / "tree", tmp_path / "store", options=options, progress=False)
    assert isinstance(store, meshgait.Store)
    assert [row[:3] for row in store.sequences] == [("001", "nm-01", "090")]
    few = {"bodies": 2, "styles": 2, "test_fraction": 0.0, "views": (90,), "conditions": ("nm-01",), "frames": 3}
    settings = meshgait.WalkerSettings(**few)
    meshgait.walkers(tmp_path / "walkers", settings, progress=False)
    assert len(meshgait.Store(tmp_path / "walkers").sequences) == 4


def test_a_network_for_ones_own_loop(tiny_size):
    network = meshgait.MeshGait(tiny_size, num_subjects=3)
    output = network(torch.rand(2, 4, 64, 44), torch.ones(2, 4, dtype=torch.bool))
    output.logits.sum().backward()
    assert all(p.grad is not None for p in network.stem.parameters())
