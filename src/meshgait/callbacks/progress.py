"""Progress: a live bar on a terminal, one line an epoch in a log file."""

from __future__ import annotations

import sys
import time

from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import RichProgressBar


class ProgressLines(Callback):
    """Print where a fit stands after each epoch and what each validation found."""

    def __init__(self) -> None:
        self._start, self._first = 0.0, 0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock."""
        self._start, self._first = time.monotonic(), trainer.global_step

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """One line: epoch, step, loss, speed, time left."""
        if not trainer.is_global_zero:
            return
        done, total = trainer.global_step, trainer.estimated_stepping_batches
        pace = (time.monotonic() - self._start) / max(1, done - self._first)
        loss = trainer.callback_metrics.get("train/loss")
        text = f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}, step {done}/{int(total)}"
        text += "" if loss is None else f", loss {float(loss):.3f}"
        print(f"{text}, {pace:.2f} s a step, {pace * (total - done) / 60:.1f} min left", flush=True)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """One line with the main figures."""
        if trainer.sanity_checking or not trainer.is_global_zero:
            return
        figures = trainer.callback_metrics.items()
        wanted = ("val/mpjpe", "val/pa_mpjpe", "val/mpvpe", "val/rank1", "gei/rank1")
        shown = [f"{name} {float(value):.1f}" for name, value in figures if name.startswith(wanted)]
        print("validation: " + ", ".join(shown), flush=True)


def progress_callback() -> Callback:
    """The one that fits where the output goes."""
    return RichProgressBar(leave=False) if sys.stdout.isatty() else ProgressLines()
