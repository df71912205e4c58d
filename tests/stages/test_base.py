import math
from io import BytesIO
from types import SimpleNamespace

import pytest
import torch

from meshgait.batch import GaitBatch
from meshgait.data.transforms import Augmentation
from meshgait.errors import ConfigError, DataError
from meshgait.stages.base import (
    Stage,
    WarmupCosine,
    WarmupSteps,
    decay_groups,
)
from meshgait.stages.checkpoint import SETTINGS, read_checkpoint
from meshgait.stages.config import OptimizerConfig


def stage(seed=0, **options):
    return Stage(OptimizerConfig(**{"warmup": 0.1} | options), Augmentation(), seed)


@pytest.mark.parametrize("total", [1, 2, 10, 400])
@pytest.mark.parametrize("warmup", [0.0, 0.05, 0.5])
def test_the_rate_rises_to_its_peak_and_falls_to_nothing(total, warmup):
    schedule = WarmupCosine(total, warmup)
    factors = [schedule(step) for step in range(total)]
    peak = factors.index(max(factors))
    assert max(factors) == pytest.approx(1)
    assert factors[: peak + 1] == sorted(factors[: peak + 1])
    assert factors[peak:] == sorted(factors[peak:], reverse=True)
    assert min(factors) > 0  # no step is wasted
    if total == 400:
        assert peak == pytest.approx(warmup * 400, abs=1)
        assert factors[-1] < 1e-3
        middle = round(peak + (400 - peak) / 2)
        assert factors[middle] == pytest.approx(0.5, abs=0.01)
    assert schedule(total + 5) <= factors[-1] + 1e-9 or total == 1


def test_the_rate_falls_to_a_tenth_at_each_milestone():
    factors = [WarmupSteps(60, 0.0, (20, 40, 50))(step) for step in range(60)]
    assert factors == pytest.approx([1] * 20 + [0.1] * 20 + [0.01] * 10 + [0.001] * 10)
    rising = WarmupSteps(60, 0.1, (20,))
    assert [rising(step) for step in (0, 2, 5, 6, 19, 20)] == pytest.approx([1 / 6, 0.5, 1, 1, 1, 0.1])


@pytest.mark.parametrize("milestones", [(), (2, 3)])
def test_a_fit_uses_the_schedule_and_decay_that_were_asked_for(milestones):
    one = stage(name="sgd", lr=0.5, weight_decay=0.25, decay_vectors=True, warmup=0.0, milestones=milestones)
    one.layer = torch.nn.Linear(3, 2)
    one._trainer = SimpleNamespace(estimated_stepping_batches=4)
    setup = one.configure_optimizers()
    rates, schedule = [], setup["lr_scheduler"]["scheduler"]
    for _ in range(4):
        rates.append(setup["optimizer"].param_groups[0]["lr"])
        setup["optimizer"].step()
        schedule.step()
    falls = (1, 1, 0.1, 0.01) if milestones else (1, 1, 0.75, 0.25)  # one step of rise, then cosines of 0, 60, 120
    assert rates == pytest.approx([0.5 * fall for fall in falls])
    assert {group["weight_decay"] for group in setup["optimizer"].param_groups} == {0.25}
    torch.save(schedule.state_dict(), io := BytesIO())
    io.seek(0)
    assert torch.load(io, weights_only=True)["last_epoch"] == 4


def test_matrices_decay_and_vectors_do_not():
    module = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4), torch.nn.Linear(4, 2, bias=False))
    module[2].weight.requires_grad_(False)
    groups = decay_groups(module, 0.1, lr=0.5)
    assert [group["weight_decay"] for group in groups] == [0.1, 0.0]
    assert [[tuple(p.shape) for p in group["params"]] for group in groups] == [[(4, 3)], [(4,), (4,), (4,)]]
    assert all(group["lr"] == 0.5 for group in groups)


@pytest.mark.parametrize("wrong", [{"lr": 0.0}, {"lr": -1.0}, {"warmup": 1.0}, {"warmup": -0.1}, {"seed": -1},
                                   {"milestones": (5, 5)}, {"milestones": (0, 4)}, {"milestones": [7, 3]},
                                   {"weight_decay": -0.1}], ids=str)  # fmt: skip
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        stage(**wrong)


def batch(store):
    from meshgait.data.dataset import SequenceDataset
    from meshgait.data.frame_sampler import FrameSampler

    return SequenceDataset(store, None, FrameSampler(2, "spread"), truth=True).__getitems__(range(8))


