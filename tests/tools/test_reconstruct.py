import pickle
import weakref
from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh
from PIL import Image

from meshgait import recogniser
from meshgait.cli import main
from meshgait.data.store import Store
from meshgait.models.meshgait import NetworkConfig
from meshgait.stages.recognise import RecogniseStage
from meshgait.stages.reconstruct import ReconstructStage
from meshgait.tools import reconstruct
from tests.checkpoints import save_checkpoint


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory, tiny_size):
    folder = tmp_path_factory.mktemp("checkpoints")
    torch.manual_seed(3)
    full = RecogniseStage(tiny_size, 4)
    with torch.no_grad():
        full.network.lifter.head.mul_(30)  # volumes with peaks, so that the points form no mere dot
    flat = RecogniseStage(tiny_size, 4, network=NetworkConfig(use_3d=False))
    return {
        "full": save_checkpoint(full, folder / "full.ckpt"),
        "flat": save_checkpoint(flat, folder / "flat.ckpt"),
        "first": save_checkpoint(ReconstructStage(tiny_size), folder / "first.ckpt"),
    }


@pytest.fixture(scope="module")
def frames(tiny_store):
    return Store(tiny_store).silhouettes(1)


@pytest.fixture(scope="module")
def walker(tmp_path_factory, frames):
    """Six frames of a walker; the third is empty."""
    path = tmp_path_factory.mktemp("walker") / "walker.npy"
    np.save(path, np.insert(frames, 2, 0, axis=0))
    return path


@pytest.fixture(autouse=True)
def no_pictures(monkeypatch):
    """Pictures of meshes are most of the time and have tests of their own."""
    blank = np.zeros((8, 8, 3), np.uint8)
    monkeypatch.setattr(reconstruct, "turntable", lambda mesh, count: [blank] * count)
    monkeypatch.setattr(reconstruct, "heatmap_panel", lambda rows, faces: blank)


def run(*words):
    return main(["reconstruct", *map(str, words)])


@pytest.fixture(scope="module")
def done(tmp_path_factory, checkpoints, walker):
    """One reconstruction, with everything that belongs to it, of fewer pictures than usual."""
    out = tmp_path_factory.mktemp("out") / "walker"
    turntable = reconstruct.turntable
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reconstruct, "turntable", lambda mesh, count: turntable(mesh, count // 18))
        patch.setattr(reconstruct, "PANEL_ROWS", 2)
        assert run(walker, "--checkpoint", checkpoints["full"], "--out", out) == 0
    return out


def test_all_files_appear_and_nothing_else(done):
    names = {"body.npz", "heatmaps.png", "mesh.obj", "skeleton.obj", "turn.gif"}
    assert {path.name for path in done.iterdir()} == names
    assert [path.name for path in done.parent.iterdir()] == ["walker"]


def test_points_are_metres_with_y_up_and_the_pelvis_at_the_origin(done, checkpoints, frames):
    stage = RecogniseStage.load(checkpoints["full"])
    with torch.no_grad():
        estimate = stage.network.reconstructor()(torch.from_numpy(frames).float() / 255)
        vertices = stage.supervision.decode_mesh(estimate)
    heights = (vertices[..., 1].amax(1) - vertices[..., 1].amin(1)).numpy()
    metres = 1.7 / np.percentile(heights, 90)
    offsets = (estimate.points - estimate.points[:, :1]).numpy() * metres * np.array([1, -1, 1])
    with np.load(done / "body.npz") as content:
        np.testing.assert_allclose(content["joints"], offsets[:, :24], atol=1e-4)
        np.testing.assert_allclose(content["markers"], offsets[:, 24:], atol=1e-4)
        assert content["joint_names"][15] == "head"
    mesh = trimesh.load(done / "mesh.obj", process=False)
    middle = (vertices[3] - estimate.points[3, :1]).numpy() * metres * np.array([1, -1, 1])
    np.testing.assert_allclose(mesh.vertices, middle, atol=1e-4)
    assert len(mesh.faces) == len(stage.supervision.faces)


def test_pictures_can_be_opened(done):
    assert Image.open(done / "heatmaps.png").size[0] > 500
    assert Image.open(done / "turn.gif").n_frames == 2


def test_it_tells_what_it_read_and_wrote(tmp_path, checkpoints, walker, capsys):
    assert run(walker, "--checkpoint", checkpoints["full"], "--out", tmp_path / "o", "--frame", 4) == 0
    text = capsys.readouterr().out
    assert "6 of 7 frames hold a figure" in text
    assert "frame 2: left out" in text
    assert "mesh.obj" in text and "1229 vertices" in text


def test_stature_scales(tmp_path, done, checkpoints, walker):
    assert run(walker, "--checkpoint", checkpoints["full"], "--out", tmp_path / "o", "--stature", 0.85) == 0
    with np.load(done / "body.npz") as one, np.load(tmp_path / "o" / "body.npz") as two:
        np.testing.assert_allclose(two["joints"], one["joints"] / 2, atol=1e-5)


def test_without_a_3d_branch_there_is_no_body(tmp_path, checkpoints, walker, capsys):
    assert run(walker, "--checkpoint", checkpoints["flat"], "--out", tmp_path / "o") == 2
    assert "no 3D branch" in capsys.readouterr().err and not list(tmp_path.iterdir())


def test_a_walk_however_long_takes_bounded_memory(tmp_path, checkpoints, frames, monkeypatch, capsys):
    """60 frames: no more than 4 at once in the network, and no volumes but those of the block at work."""
    stage = RecogniseStage.load(checkpoints["full"])
    monkeypatch.setattr(recogniser, "BLOCK", 4)
    sizes, volumes, alive = [], [], []

    def watch(lifter, inputs, output):
        sizes.append(len(inputs[0]))
        alive.append(sum(earlier() is not None for earlier in volumes))
        volumes.append(weakref.ref(output.untyped_storage()))

    stage.network.lifter.register_forward_hook(watch)
    monkeypatch.setattr(RecogniseStage, "load", lambda path, *files: stage)
    np.save(tmp_path / "long.npy", np.tile(frames, (10, 1, 1)))
    assert run(tmp_path / "long.npy", "--out", tmp_path / "o") == 0
    blocks = 60 // 4
    assert sizes == [4] * blocks + [4, 2]  # six frames again, for the panel, which shows their volumes
    assert max(alive[:blocks]) <= 1
    assert "joints and markers of 60 frames" in capsys.readouterr().out
    with np.load(tmp_path / "o" / "body.npz") as content:
        assert len(content["joints"]) == len(content["frames"]) == 60
        np.testing.assert_allclose(content["joints"][:6], content["joints"][-6:], atol=1e-5)
        assert np.abs(content["joints"][0] - content["joints"][3]).max() > 1e-3


def test_a_reconstruction_is_replaced_only_on_request(tmp_path, checkpoints, walker, capsys):
    out = tmp_path / "o"
    words = (walker, "--checkpoint", checkpoints["full"], "--out", out)
    assert run(*words) == 0
    (out / "old").touch()
    assert run(*words) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert (out / "old").exists()
    assert run(*words, "--overwrite") == 0
    assert not (out / "old").exists()


def test_a_folder_that_is_no_reconstruction_is_never_replaced(tmp_path, checkpoints, walker, capsys):
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "thesis.tex").touch()
    assert run(walker, "--checkpoint", checkpoints["full"], "--out", tmp_path / "home", "--overwrite") == 2
    assert "not replaced" in capsys.readouterr().err
    assert (tmp_path / "home" / "thesis.tex").exists()


