"""Checkpoints and an exported model that were written once and are kept: later versions give the same numbers.

They are of `meshgait fit` and `meshgait export` (version 0.1.0), four steps of a network of a few thousand
weights.
"""

import json
from pathlib import Path

import pytest
import torch

from meshgait.cli import main
from meshgait.stages.checkpoint import read_checkpoint
from meshgait.stages.recognise import RecogniseStage
from meshgait.stages.reconstruct import ReconstructStage

FILES = Path(__file__).parent / "files"
EXPECTED = json.loads((FILES / "expected.json").read_text())
EXPERIMENTS = Path(__file__).parents[1] / "experiments"


def walk(swing: int) -> torch.Tensor:
    """(1, 8, 64, 44): an upright figure whose legs open and close by ``swing`` pixels at most."""
    y, x = torch.meshgrid(torch.arange(64), torch.arange(44), indexing="ij")
    frames = []
    for opened in (0, 1, 2, 3, 3, 2, 1, 0):
        legs = (x - 22).abs() * 64 <= 64 * 3 + opened * swing * (y - 36)
        frames.append(torch.where(y < 36, (x - 22) ** 2 * 9 + (y - 20) ** 2 <= 18**2, legs & (y < 62)))
    return torch.stack(frames).float()[None]


WALKS = torch.cat([walk(swing) for swing in (1, 5)])
MASK = torch.tensor([[True] * 8, [True] * 6 + [False] * 2])


def close(found: torch.Tensor, name: str) -> bool:
    return torch.allclose(found, torch.tensor(EXPECTED[name]), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("file", "name"), [("stage-2.ckpt", "stage-2"), ("model", "stage-2"), ("stage-2-2d.ckpt", "stage-2-2d")]
)
@torch.no_grad()
def test_embeddings_are_those_of_the_version_that_wrote_them(file, name):
    found = RecogniseStage.load(FILES / file)(WALKS, MASK).embeddings
    assert close(found, name)
    assert not torch.allclose(found[0], found[1], rtol=1e-2)  # the walks are told apart, so the numbers say much


@torch.no_grad()
def test_a_network_whose_fusion_had_another_name():
    path = FILES / "stage-2-3d-only.ckpt"
    assert torch.load(path, weights_only=True)["meshgait"]["fusion"] == "deep"
    assert read_checkpoint(path).settings["fusion"] == "3d-only"
    assert close(RecogniseStage.load(path)(WALKS, MASK).embeddings, "stage-2-3d-only")


@torch.no_grad()
def test_points_of_stage_1_are_as_well():
    path = FILES / "stage-1.ckpt"
    found = ReconstructStage.restore(read_checkpoint(path))(WALKS[1]).points
    assert close(found[3], "stage-1") and not close(found[0], "stage-1")


def test_stage_2_starts_from_the_kept_stage_1():
    size = RecogniseStage.load(FILES / "stage-2.ckpt").network.size
    stem = RecogniseStage(size, 3, pretrained=str(FILES / "stage-1.ckpt")).network.stem.state_dict()
    kept = read_checkpoint(FILES / "stage-1.ckpt").weights
    assert stem and all(torch.equal(value, kept[f"network.stem.{name}"]) for name, value in stem.items())


def go_on(path, store, root, **more):
    """Exit code of a fit that goes on from a checkpoint of stage 2, with more settings."""
    settings = {
        "trainer.default_root_dir": root, "trainer.max_epochs": 2, "trainer.accelerator": "cpu",
        "trainer.check_val_every_n_epoch": 2,
        "model.size": json.dumps(read_checkpoint(FILES / "stage-2.ckpt").settings["size"]),
        "model.decoder": "simplex", "model.optimizer": "sgd", "model.pretrained": "null", "wandb": "disabled",
        "pictures": 0, "data.store": store, "data.batches": 4, "data.subjects": 2, "data.sequences": 2,
        "data.frames": 3, "ckpt_path": path, **more,
    }  # fmt: skip
    words = [f"--{name}={value}" for name, value in settings.items()]
    return main(["fit", "--config", str(EXPERIMENTS / "finetune" / "walkers.yaml"), *words])


@pytest.mark.slow
@pytest.mark.parametrize(("file", "fusion"), [("stage-2", "attention"), ("stage-2-3d-only", "deep")])
def test_a_training_goes_on_from_the_kept_checkpoint(tiny_store, tmp_path, capsys, file, fusion):
    path = FILES / f"{file}.ckpt"
    assert go_on(path, tiny_store, tmp_path / "run", **{"model.network.fusion": fusion}) == 0
    assert ("is --model.network.fusion 3d-only" in capsys.readouterr().err) == (fusion == "deep")
    before, after = (read_checkpoint(p) for p in (path, tmp_path / "run" / "checkpoints" / "last.ckpt"))
    assert (before.step, after.step) == (4, 8)
    moved = [not torch.equal(value, after.weights[name]) for name, value in before.weights.items()]
    assert sum(moved) > len(moved) / 2


@pytest.mark.slow
@pytest.mark.parametrize(
    ("part", "damaged"),
    [
        ("loops", "text"),
        ("loops", {}),
        ("loops", {"fit_loop": {"state_dict": {}, "epoch_progress": {"total": 1}}}),
        ("optimizer_states", [{"state": {}, "param_groups": []}]),
        ("lr_schedulers", [1]),
    ],
)
def test_a_training_cannot_go_on_from_a_damaged_one_and_says_so(tiny_store, tmp_path, capsys, part, damaged):
    content = torch.load(FILES / "stage-2.ckpt", weights_only=True)
    torch.save(content | {part: damaged}, tmp_path / "damaged.ckpt")
    assert go_on(tmp_path / "damaged.ckpt", tiny_store, tmp_path / "run") == 2
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert last.startswith("meshgait: the training cannot go on from its checkpoint, which is damaged")
