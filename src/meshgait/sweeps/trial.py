"""One trial: its stages in a row, each a `meshgait fit` of its own; what is done is not done again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from meshgait.errors import ConfigError
from meshgait.run_folder import RunFolder
from meshgait.sweeps.command import Command

AGENT = "WANDB_SWEEP_ID"
"""Set by W&B's agents for the trials that they start."""

OF_A_RUN = (AGENT, "WANDB_RUN_ID", "WANDB_SWEEP_PARAM_PATH")

STOPPED = 143
"""Exit status of a trial that was told to stop."""


def trial_folder(environment: Mapping[str, str]) -> Path:
    """Run folder of a trial that a W&B agent started.

    Raises:
        ConfigError: no agent did.
    """
    try:
        names = environment[AGENT], environment["WANDB_RUN_ID"]
        if any(name in ("", "..") or Path(name).name != name for name in names):  # a server gave them
            raise ConfigError(f"{'/'.join(names)!r} is no sweep and run of W&B; give --folder runs/my-trial")
        return Path("runs/sweeps").joinpath(*names)
    except KeyError as error:
        raise ConfigError(
            f"--folder is missing, and no W&B agent set {error}; give --folder runs/my-trial"
        ) from error


def run_trial(command: Command, words: Sequence[str], folder: Path, parent: int | None = None) -> int:
    """Run the stages; returns the exit status of the one that failed, or 0.

    SIGTERM is passed on to the stage that runs, which ends in order.

    Args:
        command: its stages.
        words: their arguments, ``--key=value``.
        folder: run folder; stages with names have theirs below it.
        parent: process that the trial ends with, however that one ends.
    """
    fits = command.fits(words, folder)
    for stage, fit in zip(command.folders(folder), fits, strict=True):
        environment = dict(os.environ)
        if AGENT in environment and fit is not fits[-1]:  # the agent's run is that of the last stage
            environment = {key: value for key, value in environment.items() if key not in OF_A_RUN}
        elif AGENT in environment and not any(word.startswith("--wandb=") for word in fit):
            fit.append("--wandb=online")  # the server waits to hear of it
        if RunFolder(stage).finished:
            continue
        if status := _Fit(fit, environment, parent).wait():
            return status
    return 0


class _Fit:
    """A `meshgait fit` that ends when it is told to, or when the process that wants it is gone."""

    def __init__(self, words: Sequence[str], environment: Mapping[str, str], parent: int | None) -> None:
        self.parent, self.told = parent, False
        self.process = subprocess.Popen([sys.executable, "-m", "meshgait.cli", *words], env=environment)
        signal.signal(signal.SIGTERM, self._stop)

    def wait(self) -> int:
        """Exit status once it has ended."""
        try:
            while True:
                try:
                    status = self.process.wait(timeout=0.3)
                    return STOPPED if self.told else status if status >= 0 else 128 - status
                except subprocess.TimeoutExpired:
                    if self.parent is not None and os.getppid() != self.parent:
                        return STOPPED
        finally:
            self.process.kill()  # nothing, if it has ended
            self.process.wait()

    def _stop(self, *_: object) -> None:
        self.told = True
        self.process.terminate()