STRONG = Augmentation(flip=0.5, rotate=20, scale=0.2, shift=4)


def test_augmentation_depends_on_seed_and_stream_and_repeats(store, monkeypatch):
    one = stage(seed=1)
    first = one.augment(batch(store), STRONG, 0)
    assert torch.equal(one.augment(batch(store), STRONG, 0).silhouettes, first.silhouettes)
    assert not torch.equal(one.augment(batch(store), STRONG, 1).silhouettes, first.silhouettes)
    assert not torch.equal(stage(seed=2).augment(batch(store), STRONG, 0).silhouettes, first.silhouettes)
    monkeypatch.setattr(Stage, "global_step", 7)
    assert not torch.equal(one.augment(batch(store), STRONG, 0).silhouettes, first.silhouettes)


def test_augmentation_takes_the_truth_along(store, default_model, default_markers):
    from meshgait.body.targets import TargetMaker

    maker = TargetMaker(default_model, default_markers)
    augmented = stage(seed=3).augment(batch(store), STRONG, 0)
    truth = augmented.truth
    joints = maker(*(x.flatten(0, 1) for x in (truth.poses, truth.betas, truth.cameras))).joints
    figures = augmented.silhouettes.flatten(0, 1)
    column, row = joints[..., 0].floor().long().clamp(0, 43), joints[..., 1].floor().long().clamp(0, 63)
    trunk = [0, 3, 6, 9]  # pelvis and spine lie well inside of the figure
    on = torch.stack([figures[n, row[n, trunk], column[n, trunk]] for n in range(len(figures))])
    assert on.mean() > 0.95


def test_truth_of_sequences_in_another_perspective_is_not_used(store):
    """A weak-perspective camera cannot follow; what is kept is as true as without any perspective."""
    bending = Augmentation(flip=0.5, rotate=20, perspective=0.2, perspective_chance=0.5)
    plain = batch(store)
    moved = stage(seed=3).augment(plain, bending, 0)
    _, geometry = bending(plain.silhouettes, stage(seed=3).generator(0))
    assert 0 < geometry.has_perspective.sum() < len(geometry.has_perspective)
    assert torch.equal(moved.truth.valid, plain.truth.valid & ~geometry.has_perspective[:, None])
    assert plain.truth.valid.all()


def test_batches_without_truth_are_augmented_too(store):
    plain = batch(store)
    plain = GaitBatch(plain.silhouettes, plain.mask, plain.labels, plain.indices)
    assert stage().augment(plain, STRONG, 0).truth is None


def test_a_missing_checkpoint_is_named(tmp_path):
    with pytest.raises(DataError, match=r"no checkpoint at .*gone\.ckpt"):
        read_checkpoint(tmp_path / "gone.ckpt")


def test_a_damaged_checkpoint_is_refused_in_one_line(tmp_path):
    (tmp_path / "x.ckpt").write_bytes(b"PK\x03\x04 not a checkpoint")
    with pytest.raises(DataError, match="cannot be read") as caught:
        read_checkpoint(tmp_path / "x.ckpt")
    assert "\n" not in str(caught.value)


def test_code_in_a_checkpoint_is_not_run(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (open, (str(tmp_path / "boom"), "w"))

    torch.save({"state_dict": {}, SETTINGS: Bomb()}, tmp_path / "x.ckpt")
    with pytest.raises(DataError, match="cannot be read"):
        read_checkpoint(tmp_path / "x.ckpt")
    assert not (tmp_path / "boom").exists()


@pytest.mark.parametrize("content", [{"state_dict": {}}, {SETTINGS: {}}, [1, 2]], ids=str)
def test_files_of_others_are_refused(tmp_path, content):
    torch.save(content, tmp_path / "x.ckpt")
    with pytest.raises(DataError, match="not a checkpoint of meshgait"):
        read_checkpoint(tmp_path / "x.ckpt")


def test_weights_lose_their_prefix_and_the_rest_stays_out(tmp_path):
    state = {"network.stem.weight": torch.ones(2), "supervision.mesh.gamma": torch.zeros(())}
    torch.save({"state_dict": state, SETTINGS: {}}, tmp_path / "x.ckpt")
    assert list(read_checkpoint(tmp_path / "x.ckpt").network()) == ["stem.weight"]
    assert math.isclose(read_checkpoint(tmp_path / "x.ckpt").network()["stem.weight"].sum(), 2)
