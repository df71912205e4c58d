"""Checkpoints of a run: written whole or not at all, and an error in clear words if that fails."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.plugins.io import TorchCheckpointIO

from meshgait.callbacks.output import write_whole

FOLDER = "checkpoints"


class WholeCheckpoints(TorchCheckpointIO):
    """Writes beside the place and renames; Lightning's own goes through /tmp, which may be another disk."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str, storage_options: object = None) -> None:
        """Write it.

        Raises:
            OutputError: the place cannot be written; the checkpoint before is still there.
        """
        buffer = io.BytesIO()  # torch turns errors of a file into RuntimeErrors that leave out the reason
        torch.save(checkpoint, buffer)
        write_whole(Path(path), lambda temporary: temporary.write_bytes(buffer.getbuffer()))


def last_checkpoint(root: Path) -> ModelCheckpoint:
    """One file, replaced after each epoch, with what a killed fit needs to go on.

    ``save_last`` alone would write it at the very end of a fit only, and a version counter would write a new one
    beside that of an earlier fit, unnoticed by later stages.
    """
    return ModelCheckpoint(
        dirpath=root / FOLDER,
        filename=ModelCheckpoint.CHECKPOINT_NAME_LAST,
        save_on_train_epoch_end=True,
        enable_version_counter=False,
    )


def last_path(root: Path) -> Path:
    """Where `last_checkpoint` writes."""
    return root / FOLDER / f"{ModelCheckpoint.CHECKPOINT_NAME_LAST}.ckpt"
