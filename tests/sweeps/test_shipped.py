"""Each shipped sweep: its first trial runs a step by the commands that a worker starts."""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import optuna
import pytest

from meshgait.callbacks import panels
from meshgait.cli import main
from meshgait.sweeps.schema import read_sweep

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
SWEEPS = sorted((ROOT / "experiments" / "sweeps").glob("*.yaml"))


def words_of(sweep):
    """Arguments of a first trial."""
    return sweep.words(optuna.create_study().ask(sweep.searched).params)


@pytest.fixture
def small(tiny_store, tiny_size, tmp_path):
    """What cuts a stage down to a step."""
    size = tmp_path / "size.yaml"
    size.write_text(json.dumps(asdict(tiny_size)))
    both = [f"--model.size={size}", f"--data.store={tiny_store}", "--wandb=disabled", "--data.batches=1",
            "--trainer.max_epochs=1", "--trainer.check_val_every_n_epoch=1",
            "--trainer.accelerator=cpu"]  # fmt: skip
    body = ["--data.batch_size=6", "--data.eval_frames=2"]
    silhouettes = ["--data.subjects=2", "--data.sequences=2", "--data.frames=3"]
    return lambda config: both + (body if config.parent.name == "pretrain" else silhouettes)


def test_there_is_one_for_each_stage_and_one_for_both():
    assert [path.stem for path in SWEEPS] == ["both", "finetune", "pretrain"]


@pytest.mark.parametrize("path", SWEEPS, ids=lambda path: path.stem)
def test_its_first_trial_runs(path, small, tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(panels, "heatmap_panel", lambda *_: np.zeros((8, 8, 3), np.uint8))
    sweep = read_sweep(path)
    fits = sweep.trial.fits(words_of(sweep), tmp_path)
    for config, fit in zip(sweep.trial.stages.values(), fits, strict=True):
        # a run that it starts from need not be there
        fit += ["--model.pretrained=null"] if path.stem == "finetune" else []
        assert main([*fit, *small(config)]) == 0
    content = json.loads((sweep.trial.folders(tmp_path)[-1] / "metrics.json").read_text())
    assert np.isfinite(content["figures"][sweep.metric.name])
    assert sweep.trials(None) <= 12


@pytest.mark.parametrize("path", SWEEPS, ids=lambda path: path.stem)
def test_its_early_stops_have_validations_to_go_by(path):
    sweep = read_sweep(path)
    if (rule := sweep.early_terminate) is not None:
        names = ("trainer.max_epochs", "trainer.check_val_every_n_epoch")
        epochs, every = (sweep.parameters[name].value for name in names)
        assert epochs // every == rule.max_iter > rule.first
