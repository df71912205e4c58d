"""Checkpoints of a run: written atomically, with the previous one kept; a training resumes from them exactly."""

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
    """Writes a temporary file beside the checkpoint and renames it; Lightning's goes through /tmp, another disk.

    Attributes:
        failure: why the last checkpoint could not be written. With several processes it is kept, not raised: the
            others wait for this process after the writing, and an error here would leave them waiting.
        starts_over: whether the existing file is of an earlier fit, so that it is not the previous checkpoint.
    """

    def __init__(self) -> None:
        super().__init__()
        self.failure: OutputError | None = None
        self.starts_over = False

    def load_checkpoint(
        self, path: str | Path, map_location: Callable[..., Any] | None = None, weights_only: bool | None = True
    ) -> dict[str, Any]:
        """Read a checkpoint; only tensors and plain data are admitted, whatever ``weights_only`` says."""
        return super().load_checkpoint(path, map_location, weights_only=True)

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: object = None
    ) -> None:
        """Write a checkpoint; the existing ``last.ckpt`` becomes ``previous.ckpt``.

        Raises:
            OutputError: the file cannot be written; the previous checkpoint is still there.
        """
        place, buffer = (
            Path(path),
            io.BytesIO(),
        )  # torch hides the reasons of file errors
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
    """One checkpoint and the previous one; written after each epoch, before validations and every few steps.

    It holds the state between two batches, when everything of the first one is logged (Lightning's own hook for
    steps comes earlier). The counters of Lightning's loops are corrected in the file, so that a training resumes
    with the next batch, or with the whole validation that was about to begin.

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
        """Write a checkpoint before a batch or a validation, unless this step is written already."""
        if self._should_skip_saving_checkpoint(trainer):
            return
        self._between = True
        try:
            self._save_none_monitor_checkpoint(trainer, self._monitor_candidates(trainer))
        finally:
            self._between = False

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Remember whether the fit resumes from a checkpoint; start an epoch that had not yet started.

        With ``max_steps`` Lightning would take it for a started one.
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
        """Save if it is due; before the first batch of an epoch it was just done."""
        due = self.every and trainer.global_step % self.every == 0
        if due and batch_idx and batch_idx % trainer.accumulate_grad_batches == 0:
            self.save(trainer)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save before the validation, which may take long."""
        self.save(trainer)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save again: the checkpoint from before the validation, at the same step, would repeat it."""
        self._last_global_step_saved = -1
        self._between = True
        try:
            super().on_train_epoch_end(trainer, pl_module)
        finally:
            self._between = False

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Correct the counters of the loops, in checkpoints of this callback only."""
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
    """Set the counters of Lightning's fit loop in a checkpoint to those between two batches.

    Args:
        loops: state of the fit loop, changed in place.
        step: optimiser steps done.
        validating: whether a validation has begun, which a resumed training must repeat from its beginning.
    """
    batches, epochs = loops["epoch_loop.batch_progress"], loops["epoch_progress"]
    for count in (batches["total"], batches["current"]):
        count.update(dict.fromkeys(("ready", "started", "completed"), count["processed"]))
    if validating:  # as if interrupted in its first batch; its metrics are logged at the step before
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
    """Where the previous checkpoint is."""
    return RunFolder(root).checkpoints / PREVIOUS


def rename_damaged(path: Path) -> None:
    """Rename a damaged checkpoint, so that it does not become the previous one; no error if that fails."""
    try:
        os.replace(path, path.with_name(DAMAGED))
    except OSError:
        return
