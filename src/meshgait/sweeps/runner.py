"""Workers that run the trials of a sweep, each a process of its own, until all have a result."""

from __future__ import annotations

import contextlib
import json
import math
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from pathlib import Path

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import RDBStorage
from optuna.trial import TrialState

from meshgait.atomic import atomic_file
from meshgait.errors import ConfigError, DataError, OutputError
from meshgait.run_folder import RunFolder, read_history, read_metrics
from meshgait.sweeps.progress import Progress
from meshgait.sweeps.schema import Sweep
from meshgait.sweeps.study import Queue, queue, slot_of
from meshgait.textfiles.reading import TextFile

TRIAL = (sys.executable, "-m", "meshgait.cli", "trial")
POLL = 0.3
"""Seconds between two looks at a trial."""

PATIENCE = 20.0
"""Seconds that a trial which was told to stop has for closing its files."""

HOPELESS = 3
"""So many failures without a single result, and the sweep itself must be wrong."""


class Runner:
    """Run waiting trials of a sweep, ``workers`` at once; trial N lies in ``folder/trial-N``.

    Args:
        sweep: what is searched.
        storage: with the sweep's study, its trials queued.
        folder: of this machine's trials.
        progress: where events are told.
        count: number of trials.
        seed: of the draws.
        workers: trials at once.
        program: words that begin the command of a trial.
    """

    def __init__(
        self,
        sweep: Sweep,
        storage: RDBStorage,
        folder: Path,
        progress: Progress,
        count: int,
        seed: int = 0,
        workers: int = 1,
        program: Sequence[str] = TRIAL,
    ) -> None:
        self.sweep, self.storage, self.folder, self.progress = sweep, storage, folder, progress
        self.count, self.seed, self.workers, self.program = count, seed, workers, tuple(program)
        self._stop, self._lock = threading.Event(), threading.Lock()
        self._results = self._failures = 0
        self._environment = dict(os.environ)
        # trials share the cores
        self._environment.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // workers)))

    def run(self) -> None:
        """Return when no trial waits or runs, here or elsewhere.

        Raises:
            MeshGaitError: trials cannot have results.
            KeyboardInterrupt: told to stop; the trials under way are queued again.
        """
        before = signal.signal(signal.SIGTERM, signal.default_int_handler)
        with ThreadPoolExecutor(self.workers) as pool:
            futures = [pool.submit(self._work) for _ in range(self.workers)]
            try:
                wait(futures, return_when=FIRST_EXCEPTION)
            finally:
                self._stop.set()
                signal.signal(signal.SIGTERM, before)
        for future in futures:
            future.result()

    def _work(self) -> None:
        pending = Queue(self.storage, self.sweep, self.count, self.seed)
        while not self._stop.is_set():
            if trial := pending.take():
                self._run(pending, trial)
            elif pending.finished():
                return
            else:
                self._stop.wait(POLL)

    def _run(self, pending: Queue, trial: optuna.Trial) -> None:
        """One trial, from its start to its result in the storage."""
        study, slot, begun = pending.study, slot_of(trial), time.monotonic()
        folder = self.folder / f"trial-{slot:03d}"
        try:
            words = [f"--{key}={value}" for key, value in (self.sweep.constant | trial.params).items()]
            claim(folder, [*self.sweep.command.specs, *self.sweep.command.extra, *words])
            trial.set_user_attr("folder", str(folder))
            self.progress.began(slot, trial.params)
            early = self._watch(pending, trial, folder, words)
            value = None if early else figure(self.sweep, folder)
            trial.set_user_attr("seconds", round(time.monotonic() - begun, 1))
            if value is not None and math.isfinite(value):
                study.tell(trial, value, skip_if_finished=True)
            else:  # diverged, or so bad that the rest was not worth while: a result, though without a figure
                early = early or f"{self.sweep.metric} is {value}"
                trial.set_user_attr("note", early)
                study.tell(trial, state=TrialState.PRUNED, skip_if_finished=True)
        except (_Gone, UpdateFinishedTrialError):
            self.progress.say(f"trial {slot} was given to another worker, since nothing was heard of this one")
        except _Failed as error:
            trial.set_user_attr("note", str(error))
            study.tell(trial, state=TrialState.FAIL, skip_if_finished=True)
            self._count(failed=str(error))
            self.progress.ended(slot, f"failed: {error}", *pending.standing())
        except BaseException as error:  # the trial itself is as good as before: it waits for a worker again
            study.tell(trial, state=TrialState.FAIL, skip_if_finished=True)
            queue(study, slot, trial.params)
            if not isinstance(error, _Interrupted):
                raise
        else:
            self._count()
            self.progress.ended(slot, early or f"{self.sweep.metric} {value:.4g}", *pending.standing())

    def _watch(self, pending: Queue, trial: optuna.Trial, folder: Path, words: list[str]) -> str | None:
        """Run the trial's process to its end; says why if it was stopped early."""
        command = self.sweep.command
        line = [
            *self.program,
            f"--folder={folder}",
            f"--parent={os.getpid()}",
            *command.specs,
            *command.extra,
            *words,
        ]
        history = History(RunFolder(command.folders(folder)[-1]).history, self.sweep.metric)
        heartbeat, heard, reported = pending.storage.get_heartbeat_interval(), time.monotonic(), 0
        try:
            with open(folder / "log.txt", "a") as log:
                process = subprocess.Popen(
                    line, env=self._environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
                )
        except OSError as error:
            raise OutputError(f"a trial cannot be started in {folder} ({error}); mend it and repeat") from error
        try:
            while process.poll() is None:
                if self._stop.wait(POLL):
                    raise _Interrupted
                if heartbeat is not None and time.monotonic() - heard > heartbeat:
                    heard = time.monotonic()
                    if not pending.alive(trial):
                        raise _Gone
                early = self.sweep.early
                values = [] if early is None else history.read()
                for validation, value in enumerate(values[reported:], reported + 1):
                    trial.report(value, validation)
                    reported = validation
                    last = early is not None and validation == early.max_iter
                    if not last and trial.should_prune():
                        return f"stopped early, {self.sweep.metric} {value:.4g} at validation {validation}"
        finally:
            _end(process)
        if process.returncode:
            raise _Failed(
                f"{_last_line(folder / 'log.txt')} (status {process.returncode}, see {folder / 'log.txt'})"
            )
        return None

    def _count(self, failed: str = "") -> None:
        with self._lock:
            self._results += not failed
            self._failures += bool(failed)
            if self._failures >= HOPELESS and not self._results:
                raise ConfigError(f"{self._failures} trials failed and none had a result; the last one: {failed}")


