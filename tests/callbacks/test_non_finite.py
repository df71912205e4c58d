import pytest
import torch
from lightning import Callback, Trainer

from meshgait.callbacks.non_finite import StopOnNonFinite
from meshgait.data.datamodule import SilhouetteDataModule
from meshgait.errors import TrainingError
from meshgait.models.meshgait import NetworkConfig
from meshgait.stages import recognise
from meshgait.stages.config import OptimizerConfig
from meshgait.stages.recognise import RecogniseStage
from tests.conftest import TINY

pytestmark = pytest.mark.filterwarnings("ignore")


class Watch(Callback):
    """Keeps parameters before each step, and the batches; spoils what it is told to."""

    def __init__(self, spoil=None):
        self.before, self.batches, self.spoil = [], [], spoil

    def on_train_batch_start(self, trainer, stage, batch, batch_idx):
        self.before.append([p.detach().clone() for p in stage.parameters()])
        self.batches.append(batch)
        if self.spoil:
            self.spoil(batch, len(self.batches))


def fit(folder, store, watch, **options):
    data = SilhouetteDataModule(
        str(store), subjects=2, sequences=2, frames=2, batches=4, **options.pop("data", {})
    )
    stage = RecogniseStage(
        TINY, data.num_subjects, **{"network": NetworkConfig(use_3d=False)} | options.pop("stage", {})
    )
    trainer = Trainer(
        default_root_dir=folder, accelerator="cpu", logger=False, max_epochs=2, limit_val_batches=0,
        enable_progress_bar=False, enable_model_summary=False, use_distributed_sampler=False,
        enable_checkpointing=False, callbacks=[StopOnNonFinite(), watch], **options,
    )  # fmt: skip
    try:
        trainer.fit(stage, data)
    finally:
        watch.stage, watch.trainer, watch.data = stage, trainer, data
    return stage


def names(data, indices):
    walks = [data.store.sequences[index] for index in indices]
    return list(dict.fromkeys(f"{walk.subject}/{walk.condition}/{walk.view}" for walk in walks))


def spoil_loss(monkeypatch, call, value):
    """Make the triplet loss ``value`` at a call."""
    real, calls = recognise.triplet_loss, []

    def triplet(*arguments):
        calls.append(1)
        return real(*arguments) * (value if len(calls) == call else 1)

    monkeypatch.setattr(recognise, "triplet_loss", triplet)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_stops_before_the_weights_change(tiny_store, tmp_path, monkeypatch, value):
    spoil_loss(monkeypatch, 6, value)
    watch = Watch()
    with pytest.raises(TrainingError) as stop:
        fit(tmp_path, tiny_store, watch)
    text = str(stop.value)
    assert f"triplet is {value}" in text and "epoch 1, batch 1 (step 5)" in text and "\n" not in text
    assert f"of sequences {', '.join(names(watch.data, watch.batches[-1].indices))};" in text
    assert all(torch.equal(*pair) for pair in zip(watch.before[-1], watch.stage.parameters(), strict=True))
    assert not torch.equal(watch.before[0][0], watch.before[-1][0])


def test_gradients_that_are_not_finite_are_named_by_parameter(tiny_store, tmp_path):
    watch = Watch()

    def spoil(batch, count):
        if count == 3:
            parameter = watch.parameters["network.classify.weight"]
            parameter.register_hook(lambda gradient: gradient / 0)

    watch.spoil = spoil
    watch.on_fit_start = lambda trainer, stage: setattr(watch, "parameters", dict(stage.named_parameters()))
    with pytest.raises(TrainingError, match=r"1 of \d+ gradients are not finite \(network\.classify\.weight\) in"):
        fit(tmp_path, tiny_store, watch)
    assert watch.trainer.global_step == 2
    assert all(torch.equal(*pair) for pair in zip(watch.before[-1], watch.stage.parameters(), strict=True))


def test_only_the_damaged_sequences_are_named_where_there_are_such(tiny_store, tmp_path):
    def spoil(batch, count):
        batch.silhouettes[2, 1, 3, 3] = float("nan")

    watch = Watch(spoil)
    with pytest.raises(TrainingError) as stop:
        fit(tmp_path, tiny_store, watch)
    (name,) = names(watch.data, watch.batches[0].indices[2:3])
    assert f"of damaged sequences {name};" in str(stop.value)


def test_with_gradients_over_several_batches_the_first_bad_one_is_named(tiny_store, tmp_path, monkeypatch):
    spoil_loss(monkeypatch, 3, float("nan"))
    watch = Watch()
    with pytest.raises(TrainingError, match=r"epoch 0, batch 2 \(step 1\)"):
        fit(tmp_path, tiny_store, watch, accumulate_grad_batches=2)
    assert len(watch.batches) == 4


def test_sequences_of_another_store_are_named_too(tiny_store, tmp_path):
    def spoil(batch, count):
        batch["body"].truth.betas[1] = float("inf")

    watch = Watch(spoil)
    data = {"body_store": str(tiny_store), "body_frames": 3, "truth": False}
    with pytest.raises(TrainingError) as stop:
        fit(tmp_path, tiny_store, watch, data=data, stage={"network": NetworkConfig()})
    (name,) = names(watch.data, watch.batches[0]["body"].indices[1:2])
    assert f"of damaged sequences {name};" in str(stop.value)


def test_a_scaler_may_meet_infinite_gradients(tiny_store, tmp_path, monkeypatch):
    watch = Watch()
    watch.on_fit_start = lambda trainer, stage: setattr(trainer.precision_plugin, "scaler", object())
    watch.on_before_optimizer_step = lambda trainer, stage, optimizer: stage.zero_grad()

    def spoil(batch, count):
        if count == 1:
            watch.stage_parameter.register_hook(lambda gradient: gradient / 0)

    watch.spoil = spoil
    watch.on_train_start = lambda trainer, stage: setattr(
        watch, "stage_parameter", next(p for p in stage.parameters() if p.requires_grad)
    )
    fit(tmp_path, tiny_store, watch)
    assert watch.trainer.global_step == 8


def test_large_gradients_are_finite(tiny_store, tmp_path):
    watch = Watch()
    watch.on_train_start = lambda trainer, stage: next(stage.parameters()).register_hook(
        lambda gradient: torch.full_like(gradient, 1e30)
    )
    fit(tmp_path, tiny_store, watch, stage={"optimizer": OptimizerConfig("sgd", lr=1e-33)})
    assert watch.trainer.global_step == 8
