"""`meshgait trial EXPERIMENT...`: one trial of a sweep, as workers and W&B's agents start it."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from meshgait.sweeps.command import read_trial
from meshgait.sweeps.trial import run_trial, trial_folder

HELP = "one trial of a sweep: one or more experiments in a row"


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
    return run_trial(command, [], arguments.folder or trial_folder(os.environ), arguments.parent)
