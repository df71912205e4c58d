"""What a sweep tells while it runs: a line for each event, and on a terminal a bar below them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar

from meshgait import terminal
from meshgait.progress import duration
from meshgait.text import printable


class Progress:
    """Tell how far a sweep is.

    Args:
        metric: name of the figure.
        total: number of trials.
        done: of them that have a result already.
        console: where to; by default standard output.
    """

    def __init__(self, metric: str, total: int, done: int = 0, console: Console | None = None) -> None:
        self.metric, self.total, self._first, self._begun = metric, total, done, time.monotonic()
        self.console = console or terminal.console()
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
        )
        self._bar = Bar(*columns, console=self.console, transient=True, disable=not self.console.is_terminal)
        self._task = self._bar.add_task("trials", total=total, completed=done)

    def __enter__(self) -> Progress:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._bar.stop()

    def say(self, text: str) -> None:
        """One line."""
        self.console.print(printable(text), markup=False, highlight=False, soft_wrap=True)

    def began(self, slot: int, parameters: Mapping[str, Any]) -> None:
        """A trial begins."""
        self.say(f"trial {slot} begins: {words(parameters)}")

    def ended(self, slot: int, text: str, done: int, best: tuple[int, float] | None) -> None:
        """A trial has ended; ``done`` have a result now, here or on other machines."""
        self._bar.update(self._task, completed=done)
        standing = f"{done}/{self.total} done"
        if best is not None:
            standing += f", best {self.metric} {best[1]:.4g} (trial {best[0]})"
        if self._first < done < self.total:
            pace = (time.monotonic() - self._begun) / (done - self._first)
            standing += f", {duration(pace * (self.total - done))} left"
        self.say(f"trial {slot}: {text}; {standing}")


def words(parameters: Mapping[str, Any]) -> str:
    """Parameters in a few words."""
    shown = (
        f"{name}={value:.4g}" if isinstance(value, float) else f"{name}={value}"
        for name, value in parameters.items()
    )
    return ", ".join(shown) or "the settings as they are"
