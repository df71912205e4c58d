"""A training that is told to stop (by SLURM, by `kill`) saves what it has learnt at the end of the step."""

from __future__ import annotations

import signal
import threading
from typing import Any

from lightning import Callback, LightningModule, Trainer

from meshgait.callbacks.checkpoints import LastCheckpoint
from meshgait.errors import StoppedError

SIGNALS = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGUSR1") if hasattr(signal, name))
"""SIGUSR1 is what ``sbatch --signal=USR1@90`` sends, 90 seconds before the time is over."""


class StopOnSignal(Callback):
    """Notes a signal; at the end of the step all processes agree, write a checkpoint and stop with status 143.

    Lightning's own handler talks to the other processes from within the signal, where they may not be listening,
    and SLURM's saves there; both are replaced while training, and nothing is done within the handler here. A
    validation is left at its next batch where there is one process; several may have unequal numbers of batches
    and stop after it, with all that was trained in the checkpoint that was written before it.
    """

    def __init__(self) -> None:
        self.told: str | None = None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Take the signals over; Lightning puts back at the end what was there before the fit."""
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                signal.signal(number, self._note)
        if trainer.received_sigterm:  # in the moments before
            self.told = "SIGTERM"

    def _note(self, number: int, frame: object) -> None:
        self.told = signal.Signals(number).name

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: object, batch_idx: int
    ) -> None:
        """Stop between two steps."""
        if batch_idx % trainer.accumulate_grad_batches == 0:
            self._stop_if_told(trainer, save=batch_idx > 0)  # at 0, the end of the epoch before has been saved

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stop before a validation."""
        if trainer.state.fn == "fit" and not trainer.sanity_checking:
            self._stop_if_told(trainer)

    def on_validation_batch_start(self, trainer: Trainer, *_: Any) -> None:  # noqa: ANN401
        """Stop within it."""
        if trainer.state.fn == "fit" and not trainer.sanity_checking and trainer.world_size == 1:
            self._stop_if_told(trainer)

    def _stop_if_told(self, trainer: Trainer, save: bool = True) -> None:
        if not trainer.strategy.reduce_boolean_decision(self.told is not None, all=False):
            return
        places = [c for c in trainer.checkpoint_callbacks if isinstance(c, LastCheckpoint)]
        for callback in places if save else ():
            callback.save(trainer)
        kept = f"its {trainer.global_step} steps are in {places[0].dirpath}" if places else "nothing is saved"
        raise StoppedError(
            f"the training was stopped by {self.told or 'a signal to another of its processes'}",
            f"{kept}: repeat the command with --ckpt_path last to go on",
        )
