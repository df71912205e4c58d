"""The last evaluation as ``evaluation.npz`` in the run folder."""

from __future__ import annotations

from pathlib import Path

from lightning import Callback, LightningModule, Trainer

from meshgait.callbacks.best_effort import best_effort
from meshgait.callbacks.evaluate import RetrievalEvaluation
from meshgait.callbacks.lookup import callbacks_of, is_fast_dev_run
from meshgait.data.trainer_data import datamodule_of
from meshgait.run_folder import RunFolder


class EvaluationFile(Callback):
    """Write embeddings and protocol of the last validation; a test has its own file, named by its protocol."""

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Replace ``evaluation.npz``."""
        if not trainer.sanity_checking and not is_fast_dev_run(trainer):
            self._write(trainer)

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write ``evaluation-PROTOCOL.npz``."""
        self._write(trainer, datamodule_of(trainer).protocol.name)

    def _write(self, trainer: Trainer, protocol: str | None = None) -> None:
        path = RunFolder(Path(trainer.default_root_dir)).evaluation(protocol)
        for evaluation in callbacks_of(trainer, RetrievalEvaluation):
            if evaluation.record is not None:
                with best_effort(path.parent, path.name):
                    evaluation.record.write(path)
