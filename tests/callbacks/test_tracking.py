import os
from pathlib import Path

import pytest
import wandb

from meshgait.callbacks.tracking import RunIdentity, WandbRun, require_home, run_id_of
from meshgait.errors import OutputError


@pytest.fixture
def run(tmp_path):
    """Makes runs, and ends them."""
    yield lambda mode="offline", run_id="0a1b2c3d": WandbRun(tmp_path / "walk", mode, "gait", run_id)
    if wandb.run is not None:
        wandb.run.finish()


@pytest.fixture
def calls(monkeypatch):
    """Modes that runs were begun in; W&B is not reached."""
    seen, real = [], wandb.init

    def init(**options):
        seen.append(options["mode"])
        if options["mode"] == "online":
            raise wandb.errors.UsageError("No API key configured.\n Use `wandb login` to log in.")
        return real(**options | {"mode": "disabled"})

    monkeypatch.setattr(wandb, "init", init)
    return seen


def test_nothing_is_begun_before_it_is_used(run, calls, tmp_path):
    assert run().version == "0a1b2c3d" and calls == []
    assert list(tmp_path.iterdir()) == []


def test_without_login_it_says_so_once_and_runs_offline(run, calls, capsys):
    logger = run("online")
    logger.log_metrics({"loss": 1.0}, 0)
    logger.log_metrics({"loss": 0.5}, 1)
    assert calls == ["online", "offline"]
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("meshgait: warning: ")]
    assert "No API key configured. Use `wandb login`" in line and "wandb sync" in line


def test_wandb_that_breaks_does_not_break_the_training(run, calls, capsys, monkeypatch):
    logger = run()
    logger.log_metrics({"loss": 1.0}, 0)

    def breaks(*_, **__):
        raise RuntimeError("its process has died")

    monkeypatch.setattr(type(logger.experiment), "log", breaks)
    logger.log_metrics({"loss": 1.0}, 1)
    logger.log_metrics({"loss": 1.0}, 2)
    assert capsys.readouterr().err.count("its process has died") == 1


def test_the_id_goes_through_checkpoints():
    checkpoint = {}
    RunIdentity("0a1b2c3d").on_save_checkpoint(None, None, checkpoint)
    assert run_id_of(checkpoint) == "0a1b2c3d"


@pytest.mark.parametrize("checkpoint", [None, {}, {"wandb_id": None}])
def test_else_the_id_is_new(checkpoint):
    ids = {run_id_of(checkpoint) for _ in range(5)}
    assert len(ids) == 5 and all(len(one) == 8 and one.isalnum() for one in ids)


@pytest.mark.parametrize("kept", ["../../x", "a/b", "", 5, None, "x" * 65, "a\nb", "é"])
def test_a_strangers_run_id_is_replaced(kept):
    assert run_id_of({"wandb_id": kept}) != kept and run_id_of({"wandb_id": kept}).isalnum()


def test_without_a_home_there_is_a_place_for_files(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", "/somewhere")
    require_home(tmp_path)
    assert os.environ["HOME"] == "/somewhere"

    def none():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", none)
    require_home(tmp_path)
    assert os.environ["HOME"] == str(tmp_path)


def test_a_run_that_cannot_be_kept_offline_is_told_in_one_line(run, monkeypatch):
    def fail(**_):
        raise wandb.errors.CommError("no\nservice")

    monkeypatch.setattr(wandb, "init", fail)
    with pytest.raises(OutputError, match=r"offline either .no service.*--wandb disabled"):
        _ = run().experiment
