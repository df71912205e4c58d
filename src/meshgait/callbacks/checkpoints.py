"""Checkpoints of a run: whole or not at all, the one before kept, and a training goes on from them exactly."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.plugins.io import TorchCheckpointIO

from meshgait.atomic import atomic_file
from meshgait.errors import OutputError
from meshgait.run_folder import RunFolder

PREVIOUS = "previous.ckpt"
DAMAGED = "damaged.ckpt"


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes beside the place and renames; Lightning's own goes through /tmp, which may be another disk.

    Attributes:
        failure: why the last checkpoint could not be written, where other processes have to learn of it first:
            they wait for this one after the writing, so an error here would leave them waiting.
        starts_over: whether the file in place is of an earlier fit, so that it is not the one before.
    """

    def __init__(self) -> None:
        super().__init__()
        self.failure: OutputError | None = None
        self.starts_over = False

    def load_checkpoint(
        self, path: str | Path, map_location: Callable[..., Any] | None = None, weights_only: bool | None = True
    ) -> dict[str, Any]:
        """Read it; nothing but tensors and plain data is admitted, whatever is asked for."""
        return super().load_checkpoint(path, map_location, weights_only=True)

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: object = None
    ) -> None:
        """Write it; the ``last.ckpt`` that was there becomes ``previous.ckpt``.

        Raises:
            OutputError: the place cannot be written; the checkpoint before is still there.
        """
        place, buffer = Path(path), io.BytesIO()  # torch turns errors of a file into RuntimeErrors without reason
        torch.save(checkpoint, buffer)
        keep = place.with_name(PREVIOUS) if place.name == last_path(Path()).name else None
        try:
            before = None if self.starts_over else keep
            with atomic_file(place, before) as temporary:
                temporary.write_bytes(buffer.getbuffer())
            if self.starts_over and keep is not None:
                keep.unlink(missing_ok=True)
                self.starts_over = False
        except OutputError as error:
            if not (dist.is_available() and dist.is_initialized()):
                raise
            self.failure = error


class LastCheckpoint(ModelCheckpoint):
    """One file, replaced after each epoch, before each validation and every few steps, and the one before it.

    It holds the state between two batches, with all of the first one logged (Lightning's own hook for steps comes
    before their figures are). What Lightning's loops count at such a moment is put right in the file, so that it
    goes on with the next batch, or with the whole of the validation that was about to begin.

    Args:
        root: run folder.
        every: optimiser steps between checkpoints within an epoch; 0 writes none there.
    """

    def __init__(self, root: Path | str, every: int = 0) -> None:
        # `save_last` alone would write at the very end of a fit only, and a version counter would write a new one
        # beside that of an earlier fit, unnoticed by later stages
        super().__init__(
            dirpath=RunFolder(Path(root)).checkpoints,
            filename=ModelCheckpoint.CHECKPOINT_NAME_LAST,
            save_on_train_epoch_end=True,
            enable_version_counter=False,
        )
        self.every, self._between = every, False

    def save(self, trainer: Trainer) -> None:
        """Write, before a batch or while validating, unless this step has been written already."""
        if self._should_skip_saving_checkpoint(trainer):
            return
        self._between = True
        try:
            self._save_none_monitor_checkpoint(trainer, self._monitor_candidates(trainer))
        finally:
            self._between = False

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Note whether the fit goes on from a checkpoint; begin an epoch that was not yet begun.

        With ``max_steps`` Lightning takes it for one to be finished.
        """
        super().on_train_start(trainer, pl_module)
        if isinstance(writer := trainer.strategy.checkpoint_io, AtomicCheckpointIO):
            writer.starts_over = trainer.ckpt_path is None
        loop = trainer.fit_loop.epoch_loop
        if loop.restarting and not loop.batch_progress.current.completed:
            loop.restarting = False

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: object, batch_idx: int
    ) -> None:
        """Save when it is time to; before the first batch of an epoch it has just been done."""
        due = self.every and trainer.global_step % self.every == 0
        if due and batch_idx and batch_idx % trainer.accumulate_grad_batches == 0:
            self.save(trainer)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save what was trained before time goes into looking at it."""
        self.save(trainer)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save; what was saved before the validation at the same step would validate again."""
        self._last_global_step_saved = -1
        self._between = True
        try:
            super().on_train_epoch_end(trainer, pl_module)
        finally:
            self._between = False

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Put the counters of the loops right, in checkpoints of this callback."""
        if self._between:
            rewind_loop_counters(checkpoint["loops"]["fit_loop"], checkpoint["global_step"], trainer.validating)

    def _save_checkpoint(self, trainer: Trainer, filepath: str) -> None:
        super()._save_checkpoint(trainer, filepath)
        writer = trainer.strategy.checkpoint_io
        failure = writer.failure if isinstance(writer, AtomicCheckpointIO) else None
        if trainer.strategy.reduce_boolean_decision(failure is not None, all=False):
            raise failure or OutputError(
                f"{filepath} cannot be written by the first process, whose message says why",
                "mend that, then repeat the command: with --ckpt_path last it goes on from the last checkpoint",
            )


def rewind_loop_counters(loops: dict[str, Any], step: int, validating: bool) -> None:
    """Make the counters of Lightning's fit loop in a checkpoint those of a moment between two batches.

    Args:
        loops: state of the fit loop, changed in place.
        step: optimiser steps done.
        validating: whether a validation has begun that is to be done wholly when the training goes on.
    """
    batches, epochs = loops["epoch_loop.batch_progress"], loops["epoch_progress"]
    for count in (batches["total"], batches["current"]):
        count.update(dict.fromkeys(("ready", "started", "completed"), count["processed"]))
    if validating:  # as if its first batch had been interrupted; figures are logged as those of the step before
        once = {"ready": 1, "started": 1, "processed": 0, "completed": 0}
        loops["epoch_loop.val_loop.batch_progress"].update(total=once, current=dict.fromkeys(once, 0))
    else:
        loops["epoch_loop.state_dict"]["_batches_that_stepped"] = step
    if epochs["current"]["ready"] == epochs["current"]["processed"]:  # the end of an epoch: before the next one
        for count in (epochs["total"], epochs["current"]):
            count["completed"] = count["processed"]
        batches["current"].update(dict.fromkeys(batches["current"], 0))


def last_path(root: Path) -> Path:
    """Where `LastCheckpoint` writes."""
    return RunFolder(root).last_checkpoint


def previous_path(root: Path) -> Path:
    """Where the checkpoint before it is."""
    return RunFolder(root).checkpoints / PREVIOUS


def rename_damaged(path: Path) -> None:
    """Rename a damaged checkpoint, so that it does not become the one before; left where that is not allowed."""
    try:
        os.replace(path, path.with_name(DAMAGED))
    except OSError:
        return
