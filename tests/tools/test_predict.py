import inspect
import json
import pickle
import weakref
from dataclasses import asdict
from pathlib import Path

import lightning
import numpy as np
import pytest
import torch
import trimesh
from PIL import Image

from meshgait import recogniser
from meshgait.cli import main
from meshgait.data.datamodule import SilhouetteDataModule
from meshgait.data.store import Store
from meshgait.models.meshgait import NetworkConfig
from meshgait.progress import Progress
from meshgait.recogniser import Recogniser
from meshgait.stages.recognise import RecogniseStage
from meshgait.stages.reconstruct import ReconstructStage
from meshgait.tools import predict

ROOT = Path(__file__).parents[2]


def save(stage, path):
    checkpoint = {"state_dict": stage.state_dict(), "pytorch-lightning_version": lightning.__version__}
    stage.on_save_checkpoint(checkpoint)
    torch.save(checkpoint, path)
    return path


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory, tiny_size):
    folder = tmp_path_factory.mktemp("checkpoints")
    torch.manual_seed(3)
    full = RecogniseStage(tiny_size, 4)
    with torch.no_grad():
        full.network.lifter.head.mul_(30)  # volumes with peaks, so that the points form no mere dot
    return {
        "full": save(full, folder / "full.ckpt"),
        "flat": save(RecogniseStage(tiny_size, 4, network=NetworkConfig(use_3d=False)), folder / "flat.ckpt"),
        "first": save(ReconstructStage(tiny_size), folder / "first.ckpt"),
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
    monkeypatch.setattr(predict, "turntable", lambda mesh, count: [blank] * count)
    monkeypatch.setattr(predict, "heatmap_panel", lambda rows, faces: blank)


def run(*words):
    return main(["predict", *map(str, words)])


@pytest.fixture(scope="module")
def done(tmp_path_factory, checkpoints, walker):
    """One prediction, with everything that belongs to it, of fewer pictures than usual."""
    out = tmp_path_factory.mktemp("out") / "walker"
    turntable = predict.turntable
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(predict, "turntable", lambda mesh, count: turntable(mesh, count // 18))
        patch.setattr(predict, "PANEL_ROWS", 2)
        assert run(walker, "--checkpoint", checkpoints["full"], "--out", out) == 0
    return out


def test_all_files_appear_and_nothing_else(done):
    names = {"walker.npz", "heatmaps.png", "mesh.obj", "skeleton.obj", "turn.gif"}
    assert {path.name for path in done.iterdir()} == names
    assert [path.name for path in done.parent.iterdir()] == ["walker"]


def test_the_embedding_is_that_of_the_network(done, checkpoints, frames):
    stage = RecogniseStage.load(checkpoints["full"])
    expected = stage(torch.from_numpy(frames)[None].float() / 255, torch.ones(1, 6, dtype=torch.bool)).embeddings
    with np.load(done / "walker.npz", allow_pickle=False) as content:
        np.testing.assert_allclose(content["embedding"], expected[0].detach().numpy(), atol=1e-4, rtol=1e-4)
        assert content["frames"].tolist() == [0, 1, 3, 4, 5, 6]  # numbers in the source, without the empty one


def test_points_are_metres_with_y_up_and_the_pelvis_at_the_origin(done, checkpoints, frames):
    stage = RecogniseStage.load(checkpoints["full"])
    with torch.no_grad():
        estimate = stage.network.reconstructor()(torch.from_numpy(frames).float() / 255)
        vertices = stage.supervision.decode_mesh(estimate)
    heights = (vertices[..., 1].amax(1) - vertices[..., 1].amin(1)).numpy()
    metres = 1.7 / np.percentile(heights, 90)
    offsets = (estimate.points - estimate.points[:, :1]).numpy() * metres * np.array([1, -1, 1])
    with np.load(done / "walker.npz") as content:
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
    with np.load(done / "walker.npz") as one, np.load(tmp_path / "o" / "walker.npz") as two:
        np.testing.assert_allclose(two["joints"], one["joints"] / 2, atol=1e-5)


def test_without_a_3d_branch_there_is_the_embedding(tmp_path, checkpoints, walker):
    assert run(walker, "--checkpoint", checkpoints["flat"], "--out", tmp_path / "o") == 0
    assert [path.name for path in (tmp_path / "o").iterdir()] == ["walker.npz"]


def test_long_walks_are_lifted_in_blocks(checkpoints, frames, monkeypatch):
    stage = RecogniseStage.load(checkpoints["full"])
    with torch.no_grad():
        whole = predict.read_body(Recogniser(stage), frames, {0, 5}, Progress("", 6))
        monkeypatch.setattr(recogniser, "BLOCK", 4)
        parts = predict.read_body(Recogniser(stage), frames, {0, 5}, Progress("", 6))
    assert parts.points.shape == (6, 88, 3) and set(parts.rows) == {0, 5}
    np.testing.assert_allclose(parts.points, whole.points, atol=1e-3)
    np.testing.assert_allclose(parts.heights, whole.heights, atol=1e-3)
    np.testing.assert_allclose(parts.rows[5].vertices, whole.rows[5].vertices, atol=1e-3)
    np.testing.assert_array_equal(parts.rows[5].points, parts.points[5])


def test_a_walk_however_long_takes_bounded_memory(tmp_path, checkpoints, frames, monkeypatch, capsys):
    """60 frames: no more than 20 at once in the network, and no volumes but those of the block at work."""
    stage = RecogniseStage.load(checkpoints["full"])
    monkeypatch.setattr(predict, "MAX_FRAMES", 20)
    monkeypatch.setattr(recogniser, "MAX_FRAMES", 20)
    monkeypatch.setattr(recogniser, "BLOCK", 4)
    sizes, volumes, alive = [], [], []

    def watch(lifter, inputs, output):
        sizes.append(len(inputs[0]))
        alive.append(sum(earlier() is not None for earlier in volumes))
        volumes.append(weakref.ref(output.untyped_storage()))

    stage.network.lifter.register_forward_hook(watch)
    stage.network.stem.register_forward_hook(lambda stem, inputs, output: sizes.append(len(inputs[0])))
    monkeypatch.setattr(RecogniseStage, "load", lambda path, *files: stage)
    np.save(tmp_path / "long.npy", np.tile(frames, (10, 1, 1)))
    assert run(tmp_path / "long.npy", "--out", tmp_path / "o") == 0
    assert len(sizes) == 1 + 2 * (60 // 4)  # the embedding makes its volumes in blocks
    assert max(sizes) == 20
    assert max(alive) <= 1
    assert "(strips, channels) of 20 of 60 frames, spread evenly" in capsys.readouterr().out
    with np.load(tmp_path / "o" / "walker.npz") as content:
        assert len(content["joints"]) == len(content["frames"]) == 60
        # every third frame, from the second on
        spread = torch.from_numpy(np.tile(frames, (10, 1, 1))[1::3]).float() / 255
        with torch.no_grad():
            expected = stage(spread[None], torch.ones(1, 20, dtype=torch.bool)).embeddings[0]
        np.testing.assert_allclose(content["embedding"], expected, atol=1e-5)


def test_the_cap_is_that_of_evaluation_and_is_stated(capsys):
    cap = inspect.signature(SilhouetteDataModule).parameters["eval_frames"].default
    assert cap == recogniser.MAX_FRAMES
    with pytest.raises(SystemExit):
        run("--help")
    assert f"{cap} frames at most" in " ".join(capsys.readouterr().out.split())


@pytest.mark.slow
def test_the_embedding_is_that_of_a_prediction_of_a_whole_store(
    tmp_path, tiny_store, tiny_size, checkpoints, frames, monkeypatch
):
    """`predict PATH` and `predict --config` give the same for the same walk."""
    monkeypatch.chdir(tmp_path)
    np.save("walker.npy", frames)
    Path("size.yaml").write_text(json.dumps(asdict(tiny_size)))
    assert run("walker.npy", "--checkpoint", checkpoints["full"], "--out", "one") == 0
    words = ["--config", ROOT / "experiments" / "finetune" / "walkers.yaml", f"--data.store={tiny_store}"]
    words += ["--model.size=size.yaml", "--model.pretrained=null", f"--ckpt_path={checkpoints['full']}"]
    words += ["--trainer.default_root_dir=many", "--trainer.accelerator=cpu", "--wandb=disabled"]
    assert run(*words) == 0
    with np.load("one/walker.npz") as one, np.load("many/embeddings.npz") as many:
        np.testing.assert_allclose(one["embedding"], many["embeddings"][1].T, atol=1e-5)
        between = np.abs(many["embeddings"] - many["embeddings"][1]).max((1, 2))
        assert np.sort(between)[1] > 1e-3  # another walk would be noticed


def test_a_prediction_is_replaced_only_on_request(tmp_path, checkpoints, walker, capsys):
    out = tmp_path / "o"
    words = (walker, "--checkpoint", checkpoints["flat"], "--out", out)
    assert run(*words) == 0
    (out / "old").touch()
    assert run(*words) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert (out / "old").exists()
    assert run(*words, "--overwrite") == 0
    assert not (out / "old").exists()


def test_a_folder_that_is_no_prediction_is_never_replaced(tmp_path, checkpoints, walker, capsys):
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "thesis.tex").touch()
    assert run(walker, "--checkpoint", checkpoints["flat"], "--out", tmp_path / "home", "--overwrite") == 2
    assert "not replaced" in capsys.readouterr().err
    assert (tmp_path / "home" / "thesis.tex").exists()


def test_a_failure_half_way_leaves_nothing(tmp_path, checkpoints, walker, monkeypatch, capsys):
    def full_disk(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(predict, "write_obj", full_disk)
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
