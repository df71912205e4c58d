"""Whether a sweep's settings are settings at all, before any trial is begun."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from meshgait.errors import ConfigError
from meshgait.sweeps.schema import Sweep
from meshgait.sweeps.space import first_value


def check_settings(sweep: Sweep, say: Callable[[str], None]) -> None:
    """Let the command line of each stage read the base experiment with a first value of each parameter.

    Raises:
        ConfigError: it knows no such setting, or the value is none for it.
    """
    words = [f"--{name}={value}" for name, value in sweep.constant.items()]
    words += [f"--{name}={first_value(distribution)}" for name, distribution in sweep.searched.items()]
    for stage, fit in zip(sweep.command.stages, sweep.command.fits(words, Path("unused")), strict=True):
        say(f"checking the settings of {stage.config} ...")
        fit = [word for word in fit if not word.startswith("--ckpt_path")]
        line = [sys.executable, "-m", "meshgait.cli", *fit, "--print_config"]
        done = subprocess.run(line, capture_output=True, text=True)
        if done.returncode:
            reason = (done.stderr.strip().splitlines() or ["it said nothing"])[-1].removeprefix("meshgait: ")
            raise ConfigError(f"{sweep.path}, stage {stage.config}: {reason}")