def test_a_failure_half_way_leaves_nothing(tmp_path, checkpoints, walker, monkeypatch, capsys):
    def full_disk(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(reconstruct, "write_obj", full_disk)
    assert run(walker, "--checkpoint", checkpoints["full"], "--out", tmp_path / "o") == 2
    assert "No space left" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


class _Bomb:
    def __reduce__(self):
        return (Path.touch, (Path("boom"),))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"path": "gone.npy"}, "gone.npy"),
        ({"path": "bomb.pkl"}, "bomb.pkl"),
        ({"path": "empty.npy"}, "empty.npy"),
        ({"--checkpoint": "gone.ckpt"}, "no checkpoint at gone.ckpt"),
        ({"--checkpoint": "bomb.ckpt"}, "bomb.ckpt cannot be read"),
        ({"--checkpoint": "first"}, "stage 1"),
        ({"--out": "file/o"}, "cannot be written"),
        ({"--stature": "17"}, "--stature"),
        ({"--stature": "tall"}, "--stature"),
        ({"--frame": "2"}, "--frame 2"),
        ({"--frames": "2"}, "--frames"),
    ],
    ids=str,
)
def test_each_error_is_one_line_and_leaves_nothing(
    tmp_path, checkpoints, walker, monkeypatch, capsys, change, says
):
    monkeypatch.chdir(tmp_path)
    Path("bomb.pkl").write_bytes(pickle.dumps(_Bomb()))
    torch.save(_Bomb(), "bomb.ckpt")
    np.save("empty.npy", np.zeros((0, 64, 64), np.uint8))
    Path("file").touch()
    before = set(tmp_path.iterdir())
    words = {"path": walker, "--checkpoint": checkpoints["full"], "--out": "o"} | change
    words["--checkpoint"] = checkpoints.get(words["--checkpoint"], words["--checkpoint"])
    path = words.pop("path")
    assert run(path, *(word for pair in words.items() for word in pair)) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("meshgait: ") and captured.err.count("\n") == 1
    assert says in captured.err
    assert set(tmp_path.iterdir()) == before  # no boom, no o, no o.partial
