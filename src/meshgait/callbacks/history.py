"""What was logged, step by step, as ``history.jsonl`` in the run folder, whatever other loggers there are."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path

from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.loggers.logger import Logger
from lightning.pytorch.utilities import rank_zero_only

from meshgait.callbacks.output import best_effort

FILE = "history.jsonl"


class HistoryLines(Logger):
    """Appends one JSON object a line: ``step`` (steps done before, from 0) and the figures logged with it.

    What cannot be written is kept and tried again with the next line. Figures that are not finite are null.

    Args:
        path: of the file.
    """

    def __init__(self, path: Path | str) -> None:
        super().__init__()
        self.path, self._waiting, self._size = Path(path), b"", None

    @property
    def name(self) -> str:
        """Of the logger."""
        return "history"

    @property
    def version(self) -> int:
        """There is one a folder."""
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

    @rank_zero_only
    def rewind(self, step: int) -> None:
        """Drop what was logged at ``step`` or later: a fit that goes on from there logs it again."""
        kept = b""
        with best_effort(self.path.parent, FILE):
            for line in self.path.read_bytes().splitlines(keepends=True) if self.path.exists() else ():
                kept += line if _step(line) < step else b""
            self.path.write_bytes(b"")
        self._size, self._waiting = 0, kept
        self._write()

    def _write(self) -> None:
        with best_effort(self.path.parent, FILE):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("ab") as file:
                # an attempt that failed may have left half a line
                self._size = file.tell() if self._size is None else self._size
                file.truncate(self._size)
                file.write(self._waiting)
            self._size += len(self._waiting)
            self._waiting = b""


def _step(line: bytes) -> float:
    """Step of a line; beyond all steps if the line is damaged."""
    try:
        return json.loads(line)["step"]
    except (ValueError, KeyError, TypeError):
        return math.inf


class HistoryFile(Callback):
    """Keeps ``history.jsonl`` while training, beside the loggers that the trainer has.

    A fit that goes on from a checkpoint drops the lines beyond it, so that nothing is there twice.
    """

    def __init__(self) -> None:
        self.lines: HistoryLines | None = None

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Put the logger beside the others."""
        if stage == "fit" and self.lines is None and not trainer.fast_dev_run:
            self.lines = HistoryLines(Path(trainer.default_root_dir) / FILE)
            trainer.loggers = [*trainer.loggers, self.lines]

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Drop what an earlier fit logged beyond the checkpoint; without a checkpoint, everything."""
        if self.lines is not None:
            self.lines.rewind(trainer.global_step)
