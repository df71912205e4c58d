"""All logged metrics, step by step, in ``history.jsonl`` in the run folder, besides other loggers."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.loggers.logger import Logger
from lightning.pytorch.utilities import rank_zero_only

from meshgait.callbacks.best_effort import best_effort
from meshgait.callbacks.lookup import is_fast_dev_run
from meshgait.run_folder import RunFolder
from meshgait.textfiles.json_text import parse_json


class HistoryLines(Logger):
    """Appends one JSON object per line: ``step`` (optimiser steps done) and the metrics logged at it.

    A line that cannot be written is kept and written with the next one. Values that are not finite are null.

    Args:
        path: of the file.
    """

    def __init__(self, path: Path | str) -> None:
        super().__init__()
        self.path, self._waiting = Path(path), b""
        self._size: int | None = None

    @property
    def name(self) -> str:
        """Name of the logger."""
        return "history"

    @property
    def version(self) -> int:
        """There is one version in a folder."""
        return 0

    def log_hyperparams(self, *args: object, **kwargs: object) -> None:
        """Settings are in ``config.yaml``."""

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Append a line."""
        values = {name: float(f"{value:.6g}") for name, value in metrics.items()}
        line = {"step": int(step or 0), **{n: v if math.isfinite(v) else None for n, v in values.items()}}
        self._waiting += json.dumps(line).encode() + b"\n"
        self._write()

    @property
    def size(self) -> int | None:
        """Bytes in the file; None as long as nothing was written."""
        return self._size

    @rank_zero_only
    def rewind(self, step: int, size: int | None = None) -> None:
        """Drop what was logged at ``step`` or later: a resumed fit logs it again.

        Args:
            step: of the checkpoint.
            size: bytes of the file when the checkpoint was written; a validation after it logs at the step
                before.
        """
        kept = b""
        with best_effort(self.path.parent, self.path.name):
            text = self.path.read_bytes()[:size] if self.path.exists() else b""
            for line in text.splitlines(keepends=True):
                kept += line if _step(line) < step else b""
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.write_bytes(b"")
        self._size, self._waiting = 0, kept
        self._write()

    @rank_zero_only
    def sync(self) -> None:
        """Flush the lines to the disk, as the checkpoint will be that is about to be written."""
        if self._size:
            with best_effort(self.path.parent, self.path.name), self.path.open("rb") as file:
                os.fsync(file.fileno())

    def _write(self) -> None:
        with best_effort(self.path.parent, self.path.name):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("ab") as file:
                # a failed attempt may have left half a line
                size = file.tell() if self._size is None else self._size
                self._size = size
                file.truncate(size)
                file.write(self._waiting)
            self._size = size + len(self._waiting)
            self._waiting = b""


def _step(line: bytes) -> float:
    """Step of a line; infinity if the line is damaged."""
    try:
        step = parse_json(line.decode())["step"]
    except (ValueError, KeyError, TypeError):
        return math.inf
    return step if isinstance(step, int) else math.inf


class HistoryFile(Callback):
    """Writes ``history.jsonl`` while training, besides the loggers of the trainer.

    A fit that resumes from a checkpoint drops the lines after it, so that nothing is logged twice.
    """

    def __init__(self) -> None:
        self.lines: HistoryLines | None = None
        self._kept: int | None = None

    def state_dict(self) -> dict[str, Any]:
        """Bytes of the file, which separate what was logged before the checkpoint from what comes after it."""
        if self.lines is not None:
            self.lines.sync()
        return {"size": None if self.lines is None else self.lines.size}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Remember how much of the file belongs to the checkpoint."""
        self._kept = state_dict["size"]

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Add the logger to the others."""
        if stage == "fit" and self.lines is None and not is_fast_dev_run(trainer):
            self.lines = HistoryLines(RunFolder(Path(trainer.default_root_dir)).history)
            trainer.loggers = [*trainer.loggers, self.lines]

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Drop what an earlier fit logged after the checkpoint; without a checkpoint, everything."""
        if self.lines is not None:
            self.lines.rewind(trainer.global_step, self._kept)

    def on_train_batch_start(self, trainer: Trainer, *_: Any) -> None:  # noqa: ANN401
        """Make all loggers use the number of optimiser steps done.

        Lightning counts one too many when it resumes after a validation in the middle of an epoch.
        """
        trainer.fit_loop.epoch_loop._batches_that_stepped = trainer.global_step
