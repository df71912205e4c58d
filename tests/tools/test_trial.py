import json
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from meshgait.errors import ConfigError
from meshgait.sweeps.command import Command
from meshgait.tools import trial
from meshgait.tools.trial import run_trial, trial_folder

STAND_IN = f"""#!{sys.executable}
# stands in for python -m meshgait.cli fit: notes what it is given, and leaves figures
import json, os, pathlib, sys
given = dict(word[2:].split("=", 1) for word in sys.argv[1:] if "=" in word)
folder = pathlib.Path(given["trainer.default_root_dir"])
(folder / "checkpoints").mkdir(parents=True, exist_ok=True)
agent = {{key: value for key, value in os.environ.items() if key.startswith("WANDB_")}}
with open(folder / "calls.jsonl", "a") as file:
    file.write(json.dumps([sys.argv[3:], agent]) + chr(10))
checkpoint = folder / "checkpoints" / "last.ckpt"
checkpoint.write_text("weights")
if given.get("fails") == "1":
    sys.exit(2)
(folder / "metrics.json").write_text("{{}}")
"""


@pytest.fixture
def fits(tmp_path, monkeypatch):
    """Let trials start the stand-in; (words, environment) of each start in a folder."""
    program = tmp_path / "stand-in"
    program.write_text(STAND_IN)
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setattr(trial.sys, "executable", str(program))
    for name in [name for name in os.environ if name.startswith("WANDB_")]:
        monkeypatch.delenv(name)
    before = signal.getsignal(signal.SIGTERM)
    yield lambda folder: [json.loads(line) for line in (folder / "calls.jsonl").read_text().splitlines()]
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def both():
    return lambda *extra: Command({"one": Path("a.yaml"), "two": Path("b.yaml")}, list(extra))


def test_stages_are_run_in_a_row_and_not_again(fits, both, tmp_path):
    for _ in range(2):
        assert run_trial(both("--one.x=1", "--two.y=2"), tmp_path) == 0
    ((one, _),) = fits(tmp_path / "one")
    ((two, _),) = fits(tmp_path / "two")
    assert one[:3] == ["fit", "--config=a.yaml", "--x=1"] and "--y=2" in two
    assert f"--model.pretrained={tmp_path / 'one' / 'checkpoints' / 'last.ckpt'}" in two


def test_a_stage_that_fails_ends_the_trial(fits, both, tmp_path):
    assert run_trial(both("--one.fails=1"), tmp_path) == 2
    assert not (tmp_path / "two").exists()


def test_the_last_stage_is_the_agents_run(fits, both, tmp_path, monkeypatch):
    """Stages before it must not write into that run; the server waits for figures of the last one."""
    for name in ("WANDB_SWEEP_ID", "WANDB_RUN_ID", "WANDB_SWEEP_PARAM_PATH"):
        monkeypatch.setenv(name, "abc")
    assert run_trial(both(), tmp_path) == 0
    ((one, one_env),) = fits(tmp_path / "one")
    ((two, two_env),) = fits(tmp_path / "two")
    assert one_env == {} and "--wandb=online" not in one
    assert two_env["WANDB_RUN_ID"] == "abc" and "--wandb=online" in two
    single = Command({"": Path("a.yaml")}, ["--wandb=offline"])
    assert run_trial(single, tmp_path / "single") == 0
    assert "--wandb=online" not in fits(tmp_path / "single")[0][0]


def test_the_folder_of_an_agents_trial_is_its_own():
    assert trial_folder({"WANDB_SWEEP_ID": "s", "WANDB_RUN_ID": "r"}) == Path("runs/sweeps/s/r")
    with pytest.raises(ConfigError, match="--folder"):
        trial_folder({"WANDB_SWEEP_ID": "s"})


TRIAL = """
import sys
from pathlib import Path
from meshgait.sweeps.command import Command
from meshgait.tools.trial import run_trial

sys.executable, folder, parent = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
sys.exit(run_trial(Command({"": Path("a.yaml")}, []), folder, parent))
"""


@pytest.mark.parametrize("parent_is_gone", [True, False])
def test_a_fit_ends_with_the_trial_that_runs_it(parent_is_gone, tmp_path):
    sleeper, note = tmp_path / "sleeper", tmp_path / "pid"
    sleeper.write_text(f"#!/bin/sh\necho $$ > {note}.tmp; mv {note}.tmp {note}; exec sleep 60\n")
    sleeper.chmod(0o755)
    parent = 2**22 if parent_is_gone else os.getpid()
    process = subprocess.Popen([sys.executable, "-c", TRIAL, sleeper, tmp_path, str(parent)])
    while not note.exists() and process.poll() is None:
        time.sleep(0.05)
    time.sleep(0.1)  # the signal's handler is set by now
    if not parent_is_gone:
        process.terminate()
    assert process.wait(30) == (137 if parent_is_gone else 143)
    if note.exists():
        with pytest.raises(ProcessLookupError):
            os.kill(int(note.read_text()), 0)


@pytest.mark.parametrize(("sweep", "run"), [("..", "x"), ("/tmp", "x"), ("a", "../../x"), ("a/b", "x"), ("", "x")])
def test_the_folder_of_an_agents_trial_lies_among_the_sweeps(sweep, run):
    with pytest.raises(ConfigError, match="no sweep and run of W&B"):
        trial_folder({"WANDB_SWEEP_ID": sweep, "WANDB_RUN_ID": run})
