import dataclasses
import json
from pathlib import Path

import pytest
import torch
from lightning import Callback, Trainer

from meshgait.body.smpl import BodyModel
from meshgait.data.datamodule import SilhouetteDataModule
from meshgait.data.store import Store, StoreWriter
from meshgait.errors import ConfigError, DataError
from meshgait.models.mesh import MeshDecoder
from meshgait.models.meshgait import NetworkConfig
from meshgait.stages.config import BodyConfig, BodyLossWeights, Branch3DConfig, IdentityLossConfig, OptimizerConfig
from meshgait.stages.recognise import RecogniseStage
from meshgait.stages.reconstruct import ReconstructStage
from tests.checkpoints import save_checkpoint


def trainer(tmp_path, **options):
    options = {"max_epochs": 1, "limit_val_batches": 0, "enable_checkpointing": False, **options}
    return Trainer(
        default_root_dir=tmp_path, accelerator="cpu", logger=False, enable_progress_bar=False,
        enable_model_summary=False, use_distributed_sampler=False, **options,
    )  # fmt: skip


@pytest.fixture
def data(tiny_store):
    return SilhouetteDataModule(str(tiny_store), subjects=2, sequences=2, frames=3, batches=2)


@pytest.fixture(scope="session")
def first(tiny_size, tmp_path_factory):
    """Checkpoint of a stage 1 that was not trained, but whose batch norms have statistics of their own."""
    torch.manual_seed(1)
    stage = ReconstructStage(tiny_size)
    for name, buffer in stage.network.named_buffers():
        if name.endswith("running_mean"):
            buffer.normal_(std=0.1)
    return save_checkpoint(stage, tmp_path_factory.mktemp("first") / "first.ckpt")


def test_it_starts_from_the_weights_of_stage_1(tiny_size, first):
    stage = RecogniseStage(tiny_size, 4, pretrained=str(first))
    saved = torch.load(first, weights_only=True)["state_dict"]
    shared = {name: value for name, value in saved.items() if name.startswith("network.")}
    own = stage.state_dict()
    assert {name.split(".")[1] for name in shared} == {"stem", "lifter"}
    assert all(torch.equal(own[name], value) for name, value in shared.items())
    assert sum(name.startswith(("network.stem.", "network.lifter.")) for name in own) == len(shared)


def test_it_starts_from_a_stage_2_of_other_people(tiny_size, tmp_path):
    first = RecogniseStage(tiny_size, 7)
    path = save_checkpoint(first, tmp_path / "first.ckpt")
    stage = RecogniseStage(tiny_size, 4, pretrained=str(path))
    own, saved = stage.network.state_dict(), first.network.state_dict()
    new = {name for name in own if own[name].shape != saved[name].shape or not torch.equal(own[name], saved[name])}
    assert new and all(name.startswith("classify.") for name in new)
    assert own["classify.weight"].shape[1:] != saved["classify.weight"].shape[1:]


def test_a_stage_1_of_another_size_is_refused(tiny_size, first):
    with pytest.raises(ConfigError, match=r"does not fit this network .* it was trained with"):
        RecogniseStage(dataclasses.replace(tiny_size, lifter_channels=12), 4, pretrained=str(first))


def test_freezing_noise_is_refused(tiny_size):
    with pytest.raises(ConfigError, match="pretrained"):
        RecogniseStage(tiny_size, 4, branch_3d=Branch3DConfig(freeze=True))


FLAT = {"network": NetworkConfig(use_3d=False)}
NO_IDENTITY = {"identity": IdentityLossConfig(triplet_weight=0.0, class_weight=0.0)}
NO_3D_WEIGHT = {"branch_3d": Branch3DConfig(loss_weight=0.0)}
NO_3D_LOSSES = BodyLossWeights(**dict.fromkeys(dataclasses.asdict(BodyLossWeights()), 0.0))


