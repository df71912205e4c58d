"""What a sweep leaves: ``trials.csv``, two pictures by Optuna, and the best settings as experiments.

Experiments come from the command line of `meshgait fit` itself, so that they are checked on the way.
"""

from __future__ import annotations

import csv
import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import matplotlib
import optuna
from matplotlib.figure import Figure
from optuna.importance import FanovaImportanceEvaluator
from optuna.trial import TrialState
from optuna.visualization.matplotlib import plot_parallel_coordinate, plot_param_importances

from meshgait.atomic import atomic_file
from meshgait.errors import ConfigError
from meshgait.sweeps.schema import Sweep
from meshgait.sweeps.study import best_trial, by_slot
from meshgait.terminal import say
from meshgait.text import shown
from meshgait.textfiles.words import spreadsheet_cell


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
    for (name, config), fit in zip(command.stages.items(), command.fits(sweep.words(values), folder), strict=True):
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


def write_results(sweep: Sweep, study: optuna.Study, folder: Path) -> None:
    """Write all files and say which trial is the best.

    Raises:
        OutputError: the folder cannot be written.
    """
    files = {"trials.csv": trials_csv(sweep, study).encode(), **_pictures(sweep, study)}
    if best := best_trial(study):
        head = f"best of sweep {sweep.name}: trial {best.user_attrs['slot']}, {sweep.metric.name} {best.value:.6g}"
        say(f"{head}, by {' '.join(sweep.words(best.params))}")
        for stage, content in experiments(sweep, best.params, Path("runs") / f"{sweep.name}-best").items():
            name = f"best-{stage}.yaml" if stage else "best.yaml"
            files[name] = f"# {head}\n{content}".encode()
            say(f"run it: meshgait fit --config {folder / name}")
    else:
        say("no trial came to its end, so there is no best one; trials.csv has the reasons")
    for name, data in files.items():
        with atomic_file(folder / name) as temporary:
            temporary.write_bytes(data)
    say(f"written to {folder}: {', '.join(files)}")


def trials_csv(sweep: Sweep, study: optuna.Study) -> str:
    """All trials by slot."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    notes = ("worker", "folder", "note")
    writer.writerow(["trial", "state", sweep.metric.name, *sweep.searched, "seconds", *notes])
    for slot, trial in by_slot(study).items():
        row = [slot, trial.state.name.lower(), trial.value, *(trial.params.get(name) for name in sweep.searched)]
        row += [trial.duration.total_seconds() if trial.duration else None, *map(trial.user_attrs.get, notes)]
        writer.writerow(map(spreadsheet_cell, row))
    return text.getvalue()


def _pictures(sweep: Sweep, study: optuna.Study) -> dict[str, bytes]:
    """PNG files by name; none where there is nothing to compare."""
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if not sweep.searched or len({trial.value for trial in complete}) < 2:
        say("too few different results for pictures")
        return {}
    matplotlib.use("agg")
    evaluator = FanovaImportanceEvaluator(seed=0)  # the default one says little of a dozen trials
    importance = plot_param_importances(study, evaluator, target_name=sweep.metric.name)
    parallel = plot_parallel_coordinate(study, target_name=sweep.metric.name)
    files = {}
    for name, axes in (("importance.png", importance), ("parallel.png", parallel)):
        figure, picture = axes.figure, io.BytesIO()
        assert isinstance(figure, Figure)  # not a part of one
        figure.set_size_inches(max(7, 2 * len(sweep.searched)), 5)
        try:
            figure.savefig(picture, format="png", dpi=120, bbox_inches="tight")
            files[name] = picture.getvalue()
        except ValueError as error:  # a value with dollar signs that is taken for a formula
            say(f"{name} cannot be drawn ({shown(error)})")
    return files
