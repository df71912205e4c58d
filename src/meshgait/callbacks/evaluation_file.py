"""The last evaluation as ``evaluation.npz`` in the run folder."""

from __future__ import annotations

from pathlib import Path

from lightning import Callback, LightningModule, Trainer

from meshgait.callbacks.best_effort import best_effort
from meshgait.callbacks.evaluate import RetrievalEvaluation

FILE = "evaluation.npz"


class EvaluationFile(Callback):
    """Write what the last validation was scored on; a test has a file of its own by protocol."""

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Replace ``evaluation.npz``."""
        if not trainer.sanity_checking and not trainer.fast_dev_run:
            self._write(trainer, FILE)

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write ``evaluation-PROTOCOL.npz``."""
        self._write(trainer, f"evaluation-{trainer.datamodule.protocol.name}.npz")

    def _write(self, trainer: Trainer, name: str) -> None:
        folder = Path(trainer.default_root_dir)
        for callback in trainer.callbacks:
            if isinstance(callback, RetrievalEvaluation) and callback.record is not None:
                with best_effort(folder, name):
                    callback.record.write(folder / name)
