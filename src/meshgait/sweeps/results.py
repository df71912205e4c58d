"""What a sweep leaves: a table, ``trials.csv``, two pictures and the best settings as experiments."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import optuna
import yaml
from optuna.importance import FanovaImportanceEvaluator, get_param_importances
from optuna.trial import TrialState
from rich.console import Console

from meshgait.atomic import atomic_file
from meshgait.sweeps.best import best_experiments
from meshgait.sweeps.schema import Sweep
from meshgait.sweeps.study import WORKER, by_slot
from meshgait.terminal import PlainTable
from meshgait.textfiles.words import spreadsheet_cell
from meshgait.viz.plots import to_png
from meshgait.viz.sweeps import importance_figure, parallel_figure

STATES = {TrialState.COMPLETE: "done", TrialState.PRUNED: "stopped early", TrialState.FAIL: "failed"}
SHOWN = 20
"""Rows of the table; the CSV has all."""

MOST = 8
"""Settings in parallel coordinates: those that matter most."""


class Results:
    """Results of a sweep, best first.

    Args:
        sweep: what was searched.
        study: with its trials.
    """

    def __init__(self, sweep: Sweep, study: optuna.Study) -> None:
        self.sweep = sweep
        self.trials = by_slot(study.get_trials(deepcopy=False))
        self.order = sorted(self.trials, key=self._rank)

    @property
    def best(self) -> int | None:
        """Slot of the best trial that came to its end, if any did."""
        slot = self.order[0] if self.order else None
        return slot if slot is not None and self.trials[slot].state == TrialState.COMPLETE else None

    def table(self) -> PlainTable:
        """The best trials."""
        goal = "most" if self.sweep.maximize else "least"
        table = PlainTable(title=f"{self.sweep.name}: {self.sweep.metric}, {goal} first", title_justify="left")
        table.add_column("trial", justify="right")
        table.add_column(self.sweep.metric, justify="right", no_wrap=True)
        for name in self.sweep.searched:
            table.add_column(name, justify="right")
        table.add_column("s", justify="right")
        shown = [self.trials[slot] for slot in self.order[:SHOWN]]
        states = [STATES.get(trial.state, trial.state.name.lower()) for trial in shown]
        if others := set(states) - {STATES[TrialState.COMPLETE]}:
            table.add_column("")
        for slot, trial, state in zip(self.order, shown, states, strict=False):
            given = [_short(trial.params.get(name)) for name in self.sweep.searched]
            seconds = trial.user_attrs.get("seconds")
            spent = "-" if seconds is None else f"{seconds:.0f}"
            table.add_row(str(slot), _short(trial.value), *given, spent, *([state] if others else []))
        return table

    def csv(self) -> str:
        """All trials by number."""
        text = io.StringIO()
        names = [*self.sweep.searched, *self.sweep.constant]
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["trial", "state", self.sweep.metric, *names, "seconds", "worker", "folder", "note"])
        for slot, trial in self.trials.items():
            values = self.sweep.constant | trial.params
            about = [trial.user_attrs.get(key, "") for key in ("seconds", WORKER, "folder", "note")]
            state = STATES.get(trial.state, trial.state.name.lower())
            value = "" if trial.value is None else trial.value
            row = [slot, state, value, *(values.get(name, "") for name in names), *about]
            writer.writerow(map(spreadsheet_cell, row))
        return text.getvalue()

    def words(self, slot: int) -> list[str]:
        """Arguments of a trial."""
        return [f"--{key}={value}" for key, value in (self.sweep.constant | self.trials[slot].params).items()]

    def write(self, folder: Path, study: optuna.Study, console: Console) -> None:
        """Write all files and print the table.

        Raises:
            OutputError: the folder cannot be written.
        """
        files = {"trials.csv": self.csv().encode(), **self._pictures(study)}
        best = self.best
        if best is not None:
            root = Path("runs") / f"{self.sweep.name}-best"
            value = self.trials[best].value
            head = (
                f"# best of {len(self.trials)} trials of sweep {self.sweep.name}: trial {best}, "
                f"{self.sweep.metric} {value:.6g}\n"
            )
            for name, experiment in best_experiments(self.sweep.command, self.words(best), root).items():
                files[name] = (head + yaml.safe_dump(experiment, sort_keys=False)).encode()
        for name, content in files.items():
            with atomic_file(folder / name) as temporary:
                temporary.write_bytes(content)
        console.print(self.table())
        if best is None:
            console.print("no trial came to its end, so there is no best one; see trials.csv for reasons")
        elif "parallel.png" not in files:
            console.print("too few different results for pictures of importance and parallel coordinates")
        console.print(f"written to {folder}: {', '.join(files)}", highlight=False, soft_wrap=True)
        for name in (name for name in files if name.startswith("best")):
            console.print(f"run the best: meshgait fit --config {folder / name}", highlight=False, soft_wrap=True)

    def _pictures(self, study: optuna.Study) -> dict[str, bytes]:
        """PNG files by name; none where there is nothing to compare."""
        complete = (trial for trial in self.trials.values() if trial.state == TrialState.COMPLETE)
        valued = [(trial, trial.value) for trial in complete if trial.value is not None]
        finished, results = [trial for trial, _ in valued], [value for _, value in valued]
        if not self.sweep.searched or len(set(results)) < 2:
            return {}
        evaluator = FanovaImportanceEvaluator(seed=0)  # the default one says little of a dozen trials
        shares = {name: float(share) for name, share in get_param_importances(study, evaluator=evaluator).items()}
        settings = {name: [trial.params[name] for trial in finished] for name in reversed(list(shares)[:MOST])}
        logarithmic = [name for name in settings if getattr(self.sweep.searched[name], "log", False)]
        importance = importance_figure(shares, self.sweep.metric, len(finished))
        parallel = parallel_figure(results, settings, self.sweep.metric, self.sweep.maximize, logarithmic)
        return {"importance.png": to_png(importance), "parallel.png": to_png(parallel)}

    def _rank(self, slot: int) -> tuple[int, float, int]:
        """Finished trials by value, then the others."""
        trial = self.trials[slot]
        states = [TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL]
        place = states.index(trial.state) if trial.state in states else len(states)
        value = 0.0 if trial.value is None else trial.value
        return place, -value if self.sweep.maximize else value, slot


def _short(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
