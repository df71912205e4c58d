import pytest
import wandb

from meshgait.callbacks.tracking import RunIdentity, WandbRun, run_id_of


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
