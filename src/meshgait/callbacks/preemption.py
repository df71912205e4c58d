"""A training that gets a signal to stop (from SLURM, from `kill`) writes a checkpoint at the end of the step."""

from __future__ import annotations

import signal
import threading
from typing import Any

from lightning import Callback, LightningModule, Trainer

from meshgait.callbacks.checkpoints import LastCheckpoint
from meshgait.errors import StoppedError

SIGNALS = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGUSR1") if hasattr(signal, name))
"""``sbatch --signal=USR1@90`` sends SIGUSR1 90 seconds before the end of the time limit."""


class StopOnSignal(Callback):
    """After a signal, all processes write a checkpoint at the end of the step and stop with status 143.

    Lightning's own handler communicates with the other processes inside the signal handler, when they may not be
    ready for it, and that of SLURM saves there. Both are replaced while training; the handler here only sets a
    flag. With one process, a validation is left at its next batch. Several processes may have unequal numbers of
    batches, so they finish the validation; the checkpoint before it holds everything that was trained.
    """

    def __init__(self) -> None:
        self.signal_name: str | None = None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Install the handlers; at the end of the fit Lightning restores those from before it."""
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                signal.signal(number, self._note)
        if trainer.received_sigterm:  # it came before the handlers were installed
            self.signal_name = "SIGTERM"

    def _note(self, number: int, frame: object) -> None:
        self.signal_name = signal.Signals(number).name

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: object, batch_idx: int
    ) -> None:
        """Stop between two steps."""
        if batch_idx % trainer.accumulate_grad_batches == 0:
            self._stop_if_signalled(trainer, save=batch_idx > 0)  # at 0 the end of the last epoch is saved already

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stop before a validation."""
        if trainer.state.fn == "fit" and not trainer.sanity_checking:
            self._stop_if_signalled(trainer)

    def on_validation_batch_start(self, trainer: Trainer, *_: Any) -> None:  # noqa: ANN401
        """Stop within it."""
        if trainer.state.fn == "fit" and not trainer.sanity_checking and trainer.world_size == 1:
            self._stop_if_signalled(trainer)

    def _stop_if_signalled(self, trainer: Trainer, save: bool = True) -> None:
        if not trainer.strategy.reduce_boolean_decision(self.signal_name is not None, all=False):
            return
        places = [c for c in trainer.checkpoint_callbacks if isinstance(c, LastCheckpoint)]
        for callback in places if save else ():
            callback.save(trainer)
        kept = f"its {trainer.global_step} steps are in {places[0].dirpath}" if places else "nothing is saved"
        raise StoppedError(
            f"the training was stopped by {self.signal_name or 'a signal to another of its processes'}",
            f"{kept}: repeat the command with --ckpt_path last to go on",
        )
