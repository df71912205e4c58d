from types import SimpleNamespace

import pytest
import torch
from lightning import Trainer

from meshgait.callbacks.collapse import CollapseAlarm
from meshgait.callbacks.evaluate import RetrievalEvaluation
from meshgait.data.datamodule import SilhouetteDataModule
from meshgait.models.meshgait import NetworkConfig
from meshgait.stages.config import IdentityLossConfig
from meshgait.stages.recognise import RecogniseStage
from tests.conftest import TINY


def steps(alarm, distances, every=1):
    for step, distance in enumerate(distances, 1):
        trainer = SimpleNamespace(global_step=step, log_every_n_steps=every, is_global_zero=True)
        module = SimpleNamespace(
            identity=IdentityLossConfig(margin=0.2), terms={"distance": torch.tensor(distance)}
        )
        alarm.on_train_batch_end(trainer, module, None, None, step)


@pytest.mark.parametrize(
    ("distances", "every", "warns"),
    [
        ([1e-4] * 3, 1, True),
        ([1e-4, 1e-4, 0.5, 1e-4, 1e-4], 1, False),
        ([1e-4, 0.5] * 3, 2, False),
        ([0.5, 1e-4] * 3, 2, True),
        ([0.011] * 9, 1, False),
        ([0.0] * 9, 1, False),
    ],
)
def test_it_is_said_after_some_logged_steps_in_a_row(capsys, distances, every, warns):
    steps(CollapseAlarm(patience=3), distances, every)
    assert ("embeddings have collapsed" in capsys.readouterr().err) == warns


def test_it_is_said_once_with_distance_step_and_remedy(capsys):
    steps(CollapseAlarm(patience=2), [0.001] * 9)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("meshgait: warning: ") and "0.001 apart" in line and "step 2;" in line
    assert "model.optimizer.lr" in line


def test_stages_without_identity_are_left_alone(capsys):
    trainer = SimpleNamespace(global_step=1, log_every_n_steps=1, is_global_zero=True)
    alarm = CollapseAlarm(patience=1)
    alarm.on_train_batch_end(trainer, SimpleNamespace(terms={"loss": torch.tensor(0.0)}), None, None, 0)
    assert capsys.readouterr().err == ""


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("collapsed", [True, False])
def test_a_validation_is_looked_at(tiny_store, tmp_path, capsys, collapsed):
    data = SilhouetteDataModule(str(tiny_store), eval_frames=2)
    stage = RecogniseStage(TINY, data.num_subjects, network=NetworkConfig(use_3d=False))
    if collapsed:
        for parameter in stage.parameters():
            parameter.data.zero_()
    trainer = Trainer(
        default_root_dir=tmp_path, accelerator="cpu", logger=False, enable_progress_bar=False,
        enable_checkpointing=False, callbacks=[RetrievalEvaluation(), CollapseAlarm()],
    )  # fmt: skip
    trainer.validate(stage, data, verbose=False)
    assert ("apart on average in validation" in capsys.readouterr().err) == collapsed
