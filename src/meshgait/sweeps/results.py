"""What a sweep leaves: ``trials.csv``, two pictures by Optuna, and the best settings as experiments."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import matplotlib
import optuna
from optuna.importance import FanovaImportanceEvaluator
from optuna.trial import TrialState
from optuna.visualization.matplotlib import plot_parallel_coordinate, plot_param_importances

from meshgait.atomic import atomic_file
from meshgait.sweeps.schema import Sweep
from meshgait.sweeps.settings import experiments
from meshgait.sweeps.study import best_trial, by_slot
from meshgait.terminal import say
from meshgait.textfiles.words import spreadsheet_cell

STATES = {TrialState.COMPLETE: "done", TrialState.PRUNED: "stopped early", TrialState.FAIL: "failed"}
ABOUT = ("worker", "folder", "note")
"""What workers note about a trial."""


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
    writer.writerow(["trial", "state", sweep.metric.name, *sweep.searched, "seconds", *ABOUT])
    for slot, trial in by_slot(study).items():
        row = [slot, STATES.get(trial.state, trial.state.name.lower()), trial.value]
        row += [trial.params.get(name) for name in sweep.searched]
        row += [round(trial.duration.total_seconds(), 1) if trial.duration else None]
        writer.writerow(map(spreadsheet_cell, [*row, *(trial.user_attrs.get(name) for name in ABOUT)]))
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
    for name, figure in (("importance.png", importance.figure), ("parallel.png", parallel.figure)):
        figure.set_size_inches(max(7, 2 * len(sweep.searched)), 5)
        picture = io.BytesIO()
        figure.savefig(picture, format="png", dpi=120, bbox_inches="tight")
        files[name] = picture.getvalue()
    return files
