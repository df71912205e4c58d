"""The runner of a sweep: workers that run its trials, each a process of its own, until all have a result."""

from __future__ import annotations

import contextlib
import copy
import json
import math
import os
import platform
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path

import optuna
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState

from meshgait.atomic import atomic_file
from meshgait.errors import ConfigError, DataError
from meshgait.progress import Progress
from meshgait.run_folder import RunFolder, read_history, read_metrics
from meshgait.sweeps.schema import Sweep
from meshgait.sweeps.study import RESULTS, RETRY, best_trial, by_slot, free_trials, suggest, target_reached
from meshgait.terminal import say

TRIAL = (sys.executable, "-m", "meshgait.cli", "trial")
POLL = 0.3
"""Seconds between two looks at a trial."""

PATIENCE = 20.0
"""Seconds that a trial has for closing its files when it is stopped."""

HOPELESS = 3
"""Failures without a single result after which the sweep itself must be wrong."""


class TrialFailed(Exception):
    """The trial ended without a result, or is another worker's."""


@dataclass
class Runner:
    """Run waiting trials of a sweep, ``workers`` at once; that of slot N lies in ``folder/trial-N``.

    Attributes:
        sweep: what is searched.
        storage: of the sweep.
        study: in it, with trials queued.
        folder: of this machine's trials.
        count: number of trials.
        seed: of the draws.
        workers: trials at once.
        program: words that begin the command of a trial.
    """

    sweep: Sweep
    storage: RDBStorage
    study: optuna.Study
    folder: Path
    count: int
    seed: int = 0
    workers: int = 1
    program: Sequence[str] = TRIAL
    _stop: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Return when no trial waits or runs, here or elsewhere.

        Raises:
            MeshGaitError: trials cannot have results.
            KeyboardInterrupt: told to stop; the trials under way wait again.
        """
        done = sum(trial.state in RESULTS for trial in by_slot(self.study).values())
        before = signal.signal(signal.SIGTERM, signal.default_int_handler)
        self._progress = Progress(f"sweep {self.sweep.name}", self.count, "trials", done)
        with self._progress, ThreadPoolExecutor(self.workers) as pool:
            futures = [pool.submit(self._work) for _ in range(self.workers)]
            try:
                wait(futures, return_when=FIRST_EXCEPTION)
            finally:
                self._stop.set()
                signal.signal(signal.SIGTERM, before)
        for future in futures:
            future.result()

    def _work(self) -> None:
        study, seen = copy.copy(self.study), set[int]()  # each trial has a sampler of its own
        study.pruner = copy.deepcopy(self.study.pruner)
        while not self._stop.is_set():
            states = {trial.state for trial in study.get_trials(deepcopy=False)}
            if TrialState.WAITING in states and not target_reached(study, self.sweep):
                try:
                    study.optimize(self._run, n_trials=1, catch=(TrialFailed, DataError), callbacks=[self._ended])
                except ValueError as error:
                    if "Cannot tell" not in str(error):
                        raise
                    say("a trial was given to another worker, since nothing was heard of this one")
            elif TrialState.RUNNING in states:
                self._stop.wait(POLL)
                free_trials(self.storage, study, seen)
            else:
                return

    def _run(self, trial: optuna.Trial) -> float:
        """One trial, from its start to the metric.

        Raises:
            TrialPruned: it was stopped early or diverged: a result, though without a figure.
            TrialFailed: it ended without a result.
            ConfigError: the metric is no figure of it.
        """
        slot = trial.user_attrs.get("slot", -1)
        # another worker may have been quicker, or two machines may have queued the same slot at once
        if slot < 0 or by_slot(trial.study)[slot].number != trial.number:
            raise TrialFailed
        values = suggest(trial, self.sweep, self.count, self.seed)
        command, metric, folder = self.sweep.trial, self.sweep.metric.name, self.folder / f"trial-{slot:03d}"
        words, run = [*command.words, *self.sweep.words(values)], RunFolder(command.folders(folder)[-1])
        trial.set_user_attr("worker", f"{platform.node()}:{os.getpid()}")
        trial.set_user_attr("folder", str(folder))
        say(f"trial {slot} begins: {', '.join(f'{name}={value}' for name, value in values.items())}")
        claim(folder, words)
        try:
            self._watch(trial, folder, run, words)
            figures = read_metrics(run.metrics()).figures
            if metric not in figures:
                known = ", ".join(name for name in figures if not name.startswith("train/"))
                raise ConfigError(f"metric {metric} is no figure of {run.metrics()}; it has {known}", "name one")
            if (value := figures[metric]) is None:
                raise optuna.TrialPruned(f"{metric} is not finite")
        except (TrialFailed, DataError, optuna.TrialPruned) as error:
            trial.set_user_attr("note", str(error))
            raise
        trial.set_user_attr("note", "")  # an error if the trial was given to another worker
        return value

    def _watch(self, trial: optuna.Trial, folder: Path, run: RunFolder, words: list[str]) -> None:
        """Run the trial's process to its end, unless it is to be stopped before."""
        rule, metric, log = self.sweep.early_terminate, self.sweep.metric.name, folder / "log.txt"
        reported = seen = 0
        line = [*self.program, f"--folder={folder}", f"--parent={os.getpid()}", *words]
        threads = str(max(1, (os.cpu_count() or 1) // self.workers))  # trials share the cores
        environment = {"OMP_NUM_THREADS": threads, **os.environ}
        with log.open("a") as out:
            process = subprocess.Popen(line, env=environment, stdout=out, stderr=out, start_new_session=True)
        try:
            while process.poll() is None:
                if self._stop.wait(POLL):
                    raise TrialFailed("it was interrupted")
                size = run.history.stat().st_size if rule and run.history.is_file() else 0
                if rule is None or size == seen:
                    continue
                seen = size
                for validation, value in enumerate(validations(run, metric)[reported:], reported + 1):
                    trial.report(value, validation)
                    reported = validation
                    if validation != rule.max_iter and trial.should_prune():
                        raise optuna.TrialPruned(f"stopped early, {metric} {value:.4g} at validation {validation}")
        finally:
            _end(process)
        if process.returncode:
            last = (log.read_text(errors="replace").strip().splitlines() or ["it said nothing"])[-1]
            raise TrialFailed(f"{last[-300:]} (status {process.returncode}, see {log})")

    def _ended(self, study: optuna.Study, trial: FrozenTrial) -> None:
        """Tell what became of a trial, and how the sweep stands."""
        slot, slots, metric = trial.user_attrs.get("slot", -1), by_slot(study), self.sweep.metric.name
        if slot < 0 or slots[slot].number != trial.number:
            return
        states = [found.state for found in slots.values()]
        done, failed = sum(state in RESULTS for state in states), states.count(TrialState.FAIL)
        note = trial.user_attrs.get("note") or f"{metric} {trial.value:.4g}"
        if trial.state == TrialState.FAIL and self._stop.is_set():
            RETRY(study, trial)  # it is as good as before
        elif failed >= HOPELESS and not done:
            raise ConfigError(f"{failed} trials failed and none had a result; the last one: {note}")
        say(f"trial {slot}{' failed' * (trial.state == TrialState.FAIL)}: {note}")
        best = best_trial(study)
        standing = f"best {metric} {best.value:.4g}, trial {best.user_attrs['slot']}" if best else ""
        self._progress.reach(done, standing)


def validations(run: RunFolder, metric: str) -> list[float]:
    """Values of a metric so far; a line of the history that is being written is left for later."""
    values = [row[metric] for _, row in read_history(run.history) if metric in row]
    return [math.nan if value is None else value for value in values]


def claim(folder: Path, words: list[str]) -> None:
    """Make a trial's folder, or make sure that what is there is of the same trial.

    Raises:
        ConfigError: it is another trial's.
        OutputError: it cannot be written.
    """
    path, content = folder / "arguments.json", json.dumps(words, indent=1).encode()
    if not path.is_file():
        with atomic_file(path) as temporary:
            temporary.write_bytes(content)
    if path.read_bytes().strip() != content:
        raise ConfigError(f"{folder} holds a trial with other settings", "remove it, or give another --out")


def _end(process: subprocess.Popen) -> None:
    """End a trial with all that it started: in order if it can, else by force."""
    if process.poll() is None:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(PATIENCE)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)  # it leads a session of its own
    process.wait()
