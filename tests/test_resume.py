"""A training that is cut off and taken up again is, bit for bit, the one that never was; whatever the moment."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from lightning import Callback, Trainer
from lightning.pytorch.callbacks import LearningRateMonitor

from meshgait.callbacks.checkpoints import AtomicCheckpointIO, LastCheckpoint, last_path
from meshgait.callbacks.evaluate import RetrievalEvaluation
from meshgait.callbacks.history import HistoryFile
from meshgait.callbacks.non_finite import StopOnNonFinite
from meshgait.callbacks.preemption import StopOnSignal
from meshgait.callbacks.random_state import RandomState
from meshgait.data.datamodule import BodyDataModule, SilhouetteDataModule
from meshgait.errors import StoppedError
from meshgait.models.meshgait import NetworkConfig
from meshgait.stages.config import OptimizerConfig
from meshgait.stages.recognise import RecogniseStage
from meshgait.stages.reconstruct import ReconstructStage
from tests.conftest import TINY

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]
BATCHES = 3


class Killed(BaseException):
    """Stands for SIGKILL: nothing of the training runs behind it."""


class Kill(Callback):
    """Cuts a training off at the ``count``-th call of a hook."""

    def __init__(self, hook, count):
        setattr(self, hook, self._call)
        self.left = count

    def _call(self, *_, **__):
        self.left -= 1
        if not self.left:
            raise Killed


class Drawing(RecogniseStage):
    """A network that draws from the global random numbers, as dropout does."""

    def training_step(self, batch, batch_idx):
        return super().training_step(batch, batch_idx) * (0.5 + torch.rand(()))


def make(store, kind, workers=0):
    torch.manual_seed(0)
    if kind == "stage 1":
        data = BodyDataModule(str(store), batch_size=4, batches=BATCHES, eval_frames=2, workers=workers)
        return ReconstructStage(TINY, optimizer=OptimizerConfig(lr=1e-2)), data
    network = NetworkConfig(use_3d=kind == "body store")
    body = {"body_store": str(store), "body_frames": 3, "truth": False} if kind == "body store" else {}
    data = SilhouetteDataModule(
        str(store), subjects=2, sequences=2, frames=2, batches=BATCHES, workers=workers, eval_frames=2, **body
    )
    return Drawing(TINY, data.num_subjects, network=network, optimizer=OptimizerConfig(lr=1e-2)), data


def fit(folder, store, kind, every=0, workers=0, more=(), **options):
    """One attempt: from the last checkpoint, if there is one, until it is done or something ends it."""
    stage, data = make(store, kind, workers)
    options = {"max_epochs": 2} | options
    trainer = Trainer(
        default_root_dir=folder, accelerator="cpu", logger=False, log_every_n_steps=1, enable_progress_bar=False,
        enable_model_summary=False, use_distributed_sampler=False, num_sanity_val_steps=0,
        plugins=[AtomicCheckpointIO()],
        callbacks=[
            RetrievalEvaluation(), LastCheckpoint(folder, every), HistoryFile(), LearningRateMonitor("step"),
            RandomState(), StopOnNonFinite(), StopOnSignal(), *more,
        ][kind == "stage 1" :],
        **options,
    )  # fmt: skip
    checkpoint = last_path(folder)
    trainer.fit(stage, data, ckpt_path=checkpoint if checkpoint.exists() else None)
    return {name: value.clone() for name, value in stage.state_dict().items()}


def history(folder):
    return [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]


def equal(one, two):
    return one.keys() == two.keys() and all(torch.equal(value, two[name]) for name, value in one.items())


MOMENTS = (
    ("on_train_batch_start", 3),
    ("on_before_optimizer_step", 2),
    ("on_train_batch_end", 2),
    ("on_validation_batch_start", 1),
    ("on_validation_end", 1),
    ("on_train_epoch_end", 1),
    ("on_train_batch_end", 3),
    ("on_fit_end", 1),
)
CASES = {
    "each epoch": {},
    "each step": {"every": 1},
    "each second step, stage 1": {"every": 2, "kind": "stage 1"},
    "each third step, 3D beside": {"every": 3, "kind": "body store"},
    "max_steps": {"every": 3, "max_epochs": -1, "max_steps": 8},
    "gradients over two batches": {"every": 1, "accumulate_grad_batches": 2, "max_epochs": 3},
    "validation within the epoch": {"every": 1, "val_check_interval": 2},
    "validation rarely": {"every": 2, "check_val_every_n_epoch": 2},
    "loading ahead": {"every": 1, "workers": 2},
}


@pytest.mark.parametrize("case", CASES)
def test_it_goes_on_exactly(tiny_store, tmp_path, case):
    options = {"kind": "identity"} | CASES[case]
    whole = fit(tmp_path / "whole", tiny_store, **options)
    run, kills = tmp_path / "parts", 0
    for hook, count in MOMENTS if case.startswith("each") else MOMENTS[::2]:
        try:
            fit(run, tiny_store, more=[Kill(hook, count)], **options)
        except Killed:
            kills += 1
    parts = fit(run, tiny_store, **options)
    assert kills >= 2
    assert equal(whole, parts)
    assert history(run) == history(tmp_path / "whole")


class Signal(Callback):
    """Sends this process a signal when a hook is called for the ``count``-th time."""

    def __init__(self, number, hook, count):
        setattr(self, hook, self._call)
        self.number, self.left = number, count

    def _call(self, *_, **__):
        self.left -= 1
        if not self.left:
            os.kill(os.getpid(), self.number)


@pytest.mark.parametrize(
    ("number", "hook", "count", "step"),
    [
        (signal.SIGTERM, "on_train_batch_end", 1, 1),
        (signal.SIGUSR1, "on_before_optimizer_step", 2, 2),
        (signal.SIGTERM, "on_validation_batch_end", 1, 3),
        (signal.SIGTERM, "on_train_epoch_end", 1, 3),
    ],
)
def test_a_signal_saves_at_the_end_of_the_step(tiny_store, tmp_path, number, hook, count, step):
    before = signal.getsignal(number)
    whole = fit(tmp_path / "whole", tiny_store, "identity")
    run = tmp_path / "run"
    with pytest.raises(
        StoppedError, match=f"stopped by {number.name}; its {step} steps are in .* --ckpt_path last"
    ):
        fit(run, tiny_store, "identity", more=[Signal(number, hook, count)])
    assert signal.getsignal(number) == before
    assert torch.load(last_path(run), weights_only=True)["global_step"] == step
    assert equal(whole, fit(run, tiny_store, "identity"))
    assert history(run) == history(tmp_path / "whole")


def test_torture(tiny_store, tmp_path):
    """Real processes and real kills; `make torture` is the same with more of them."""
    script = Path(__file__).parents[1] / "benchmarks" / "torture.py"
    options = ["--kills=2", "--stages=stage 1", "--epochs=2", "--batches=4", f"--store={tiny_store}"]
    done = subprocess.run(
        [sys.executable, str(script), *options],
        capture_output=True,
        text=True,
        env=os.environ | {"TMPDIR": str(tmp_path)},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert sum("kill " in line for line in done.stdout.splitlines()) == 2 and "passed" in done.stdout
    assert list(tmp_path.iterdir()) == []
