"""Progress of fit, validate, test and predict: a live bar on a terminal, a few lines in a log file."""

from __future__ import annotations

import math
import sys
import time
from typing import Any

from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import RichProgressBar

from meshgait.callbacks.evaluate import part_evaluated
from meshgait.progress import Progress, duration
from meshgait.terminal import say

LONG = 60.0
"""Seconds between two lines within an epoch."""


class ProgressLines(Callback):
    """Print progress after each epoch (and within long ones), and the results of each validation."""

    def __init__(self) -> None:
        self._start, self._first, self._said = 0.0, 0, 0.0
        self._task: Progress | None = None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock."""
        self._start = self._said = time.monotonic()
        self._first = trainer.global_step

    def on_train_batch_end(self, trainer: Trainer, *_: Any) -> None:  # noqa: ANN401
        """Print a line from time to time, if epochs are long."""
        if time.monotonic() - self._said >= LONG:
            self._print_progress(trainer)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Print one line: epoch, step, loss, speed, time left."""
        self._print_progress(trainer)

    def _print_progress(self, trainer: Trainer) -> None:
        if not trainer.is_global_zero:
            return
        self._said = time.monotonic()
        done, total = trainer.global_step, trainer.estimated_stepping_batches
        pace = (self._said - self._start) / max(1, done - self._first)
        loss = trainer.callback_metrics.get("train/loss")
        text, left = f"epoch {trainer.current_epoch + 1}, step {done}", ""
        if math.isfinite(total):
            text = f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}, step {done}/{int(total)}"
            left = f", {duration(pace * (total - done))} left"
        text += "" if loss is None else f", loss {float(loss):.3f}"
        say(f"{text}, {pace:.2f} s a step{left}")

    def _begin(self, trainer: Trainer, task: str, batches: list[int | float]) -> None:
        show = trainer.is_global_zero and not trainer.sanity_checking
        self._task = Progress(task, int(sum(batches)), "batches", show=show)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Count the batches of an evaluation."""
        self._begin(trainer, "validation", trainer.num_val_batches)

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Count the batches of a test."""
        self._begin(trainer, "test", trainer.num_test_batches)

    def on_predict_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Count the batches of a prediction."""
        self._begin(trainer, "embedding", trainer.num_predict_batches)

    def _advance(self, *_: Any, **__: Any) -> None:  # noqa: ANN401
        if self._task is not None:
            self._task.advance()

    on_validation_batch_end = on_test_batch_end = on_predict_batch_end = _advance

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Print one line with the main metrics."""
        if trainer.sanity_checking or not trainer.is_global_zero:
            return
        figures = trainer.callback_metrics.items()
        wanted = ("val/mpjpe", "val/pa_mpjpe", "val/mpvpe", "val/rank1", "gei/rank1")
        shown = [f"{name} {float(value):.1f}" for name, value in figures if name.startswith(wanted)]
        part = part_evaluated(trainer)
        of = f" of {part[0]} of {part[1]} batches" if part else ""
        say(f"validation{of}: {', '.join(shown)}")


def progress_callback() -> Callback:
    """The callback that suits the output: a live bar for a terminal, lines for anything else."""
    return RichProgressBar(leave=False) if sys.stdout.isatty() else ProgressLines()
