"""`meshgait trial EXPERIMENT...`: one trial of a sweep, as workers and W&B's agents start it.

Its stages run in a row, each a `meshgait fit` of its own; what is done is not done again.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from meshgait.errors import ConfigError
from meshgait.run_folder import RunFolder
from meshgait.sweeps.command import Command, read_trial

HELP = "one trial of a sweep: one or more experiments in a row"
AGENT = "WANDB_SWEEP_ID"
"""Set by W&B's agents for the trials that they start."""

OF_A_RUN = (AGENT, "WANDB_RUN_ID", "WANDB_SWEEP_PARAM_PATH")


def add_parser(verbs: argparse._SubParsersAction) -> None:
    """Declare the verb's arguments."""
    parser = verbs.add_parser(
        "trial",
        help=HELP,
        description=f"{HELP}. EXPERIMENT is a YAML, or NAME=YAML where there are several: then each setting "
        "begins with the name of its experiment (--pretrain.model.optimizer.lr=1e-3), and a later one starts from "
        "the weights of the one before. What is done is not done again.",
    )
    parser.add_argument(
        "--folder", type=Path, default=None, help="run folder (default: by the agent's sweep and run)"
    )
    parser.add_argument("--parent", type=int, default=None, help="process that the trial ends with")
    parser.add_argument(
        "words",
        nargs=argparse.REMAINDER,
        metavar="EXPERIMENT... [--key=value...]",
        help="experiments, then settings",
    )


def run(arguments: argparse.Namespace) -> int:
    """Run it; returns the exit status of `meshgait fit`."""
    command = read_trial(arguments.words)
    return run_trial(command, arguments.folder or trial_folder(os.environ), arguments.parent)


def trial_folder(environment: Mapping[str, str]) -> Path:
    """Run folder of a trial that a W&B agent started.

    Raises:
        ConfigError: no agent did.
    """
    names = environment.get(AGENT), environment.get("WANDB_RUN_ID")
    if None in names:
        raise ConfigError("--folder is missing, and no agent of W&B started this", "give --folder runs/my-trial")
    if any(name in ("", "..") or Path(str(name)).name != name for name in names):  # a server gave them
        raise ConfigError(f"{names} is no sweep and run of W&B", "give --folder runs/my-trial")
    return Path("runs/sweeps").joinpath(*map(str, names))


def run_trial(command: Command, folder: Path, parent: int | None = None) -> int:
    """Run the stages; returns the exit status of the one that failed, or 0.

    SIGTERM is passed on to the stage that runs, which ends in order.

    Args:
        command: its stages and their arguments.
        folder: run folder; stages with names have theirs below it.
        parent: process that the trial ends with, however that one ends.
    """
    fits = command.fits([], folder)
    for root, fit in zip(command.folders(folder), fits, strict=True):
        environment = dict(os.environ)
        if AGENT in environment and fit is not fits[-1]:  # the agent's run is that of the last stage
            environment = {key: value for key, value in environment.items() if key not in OF_A_RUN}
        elif AGENT in environment and not any(word.startswith("--wandb=") for word in fit):
            fit.append("--wandb=online")  # the server waits to hear of it
        if RunFolder(root).finished:
            continue
        process = subprocess.Popen([sys.executable, "-m", "meshgait.cli", *fit], env=environment)
        signal.signal(signal.SIGTERM, lambda *_, fit=process: fit.terminate())
        while process.poll() is None:
            if parent is not None and os.getppid() != parent:
                process.kill()
            time.sleep(0.3)
        if process.returncode:
            return process.returncode if process.returncode > 0 else 128 - process.returncode
    return 0
