"""Progress of a command: a live bar on a terminal, a few plain lines in a log file."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from meshgait.terminal import say
from meshgait.text import printable

T = TypeVar("T")
PATIENCE = 2.0
"""Seconds between two lines in a log file; a task that takes less prints none."""


class Progress:
    """Progress of one task, as a context manager.

    On a terminal it is a bar, which disappears at the end. Elsewhere it prints a line at each tenth of the steps,
    but never two within ``PATIENCE`` seconds, so a log file has ten lines at most and no control characters.

    Args:
        task: its name, such as "packing usf".
        total: number of steps.
        unit: what the steps are, in the plural.
        done: steps done by an earlier run.
        show: False prints nothing.
    """

    def __init__(self, task: str, total: int, unit: str = "steps", done: int = 0, show: bool = True) -> None:
        self.task, self.total, self.unit, self.done, self.first = task, total, unit, done, done
        self.note = ""
        console = Console()
        self._bar: Bar | None = None
        self._lines = show and not console.is_interactive
        self._begun = self._said = time.monotonic()
        if show and console.is_interactive:
            columns = (
                TextColumn("{task.description}", markup=False),
                BarColumn(),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
            )
            self._bar = Bar(*columns, TimeRemainingColumn(), console=console, transient=True)
            self._row = self._bar.add_task(printable(task), total=total, completed=done)

    def __enter__(self) -> Progress:
        if self._bar:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar:
            self._bar.stop()

    def advance(self, steps: int = 1, note: str = "") -> None:
        """Count ``steps`` more as done; ``note`` is shown beside the bar."""
        self.reach(self.done + steps, note)

    def reach(self, done: int, note: str = "") -> None:
        """Set the number of steps done; ``note`` is shown beside the bar."""
        before, self.done, self.note = self.done, done, note or self.note
        text = printable(f"{self.task} ({self.note})" if self.note else self.task)
        if self._bar:
            self._bar.update(self._row, completed=done, description=text)
        elif self._lines and done * 10 // max(1, self.total) > before * 10 // max(1, self.total):
            self._say(text)

    def _say(self, text: str) -> None:
        now = time.monotonic()
        if now - self._said < PATIENCE:
            return
        self._said = now
        left = (now - self._begun) * (self.total - self.done) / max(1, self.done - self.first)
        rest = f", {duration(left)} left" if self.done < self.total else f" in {duration(now - self._begun)}"
        say(f"{text}: {self.done} of {self.total} {self.unit}{rest}")


def track(items: Iterable[T], task: str, total: int, unit: str = "steps", done: int = 0) -> Iterator[T]:
    """Iterate over items and show the progress; ``total`` includes those ``done`` before."""
    with Progress(task, total, unit, done) as progress:
        for item in items:
            yield item
            progress.advance()


def duration(seconds: float) -> str:
    """Time in words: "8 s", "3.5 min", "2.1 h"."""
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