class History:
    """Values of a metric so far, from a run's ``history.jsonl``: one JSON object a line."""

    def __init__(self, path: Path, metric: str) -> None:
        self.path, self.metric = path, metric
        self._size = -1
        self._values: list[float] = []

    def read(self) -> list[float]:
        """All values; a line that is being written is left for later."""
        size = self.path.stat().st_size if self.path.is_file() else -1  # the run may not have come so far
        if size != self._size:
            self._size = size
            values = [row[self.metric] for _, row in read_history(self.path) if self.metric in row]
            self._values = [math.nan if value is None else value for value in values]
        return self._values


def figure(sweep: Sweep, folder: Path) -> float:
    """The metric of a finished trial.

    Raises:
        ConfigError: its ``metrics.json`` has no such figure.
    """
    path = RunFolder(sweep.command.folders(folder)[-1]).metrics()
    try:
        figures = read_metrics(path).figures
    except DataError as error:
        raise _Failed(str(error)) from error
    if sweep.metric not in figures:
        known = ", ".join(name for name in figures if not name.startswith("train/"))
        raise ConfigError(f"metric {sweep.metric} is no figure of {path}; it has {known}")
    value = figures[sweep.metric]
    return math.nan if value is None else value


def claim(folder: Path, words: list[str]) -> None:
    """Make a trial's folder, or make sure that what is there is of the same trial.

    Raises:
        ConfigError: it is another trial's.
        OutputError: it cannot be written.
    """
    path = folder / "arguments.json"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not path.is_file():
            with atomic_file(path) as temporary:
                temporary.write_text(json.dumps(words, indent=1) + "\n")
    except OSError as error:
        raise OutputError(f"{path} cannot be written ({error}); give another --out") from error
    known = TextFile(path, "give another --out", error=OutputError).json()
    if known != words:
        raise ConfigError(f"{folder} holds a trial with other settings; remove it, or give another --out")


def _end(process: subprocess.Popen) -> None:
    """End a trial with all that it started: in order if it can, else by force."""
    if process.poll() is None:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(PATIENCE)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)  # it leads a session of its own
    process.wait()


def _last_line(path: Path) -> str:
    lines = [line.strip() for line in path.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1][-300:] if lines else "it said nothing"


class _Interrupted(Exception):
    """The sweep is told to stop."""


class _Gone(Exception):
    """The trial is another worker's by now."""


class _Failed(Exception):
    """The trial ended without a result."""
