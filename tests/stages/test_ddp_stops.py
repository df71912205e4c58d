"""Two processes (gloo, CPU) stop together, whichever of them has a reason to, and go on together."""

import os
import signal
import time
import warnings
from datetime import timedelta

import numpy as np
import pytest
import torch
from lightning import Callback, Trainer
from lightning.pytorch.strategies import DDPStrategy

from meshgait.callbacks.checkpoints import AtomicCheckpointIO, LastCheckpoint, last_path
from meshgait.callbacks.non_finite import StopOnNonFinite
from meshgait.callbacks.preemption import StopOnSignal
from meshgait.callbacks.random_state import RandomState
from meshgait.data.datamodule import SilhouetteDataModule
from meshgait.errors import MeshGaitError
from meshgait.models.meshgait import NetworkConfig
from meshgait.stages.recognise import RecogniseStage
from tests.conftest import TINY
from tests.stages.two_processes import in_two_processes

pytestmark = pytest.mark.slow

PATIENCE = timedelta(seconds=120)
CASES = ("whole", "signal", "gone on", "nan", "full")


class Trouble(Callback):
    """What happens to one process in the second step."""

    def __init__(self, case, rank):
        self.case, self.rank = case, rank

    def on_train_batch_start(self, trainer, stage, batch, batch_idx):
        if trainer.global_step == 1 and self.rank == 1 and self.case == "signal":
            os.kill(os.getpid(), signal.SIGTERM)
        if trainer.global_step == 1 and self.rank == 1 and self.case == "nan":
            batch.silhouettes[1] = float("nan")  # whose embedding reaches the loss of the other, too
            walk = trainer.datamodule.store.sequences[int(batch.indices[1])]
            self.damaged = f"{walk.subject}/{walk.condition}/{walk.view}"


def fit(case, store, folder, rank):
    """How a training of four steps ends, what it was then, and how long it took."""
    torch.manual_seed(rank)
    place = folder / ("signal" if case == "gone on" else case)
    if case == "full" and rank == 0:
        place.mkdir(parents=True)
        (place / "checkpoints").touch()  # no folder can be made there
    data = SilhouetteDataModule(store, subjects=2, sequences=2, frames=2, batches=4)
    torch.manual_seed(0)
    stage = RecogniseStage(TINY, 4, network=NetworkConfig(use_3d=False))
    trouble = Trouble(case, rank)
    trainer = Trainer(
        default_root_dir=place, accelerator="cpu", devices=2, max_epochs=1, logger=False, limit_val_batches=0,
        enable_progress_bar=False, enable_model_summary=False, use_distributed_sampler=False,
        strategy=DDPStrategy(process_group_backend="gloo", timeout=PATIENCE), plugins=[AtomicCheckpointIO()],
        callbacks=[LastCheckpoint(place, 2), RandomState(), StopOnNonFinite(), StopOnSignal(), trouble],
    )  # fmt: skip
    begun, error = time.monotonic(), ""
    try:
        trainer.fit(stage, data, ckpt_path=last_path(place) if case == "gone on" else None)
    except MeshGaitError as problem:
        error = f"{type(problem).__name__}: {problem}"
    weights = {name: value.detach().numpy().copy() for name, value in stage.named_parameters()}
    return {
        "error": error, "weights": weights, "step": trainer.global_step, "seconds": time.monotonic() - begun,
        "damaged": getattr(trouble, "damaged", None),
    }  # fmt: skip


def fit_all(rank, store, folder):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {case: fit(case, store, folder, rank) for case in CASES}


@pytest.fixture(scope="module")
def results(tiny_store, tmp_path_factory):
    """Results of all cases of both processes; this one is the first of them."""
    folder = tmp_path_factory.mktemp("runs")
    return folder, *in_two_processes(fit_all, str(tiny_store), folder)


@pytest.mark.parametrize(
    ("case", "step", "texts"),
    [
        ("signal", 2, ("StoppedError: the training was stopped by a signal to another", "stopped by SIGTERM")),
        ("nan", 1, ("in epoch 0, batch 1 (step 1), of damaged sequences ",) * 2),
        ("full", 2, ("(File exists)", "OutputError: ")),
    ],
)
def test_both_stop_at_the_same_step(results, case, step, texts):
    for result, text in zip(results[1:], texts, strict=True):
        assert text in result[case]["error"]
        assert result[case]["step"] == step
        assert result[case]["seconds"] < PATIENCE.seconds / 2  # nobody waited for the other in vain
    one, two = (result[case]["weights"] for result in results[1:])
    assert all(np.array_equal(value, two[name]) for name, value in one.items())


def test_the_message_names_what_one_of_them_saw(results):
    _, first, second = results
    assert first["nan"]["error"] == second["nan"]["error"]
    assert first["nan"]["error"].startswith("TrainingError: loss is nan, triplet is nan")
    assert f"of damaged sequences {second['nan']['damaged']};" in second["nan"]["error"]


def test_what_goes_on_is_what_would_have_been(results):
    folder, first, second = results
    saved = torch.load(folder / "signal" / "checkpoints" / "previous.ckpt", weights_only=True)
    assert saved["global_step"] == 2
    for result in (first, second):
        assert result["whole"]["error"] == result["gone on"]["error"] == ""
        assert result["gone on"]["step"] == 4
        whole, gone_on = result["whole"]["weights"], result["gone on"]["weights"]
        assert all(np.array_equal(value, gone_on[name]) for name, value in whole.items())