@pytest.mark.parametrize(
    ("group", "setting", "says"),
    [
        (IdentityLossConfig, {"triplet_weight": -1.0}, "identity.triplet_weight is -1"),
        (IdentityLossConfig, {"class_weight": float("nan")}, "identity.class_weight is nan"),
        (IdentityLossConfig, {"margin": -0.2}, "identity.margin is -0.2"),
        (Branch3DConfig, {"loss_weight": -0.5}, "branch_3d.loss_weight is -0.5"),
        (Branch3DConfig, {"lr_factor": -1.0}, "branch_3d.lr_factor is -1"),
    ],
    ids=str,
)
def test_weights_out_of_range_are_refused(group, setting, says):
    with pytest.raises(ConfigError, match=says):
        group(**setting)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (NO_IDENTITY | FLAT, "nothing to train"),
        (NO_IDENTITY | NO_3D_WEIGHT, "nothing to train"),
        (NO_IDENTITY | {"body": BodyConfig(losses=NO_3D_LOSSES)}, "nothing to train"),
        (NO_IDENTITY | {"pretrained": "first", "branch_3d": Branch3DConfig(freeze=True)}, "nothing to train"),
    ],
    ids=str,
)
def test_settings_that_cannot_train_are_refused(tiny_size, first, options, says):
    if "pretrained" in options:
        options = options | {"pretrained": str(first)}
    with pytest.raises(ConfigError, match=says):
        RecogniseStage(tiny_size, 4, **options)


def test_3d_alone_trains_where_there_is_truth_and_is_refused_where_there_is_none(
    tmp_path, tiny_size, data, silent
):
    stage = RecogniseStage(tiny_size, 4, **NO_IDENTITY)
    before = stage.network.lifter.head.clone()
    trainer(tmp_path).fit(stage, data)
    assert not torch.equal(stage.network.lifter.head, before)
    with pytest.raises(ConfigError, match="no 3D truth"):
        trainer(tmp_path).fit(
            RecogniseStage(tiny_size, 4, **NO_IDENTITY), SilhouetteDataModule(str(silent), subjects=2, frames=3)
        )


@pytest.mark.slow
@pytest.mark.parametrize("validate", [False, True])
def test_a_frozen_3d_branch_stays_put_and_the_rest_moves(tmp_path, tiny_size, data, first, validate):
    """Also its running statistics, and also after a validation that switches modes there and back."""
    stage = RecogniseStage(
        tiny_size, 4, str(first), branch_3d=Branch3DConfig(freeze=True), optimizer=OptimizerConfig(lr=0.1)
    )
    before = {name: value.clone() for name, value in stage.network.state_dict().items()}
    options = {"limit_val_batches": 1, "max_epochs": 2} if validate else {}
    trainer(tmp_path, **options).fit(stage, data)
    after = stage.network.state_dict()
    frozen = [name for name in before if name.startswith(("stem.", "lifter."))]
    assert len(frozen) > 20
    assert [name for name in frozen if not torch.equal(before[name], after[name])] == []
    assert not torch.equal(before["trunk.0.0.first.0.weight"], after["trunk.0.0.first.0.weight"])
    assert not torch.equal(before["trunk.0.0.first.1.running_mean"], after["trunk.0.0.first.1.running_mean"])


@pytest.mark.parametrize("lr_3d", [1.0, 0.1, 0.0])
def test_each_trainable_parameter_is_in_one_group_with_its_rate(tiny_size, lr_3d):
    stage = RecogniseStage(
        tiny_size,
        4,
        branch_3d=Branch3DConfig(lr_factor=lr_3d),
        optimizer=OptimizerConfig(lr=0.5, weight_decay=0.3),
    )
    optimizer = torch.optim.AdamW(stage.parameter_groups(), lr=0.5)
    rates = {id(p): group["lr"] for group in optimizer.param_groups for p in group["params"]}
    assert sum(len(group["params"]) for group in optimizer.param_groups) == len(rates)
    assert set(rates) == {id(p) for p in stage.parameters()}
    for name, parameter in stage.named_parameters():
        early = name.startswith(("network.stem.", "network.lifter."))
        assert rates[id(parameter)] == pytest.approx(0.5 * (lr_3d if early else 1))


