"""The verb itself, with real trials."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest
import yaml

from meshgait.cli import main

ROOT = Path(__file__).parents[2]


@pytest.fixture
def sweep(tmp_path, tiny_store, tiny_size, monkeypatch):
    """A sweep of one short trial of the 2D baseline; returns its file, with changes."""
    monkeypatch.chdir(ROOT)
    size = tmp_path / "size.yaml"
    size.write_text(json.dumps(asdict(tiny_size)))
    constants = {
        "data.store": str(tiny_store), "model.size": str(size), "wandb": "disabled", "trainer.accelerator": "cpu",
        "trainer.max_epochs": 1, "trainer.check_val_every_n_epoch": 1, "data.batches": 1, "data.subjects": 2,
        "data.sequences": 2, "data.frames": 3, "model.network.use_3d": False,
    }  # fmt: skip

    def written(**parameters):
        content = {
            "program": "meshgait",
            "command": ["${env}", "${program}", "trial", "experiments/finetune/walkers.yaml", "${args}"],
            "method": "grid",
            "metric": {"name": "val/rank1", "goal": "maximize"},
            "parameters": {name: {"value": value} for name, value in constants.items()} | parameters,
        }
        path = tmp_path / "tiny.yaml"
        path.write_text(yaml.safe_dump(content))
        return str(path)

    return written


def one_line(capsys):
    error = capsys.readouterr().err
    assert error.startswith("meshgait: ") and error.count("\n") == 1, error
    return error


@pytest.mark.slow
def test_a_real_trial_leaves_its_figures_and_the_best_experiment(sweep, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("meshgait.sweeps.results.check_settings", lambda *_: None)  # the trial will show
    out = tmp_path / "out"
    assert main(["sweep", sweep(**{"model.optimizer.lr": {"values": [0.002]}}), "--out", str(out)]) == 0
    text = capsys.readouterr().out
    assert "best of sweep tiny: trial 0" in text and "meshgait fit --config" in text
    metrics = json.loads((out / "trial-000" / "metrics.json").read_text())
    assert metrics["step"] == 1 and f"trial 0: val/rank1 {metrics['figures']['val/rank1']:.4g}" in text
    again = tmp_path / "again"
    assert main(["fit", "--config", str(out / "best.yaml"), f"--trainer.default_root_dir={again}"]) == 0
    trial, best = (yaml.safe_load((folder / "config.yaml").read_text()) for folder in (out / "trial-000", again))
    for config in (trial, best):  # they differ in what a sweep gives to each trial alone
        assert config["model"]["init_args"]["optimizer"]["lr"] == 0.002
        config["trainer"].pop("default_root_dir"), config.pop("ckpt_path")
    assert trial == best
    assert metrics["figures"] == json.loads((again / "metrics.json").read_text())["figures"]
    assert not (out / "parallel.png").exists() and "too few" in text
    # repeating the command of a finished sweep runs nothing and tells the same
    monkeypatch.setattr("meshgait.sweeps.results.experiments", lambda *_: {})
    assert main(["sweep", sweep(**{"model.optimizer.lr": {"values": [0.002]}}), "--out", str(out)]) == 0
    assert "begins" not in capsys.readouterr().out


@pytest.mark.slow
def test_an_unknown_parameter_is_refused_before_any_trial(sweep, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["sweep", sweep(**{"model.lrr": {"values": [0.002]}}), "--out", str(out)]) == 2
    assert "lrr" in one_line(capsys)
    assert [path.name for path in out.iterdir()] == ["sweep.db"]


@pytest.mark.parametrize(
    ("more", "named"),
    [(["--workers", "0"], "--workers"), (["--trials", "0"], "--trials"), (["--grace", "0"], "--grace"),
     (["--storage", "nowhere"], "--storage"), (["--out", "FILE/x"], "--out")],
)  # fmt: skip
def test_wrong_options_are_named(sweep, tmp_path, capsys, more, named):
    (tmp_path / "file").write_text("")
    more = [word.replace("FILE", str(tmp_path / "file")) for word in more]
    assert main(["sweep", sweep(), "--out", str(tmp_path / "out"), *more]) == 2
    assert named in one_line(capsys)


def test_a_trial_without_a_folder_is_refused(capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    monkeypatch.delenv("WANDB_SWEEP_ID", raising=False)
    assert main(["trial", "experiments/finetune/walkers.yaml", "--model.optimizer.lr=1"]) == 2
    assert "--folder" in one_line(capsys)
