import pytest
import torch
from lightning import Trainer

from meshgait.data.datamodule import SilhouetteDataModule
from meshgait.stages.recognise import RecogniseStage
from meshgait.stages.reconstruct import ReconstructStage


def trainer(tmp_path, **options):
    options = {"max_epochs": 1, "limit_val_batches": 0, **options}
    return Trainer(
        default_root_dir=tmp_path, accelerator="cpu", logger=False, enable_progress_bar=False,
        enable_model_summary=False, enable_checkpointing=False, use_distributed_sampler=False, **options,
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
    path = tmp_path_factory.mktemp("first") / "first.ckpt"
    checkpoint = {"state_dict": stage.state_dict()}
    stage.on_save_checkpoint(checkpoint)
    torch.save(checkpoint, path)
    return path


def test_a_frozen_3d_branch_stays_put_and_the_rest_moves(tmp_path, tiny_size, data, first):
    stage = RecogniseStage(tiny_size, 4, pretrained=str(first), freeze_3d=True, lr=0.1)
    before = {name: value.clone() for name, value in stage.network.state_dict().items()}
    trainer(tmp_path).fit(stage, data)
    after = stage.network.state_dict()
    frozen = [name for name in before if name.startswith(("stem.", "lifter."))]
    assert len(frozen) > 20
    assert [name for name in frozen if not torch.equal(before[name], after[name])] == []
    assert not torch.equal(before["trunk.0.0.first.0.weight"], after["trunk.0.0.first.0.weight"])