class Terms(Callback):
    """Keeps the names of what was logged in training."""

    def on_train_batch_end(self, trainer, *_):
        self.names = {
            name.removeprefix("train/") for name in trainer.callback_metrics if name.startswith("train/")
        }


IDENTITY = {"loss", "triplet", "classification", "accuracy", "distance"}
BODY = {"joints", "markers", "vertices", "marginal_cross_entropy", "edges", "normals"}


@pytest.mark.parametrize(
    ("options", "expected"),
    [({}, IDENTITY | BODY), (FLAT, IDENTITY), (NO_3D_WEIGHT, IDENTITY)],
    ids=["3d", "2d", "identity alone"],
)
def test_losses_are_logged_by_name(tmp_path, tiny_size, data, options, expected):
    terms = Terms()
    trainer(tmp_path, callbacks=[terms]).fit(RecogniseStage(tiny_size, 4, **options), data)
    assert terms.names == expected


@pytest.fixture(scope="module")
def silent(tmp_path_factory, tiny_store):
    """The walkers without their truth, as CASIA-B would be."""
    path, source = tmp_path_factory.mktemp("silent") / "store", Store(tiny_store)
    writer = StoreWriter(path)
    for index, walk in enumerate(source.sequences):
        writer.add(walk.subject, walk.condition, walk.view, source.silhouettes(index))
    writer.finish(partition=source.partition)
    return path


def test_identity_of_silhouettes_alone_and_3d_of_walkers_in_one_step(tmp_path, tiny_size, tiny_store, silent):
    data = SilhouetteDataModule(
        str(silent), subjects=2, sequences=2, frames=3, batches=2, body_store=str(tiny_store), body_frames=4
    )
    terms = Terms()
    stage = RecogniseStage(tiny_size, 4)
    before = stage.network.lifter.head.clone()
    trainer(tmp_path, callbacks=[terms]).fit(stage, data)
    assert terms.names == IDENTITY | BODY
    assert not torch.equal(stage.network.lifter.head, before)


def test_silhouettes_alone_train_identity_alone(tmp_path, tiny_size, silent):
    data = SilhouetteDataModule(str(silent), subjects=2, sequences=2, frames=3, batches=1)
    terms = Terms()
    trainer(tmp_path, callbacks=[terms]).fit(RecogniseStage(tiny_size, 4), data)
    assert terms.names == IDENTITY


def test_each_epoch_has_batches_of_its_own(tmp_path, tiny_size, data, monkeypatch):
    """Lightning must have called `set_epoch`; the augmentation too must not repeat."""
    seen = []
    augment = RecogniseStage.augment

    def watch(self, batch, augmentation, stream):
        out = augment(self, batch, augmentation, stream)
        seen.append((self.current_epoch, tuple(batch.indices.tolist()), self.generator(stream).initial_seed()))
        return out

    monkeypatch.setattr(RecogniseStage, "augment", watch)
    stage = RecogniseStage(tiny_size, 4, **FLAT)
    trainer(tmp_path, max_epochs=3).fit(stage, data)
    assert [epoch for epoch, *_ in seen] == [0, 0, 1, 1, 2, 2]
    assert len({indices for _, indices, _ in seen}) == 6
    assert len({seed for *_, seed in seen}) == 6


def test_a_saved_recogniser_comes_back_whole(tmp_path, tiny_size):
    stage = RecogniseStage(
        tiny_size,
        4,
        network=NetworkConfig(fusion="concat", detach_heatmaps=True),
        body=BodyConfig(decoder="ridge"),
    ).eval()
    again = RecogniseStage.load(save_checkpoint(stage, tmp_path / "x.ckpt"))
    assert not again.training
    walks, mask = torch.rand(2, 3, 64, 44), torch.ones(2, 3, dtype=torch.bool)
    assert torch.equal(again(walks, mask).embeddings, stage(walks, mask).embeddings)
    assert again.settings == stage.settings
    assert again.network.size == tiny_size


def test_a_checkpoint_of_stage_1_has_no_embeddings(first):
    with pytest.raises(DataError, match="stage 1"):
        RecogniseStage.load(first)


