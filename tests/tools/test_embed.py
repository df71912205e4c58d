import inspect
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch

from meshgait import recogniser
from meshgait.cli import main
from meshgait.data.datamodule import SilhouetteDataModule
from meshgait.data.store import Store
from meshgait.stages.recognise import RecogniseStage
from meshgait.tools import embed
from tests.checkpoints import save_checkpoint

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory, tiny_size):
    torch.manual_seed(3)
    return save_checkpoint(RecogniseStage(tiny_size, 4), tmp_path_factory.mktemp("checkpoints") / "full.ckpt")


@pytest.fixture(scope="module")
def frames(tiny_store):
    return Store(tiny_store).silhouettes(1)


@pytest.fixture
def walk(tmp_path, frames):
    """Six frames of a walker; the third is empty."""
    np.save(tmp_path / "walk.npy", np.insert(frames, 2, 0, axis=0))
    return tmp_path / "walk.npy"


def run(*words):
    return main(["embed", *map(str, words)])


@torch.no_grad()
def test_the_embeddings_are_those_of_the_network(tmp_path, checkpoint, frames, walk, capsys):
    np.save(tmp_path / "back.npy", frames[::-1])
    out = tmp_path / "sub" / "e.npz"
    assert run(walk, tmp_path / "back.npy", "--checkpoint", checkpoint, "--out", out) == 0
    stage = RecogniseStage.load(checkpoint)
    walks = torch.from_numpy(np.stack([frames, frames[::-1]])).float() / 255
    expected = stage(walks, torch.ones(2, 6, dtype=torch.bool)).embeddings
    with np.load(out, allow_pickle=False) as content:
        np.testing.assert_allclose(content["embeddings"], expected, atol=1e-4, rtol=1e-4)
        assert content["walks"].tolist() == [str(walk), str(tmp_path / "back.npy")]
    said = capsys.readouterr().out
    assert "6 of 7 frames hold a figure" in said and "frame 2: left out" in said and "of 6 frames each" in said
    assert [path.name for path in out.parent.iterdir()] == ["e.npz"]


def test_the_file_has_the_name_of_the_first_walk(checkpoint, walk, monkeypatch):
    monkeypatch.chdir(walk.parent)
    assert run("walk.npy", "walk.npy", "--checkpoint", checkpoint) == 0
    assert Path("embeddings/walk.npz").is_file()


@torch.no_grad()
def test_of_a_long_walk_some_frames_are_used(tmp_path, checkpoint, frames, monkeypatch, capsys):
    stage = RecogniseStage.load(checkpoint)
    monkeypatch.setattr(embed, "MAX_FRAMES", 20)
    monkeypatch.setattr(recogniser, "MAX_FRAMES", 20)
    sizes = []
    stage.network.stem.register_forward_hook(lambda stem, inputs, output: sizes.append(len(inputs[0])))
    monkeypatch.setattr(RecogniseStage, "load", lambda path, *files: stage)
    long = np.tile(frames, (10, 1, 1))
    np.save(tmp_path / "long.npy", long)
    np.save(tmp_path / "short.npy", frames)
    assert run(tmp_path / "long.npy", tmp_path / "short.npy", "--out", tmp_path / "e.npz") == 0
    assert max(sizes) == 20 and "of 6 to 20 frames each" in capsys.readouterr().out
    spread = torch.from_numpy(long[1::3]).float() / 255  # every third frame, from the second on
    expected = stage(spread[None], torch.ones(1, 20, dtype=torch.bool)).embeddings[0]
    with np.load(tmp_path / "e.npz") as content:
        np.testing.assert_allclose(content["embeddings"][0], expected, atol=1e-5)


def test_the_cap_is_that_of_evaluation_and_is_stated(capsys):
    cap = inspect.signature(SilhouetteDataModule).parameters["eval_frames"].default
    assert cap == recogniser.MAX_FRAMES
    with pytest.raises(SystemExit):
        run("--help")
    assert f"{cap} frames at most" in " ".join(capsys.readouterr().out.split())


@pytest.mark.slow
def test_the_embedding_is_that_of_a_prediction_of_a_whole_store(
    tmp_path, tiny_store, tiny_size, checkpoint, frames, monkeypatch
):
    """`embed` and `predict` give the same for the same walk."""
    monkeypatch.chdir(tmp_path)
    np.save("walker.npy", frames)
    Path("size.yaml").write_text(json.dumps(asdict(tiny_size)))
    assert run("walker.npy", "--checkpoint", checkpoint, "--out", "one.npz") == 0
    words = ["--config", ROOT / "experiments" / "finetune" / "walkers.yaml", f"--data.store={tiny_store}"]
    words += ["--model.size=size.yaml", "--model.pretrained=null", f"--ckpt_path={checkpoint}"]
    words += ["--trainer.default_root_dir=many", "--trainer.accelerator=cpu", "--wandb=disabled"]
    assert main(["predict", *map(str, words)]) == 0
    with np.load("one.npz") as one, np.load("many/embeddings.npz") as many:
        np.testing.assert_allclose(one["embeddings"][0], many["embeddings"][1].T, atol=1e-5)
        between = np.abs(many["embeddings"] - many["embeddings"][1]).max((1, 2))
        assert np.sort(between)[1] > 1e-3  # another walk would be noticed


def test_a_file_is_replaced_only_on_request(checkpoint, walk, capsys):
    out = walk.with_name("e.npz")
    out.write_bytes(b"before")
    words = (walk, "--checkpoint", checkpoint, "--out", out)
    assert run(*words) == 2
    assert "--overwrite" in capsys.readouterr().err and out.read_bytes() == b"before"
    assert run(*words, "--overwrite") == 0 and out.read_bytes() != b"before"


def test_a_failure_half_way_leaves_nothing(checkpoint, walk, monkeypatch, capsys):
    def full_disk(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(embed.np, "savez_compressed", full_disk)
    assert run(walk, "--checkpoint", checkpoint, "--out", walk.with_name("e.npz")) == 2
    assert "No space left" in capsys.readouterr().err
    assert [path.name for path in walk.parent.iterdir()] == ["walk.npy"]
