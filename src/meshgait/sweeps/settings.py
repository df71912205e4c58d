"""The settings of a trial as the command lines of its stages read them, with all defaults."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import optuna

from meshgait.errors import ConfigError
from meshgait.sweeps.schema import Sweep
from meshgait.terminal import say
from meshgait.text import shown


def experiments(sweep: Sweep, values: dict[str, Any], folder: Path) -> dict[str, str]:
    """Experiment of each stage as YAML, by the stage's name.

    Args:
        sweep: what is searched.
        values: of the parameters that are searched.
        folder: run folder that the experiments name.

    Raises:
        ConfigError: a stage knows no such setting, or the value is none for it.
    """
    found, command = {}, sweep.trial
    for (name, config), fit in zip(command.stages, command.fits(sweep.words(values), folder), strict=True):
        line = [sys.executable, "-m", "meshgait.cli", *fit, "--ckpt_path=null", "--print_config"]
        done = subprocess.run(line, capture_output=True, text=True)
        if done.returncode:
            reason = (done.stderr.strip().splitlines() or ["it said nothing"])[-1].removeprefix("meshgait: ")
            raise ConfigError(f"the sweep's settings do not fit {config} ({shown(reason)})", "correct them")
        found[name] = done.stdout
    return found


def check_settings(sweep: Sweep) -> None:
    """Find out before any trial whether a sweep's settings are settings at all, by a first draw of them.

    Raises:
        ConfigError: they are not.
    """
    say("checking the settings ...")
    draw = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0)).ask(sweep.searched)
    experiments(sweep, draw.params, Path("unused"))
