"""Pictures of recognition while training: map of embeddings, CMC, views against views, worst confusions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from lightning import LightningModule, Trainer
from PIL import Image

from meshgait.callbacks.best_effort import best_effort
from meshgait.callbacks.evaluate import RetrievalEvaluation
from meshgait.callbacks.lookup import callbacks_of
from meshgait.callbacks.pictures import Pictures, wandb_loggers
from meshgait.data.trainer_data import datamodule_of
from meshgait.evaluation.cmc import cmc, first_ranks
from meshgait.evaluation.confusions import Confusion, describe_confusion, worst_confusions
from meshgait.evaluation.embedding_map import record_map
from meshgait.evaluation.record import EvaluationRecord
from meshgait.evaluation.scoring import Scores
from meshgait.viz.confusions import FRAMES, ConfusionRow, confusion_sheet, strip
from meshgait.viz.plots import cmc_figure, embedding_figure, to_png, to_rgb, view_matrix_figure


class RecognitionPictures(Pictures):
    """Draw the results of `RetrievalEvaluation`.

    Args:
        every: number of validations from one drawing to the next; the last one of a fit is always drawn.
        confusions: how many of the worst confusions are shown.
        most: sequences at most on the map of embeddings, spread over all of them.
        seed: of the map.
    """

    def __init__(self, every: int = 1, confusions: int = 8, most: int = 400, seed: int = 0) -> None:
        super().__init__(every)
        self.confusions, self.most, self.seed = confusions, most, seed

    def draw(self, trainer: Trainer, module: LightningModule) -> None:
        """All four pictures of the last evaluation, if there was one."""
        for callback in callbacks_of(trainer, RetrievalEvaluation):
            if callback.record is not None:
                self._draw_map(trainer, callback.record)
                self._draw_cmc(trainer, callback.record)
                self._draw_views(trainer, callback.scores)
                self._draw_confusions(trainer, callback.record)

    def _draw_map(self, trainer: Trainer, record: EvaluationRecord) -> None:
        shown = record_map(record, self.most, self.seed)
        data = to_png(embedding_figure(shown.points, shown.persons, shown.roles))
        self.keep(trainer, "embeddings", "png", lambda path: path.write_bytes(data))

    def _draw_cmc(self, trainer: Trainer, record: EvaluationRecord) -> None:
        firsts = {name: first_ranks(record, name).ranks for name, mask in record.probes.items() if mask.any()}
        data = to_png(cmc_figure({name: cmc(first) for name, first in firsts.items() if len(first)}))
        self.keep(trainer, "cmc", "png", lambda path: path.write_bytes(data))

    def _draw_views(self, trainer: Trainer, scores: dict[str, Scores]) -> None:
        pictures = [
            to_rgb(view_matrix_figure(s.cells, s.probe_views, s.gallery_views, f"{name}: rank-1, %"))
            for name, s in scores.items()
            if s.cells is not None
        ]
        if pictures:
            sheet = Image.fromarray(np.concatenate(pictures, axis=1))
            self.keep(trainer, "views", "png", lambda path: sheet.save(path, format="PNG"))

    def _draw_confusions(self, trainer: Trainer, record: EvaluationRecord) -> None:
        found = worst_confusions(record, self.confusions)
        table = [describe_confusion(record, confusion) for confusion in found]
        text = json.dumps(table, indent=1) + "\n"
        self.keep(trainer, "confusions", "json", lambda path: path.write_text(text))
        if not found:
            return
        rows = [self._row(trainer, record, *pair) for pair in zip(found, table, strict=True)]
        sheet = Image.fromarray(confusion_sheet(rows))
        self.keep(trainer, "confusions", "png", lambda path: sheet.save(path, format="PNG"))
        self._log_table(trainer, rows, table)

    def _row(
        self, trainer: Trainer, record: EvaluationRecord, confusion: Confusion, words: dict[str, Any]
    ) -> ConfusionRow:
        store = datamodule_of(trainer).store

        def silhouettes(row: int) -> np.ndarray:
            index = int(record.sequences[row])
            frames = np.linspace(0, store.sequences[index].frames - 1, FRAMES).round().astype(int)
            return store.silhouettes(index, frames)

        text = (
            f"{words['person']} taken for {words['taken_for']}",
            f"{words['probe_condition']} {words['probe_view']}, {words['found_condition']} {words['found_view']}",
            f"distance {words['distance']:.2f}, own {words['own_distance']:.2f}",
            f"such errors: {words['times']}",
        )
        return ConfusionRow(text, *(silhouettes(row) for row in (confusion.probe, confusion.found, confusion.own)))

    def _log_table(self, trainer: Trainer, rows: list[ConfusionRow], table: list[dict[str, Any]]) -> None:
        for logger in wandb_loggers(trainer):
            import wandb  # it is imported already, as there is such a logger

            with best_effort(Path(trainer.default_root_dir), "the table of confusions"):
                pictures = [[wandb.Image(strip(x)) for x in (row.probe, row.found, row.own)] for row in rows]
                content = [[*words.values(), *three] for words, three in zip(table, pictures, strict=True)]
                columns = [*table[0], "probe", "found", "own"]
                logger.log_table("tables/confusions", columns, content, step=trainer.global_step)