def test_inference_builds_no_mesh(tmp_path, tiny_size, data, monkeypatch):
    def refuse(*_):
        raise AssertionError("a mesh was built")

    stage = RecogniseStage(tiny_size, 4).eval()
    monkeypatch.setattr(MeshDecoder, "forward", refuse)
    monkeypatch.setattr(BodyModel, "forward", refuse)
    walks, mask = torch.rand(2, 3, 64, 44), torch.ones(2, 3, dtype=torch.bool)
    assert stage(walks, mask).body is None
    predicted = trainer(tmp_path, limit_predict_batches=2).predict(stage, data)
    assert [batch["indices"].tolist() for batch in predicted] == [list(range(8)), list(range(8, 16))]
    assert predicted[0]["embeddings"].shape[0] == 8


@pytest.mark.slow
@pytest.mark.parametrize("train", [["001", "002"], []], ids=["fewer subjects", "no subjects"])
def test_a_checkpoint_is_tested_on_other_people(tmp_path, tiny_size, tiny_store, data, train):
    """Embeddings need no classifier, so how many people it was trained on must not matter."""
    first = trainer(tmp_path)
    first.fit(RecogniseStage(tiny_size, 4), data)
    first.save_checkpoint(tmp_path / "x.ckpt")
    partition = tmp_path / "partition.json"
    partition.write_text(json.dumps({"TRAIN_SET": train, "TEST_SET": ["003", "004", "005"]}))
    data = SilhouetteDataModule(str(tiny_store), partition=str(partition))
    stage = RecogniseStage(tiny_size, data.num_subjects)
    trainer(tmp_path, limit_test_batches=1).test(stage, data, ckpt_path=tmp_path / "x.ckpt", verbose=False)
    trained = first.lightning_module.network
    assert torch.equal(stage.network.embed.weight, trained.embed.weight)


def test_a_checkpoint_from_before_the_groups_of_settings_is_read(tiny_size):
    """One of version 0.1.0, after three steps of the 2D network."""
    path = Path(__file__).parents[1] / "files" / "settings-without-groups.ckpt"
    stage, saved = RecogniseStage.load(path), torch.load(path, weights_only=True)
    assert stage.settings == {n: v for n, v in saved["meshgait"].items() if n not in ("stage", "version")}
    assert stage.network.size == tiny_size and stage.network.lifter is None
    assert all(torch.equal(value, saved["state_dict"][name]) for name, value in stage.state_dict().items())


def test_training_goes_on_only_with_the_same_people(tmp_path, tiny_size, data):
    runner = trainer(tmp_path)
    runner.fit(RecogniseStage(tiny_size, 4, **FLAT), data)
    runner.save_checkpoint(tmp_path / "x.ckpt")
    with pytest.raises(ConfigError, match="num_subjects"):
        trainer(tmp_path, max_epochs=2).fit(
            RecogniseStage(tiny_size, 3, **FLAT), data, ckpt_path=tmp_path / "x.ckpt"
        )


def test_a_checkpoint_of_another_network_is_refused_by_name(tmp_path, tiny_size, data):
    runner = trainer(tmp_path)
    runner.fit(RecogniseStage(tiny_size, 4, **FLAT), data)
    runner.save_checkpoint(tmp_path / "x.ckpt")
    other = RecogniseStage(dataclasses.replace(tiny_size, embedding=4), 4)
    with pytest.raises(ConfigError, match="another size, use_3d of the model"):
        trainer(tmp_path).test(other, data, ckpt_path=tmp_path / "x.ckpt")


@pytest.mark.slow
def test_validation_reports_3d_errors_where_there_is_truth(tmp_path, tiny_size, data, silent):
    for store, names in ((data, {"val/mpjpe", "val/pa_mpjpe", "val/mpvpe"}), (None, set())):
        store = store or SilhouetteDataModule(str(silent))
        runner = trainer(tmp_path, limit_val_batches=2)
        runner.validate(RecogniseStage(tiny_size, 4), store, verbose=False)
        assert set(runner.callback_metrics) == names
