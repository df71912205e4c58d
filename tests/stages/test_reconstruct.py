from dataclasses import asdict

import numpy as np
import pytest
import torch
from lightning import Trainer

from meshgait.data.datamodule import BodyDataModule
from meshgait.data.frame_sampler import FrameSampler
from meshgait.data.store import Store, StoreWriter
from meshgait.errors import ConfigError
from meshgait.stages.checkpoint import read_checkpoint
from meshgait.stages.config import BodyConfig, BodyLossWeights, OptimizerConfig
from meshgait.stages.reconstruct import ReconstructStage


def trainer(tmp_path, **options):
    options = {"max_epochs": 1, "limit_val_batches": 0, "enable_checkpointing": False, **options}
    return Trainer(
        default_root_dir=tmp_path, accelerator="cpu", logger=False, enable_progress_bar=False,
        enable_model_summary=False, use_distributed_sampler=False, **options,
    )  # fmt: skip


@pytest.mark.slow
def test_it_learns_what_it_is_shown(tmp_path, tiny_size, tiny_store):
    """The same eight frames over and over: the error must fall well below that of the mean pose."""
    data = BodyDataModule(str(tiny_store), batch_size=8, batches=60)
    data.setup("fit")
    batch = next(iter(data.train_dataloader()))
    data.train_dataloader = lambda: torch.utils.data.DataLoader([batch] * 60, batch_size=None)
    stage = ReconstructStage(tiny_size, optimizer=OptimizerConfig(lr=2e-2))
    errors = []
    stage.supervision.register_forward_hook(lambda *args: errors.append(args[2][1]["joints"].item()))
    trainer(tmp_path).fit(stage, data)
    assert len(errors) == 60
    assert errors[-1] < 0.35 * errors[0]


NOTHING = BodyLossWeights(**dict.fromkeys(asdict(BodyLossWeights()), 0.0))


def test_weights_that_train_nothing_are_refused(tiny_size):
    with pytest.raises(ConfigError, match=r"all weights of body\.losses are 0"):
        ReconstructStage(tiny_size, body=BodyConfig(losses=NOTHING))


@pytest.mark.slow
def test_the_loss_of_a_validation_counts_frames(tmp_path, tiny_size, tiny_store, monkeypatch):
    """It does not depend on how frames are shared out to batches, of which the last is smaller."""
    stage = ReconstructStage(tiny_size)
    losses = []
    for size in (256, 40):  # frames at once, of 240
        data = BodyDataModule(str(tiny_store), eval_frames=6)
        loader, dataset = data._ordered_loader, data._dataset(FrameSampler(6, "spread"))
        indices = np.flatnonzero(data.split.test)
        monkeypatch.setattr(data, "val_dataloader", lambda: loader(dataset, indices, size // 6))  # noqa: B023
        runner = trainer(tmp_path, limit_val_batches=1.0)
        runner.validate(stage, data, verbose=False)
        losses.append(float(runner.callback_metrics["val/loss"]))
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


def test_validation_reports_millimetres_of_held_out_subjects(tmp_path, tiny_size, tiny_store):
    data = BodyDataModule(str(tiny_store), batch_size=8, eval_frames=1)
    torch.manual_seed(0)
    runner = trainer(tmp_path, limit_val_batches=1.0)
    runner.validate(ReconstructStage(tiny_size), data, verbose=False)
    figures = {name: float(value) for name, value in runner.callback_metrics.items()}
    assert set(figures) == {"val/loss", "val/mpjpe", "val/pa_mpjpe", "val/mpvpe"}
    # an untrained network puts all points near the middle: the error is the size of a body
    assert 150 < figures["val/mpjpe"] < 800
    assert figures["val/pa_mpjpe"] <= figures["val/mpjpe"]


def test_a_checkpoint_says_what_rebuilds_it_in_plain_values(tmp_path, tiny_size, tiny_store):
    data = BodyDataModule(str(tiny_store), batch_size=4, batches=1)
    runner = trainer(tmp_path, enable_checkpointing=True)
    runner.fit(ReconstructStage(tiny_size), data)
    runner.save_checkpoint(tmp_path / "x.ckpt")
    content = read_checkpoint(tmp_path / "x.ckpt")
    assert content.stage == "ReconstructStage"
    assert type(tiny_size)(**content.settings["size"]) == tiny_size
    assert all(name.startswith(("network.", "supervision.mesh.gamma")) for name in content.weights)


def test_silhouettes_of_another_size_are_refused_with_the_remedy(tmp_path, tiny_size, tiny_store):
    source = Store(tiny_store)
    writer = StoreWriter(tmp_path / "large", size=(128, 88), smpl=True)
    for index in (0, 40):
        walk, large = source.sequences[index], source.silhouettes(index).repeat(2, 1).repeat(2, 2)
        writer.add(walk.subject, walk.condition, walk.view, large, **{k: v for k, v in source.smpl(index).items()})
    writer.finish(partition=source.partition)
    data = BodyDataModule(str(tmp_path / "large"), batch_size=2, batches=1)
    with pytest.raises(ConfigError, match=r"large holds silhouettes of \(128, 88\).*takes \(64, 44\)"):
        trainer(tmp_path).fit(ReconstructStage(tiny_size), data)


def test_a_seed_gives_the_same_steps(tmp_path, tiny_size, tiny_store):
    def weights():
        torch.manual_seed(5)
        stage = ReconstructStage(tiny_size)
        trainer(tmp_path).fit(stage, BodyDataModule(str(tiny_store), batch_size=4, batches=2))
        return stage.network.state_dict()

    one, two = weights(), weights()
    assert all(torch.equal(one[name], two[name]) for name in one)
