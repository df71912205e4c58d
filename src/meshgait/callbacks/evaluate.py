"""Who is walking: gather embeddings of the test sequences, apply the protocol, log rank-1 beside the baseline."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from lightning import Callback, LightningModule, Trainer
from torch import Tensor

from meshgait.batch import GaitBatch, GaitOutput
from meshgait.data.trainer_data import silhouettes_of
from meshgait.evaluation.gei import gei_scores
from meshgait.evaluation.ranking import error_breakdown
from meshgait.evaluation.record import EvaluationRecord
from meshgait.evaluation.retrieval import RetrievalMetrics
from meshgait.evaluation.scoring import Scores
from meshgait.messages import warn

SHOWN = ("rank1", "rank5", "mean_ap", "mean_inp")


class RetrievalEvaluation(Callback):
    """Score validation or test embeddings by the DataModule's protocol.

    Logs ``val/rank1_nm`` and so on per probe condition, their mean as ``val/rank1``, and once the nearest
    neighbour of mean silhouettes as ``gei/rank1_nm``: a benchmark that the baseline solves is too easy.
    Where sequences of the protocol were not embedded, nothing is logged: the right person is found more easily in
    a part of the gallery, and such a number could be mistaken for that of the protocol.

    Args:
        distance: how embeddings are compared.

    Attributes:
        scores: `Scores` per probe condition of the last evaluation.
        baseline: the same of mean silhouettes.
        record: embeddings and protocol of the last evaluation (first process only).
    """

    def __init__(self, distance: Literal["euclidean", "cosine"] = "euclidean") -> None:
        self.distance = distance
        self.metric: RetrievalMetrics | None = None
        self.scores: dict[str, Scores] = {}
        self.baseline: dict[str, Scores] = {}
        self.record: EvaluationRecord | None = None

    def _start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.metric = RetrievalMetrics(silhouettes_of(trainer).selection, self.distance).to(pl_module.device)

    def _take(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: GaitOutput,
        batch: GaitBatch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        assert self.metric is not None  # `_start` comes first
        self.metric.update(outputs.embeddings, batch.indices)

    def _finish(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.sanity_checking:
            return
        assert self.metric is not None  # `_start` comes first
        scores, absent = _score(self.metric)
        if absent:
            self.scores, self.record = {}, None
            if trainer.is_global_zero:
                warn(
                    f"{absent} sequences of the protocol were not embedded, so there are no recognition rates; "
                    "leave limit_val_batches, limit_test_batches, overfit_batches and fast_dev_run out"
                )
            return
        self.scores = scores
        if trainer.is_global_zero:
            self.record = self._record(trainer, self.metric)
        if not self.baseline:
            data = silhouettes_of(trainer)
            self.baseline = gei_scores(data.store.silhouettes, data.selection)
        # every process has the same values; a mean of equal numbers may be rounded, their maximum is not
        figures = flatten(self.scores, "val") | flatten(self.baseline, "gei")
        pl_module.log_dict(figures, sync_dist=True, reduce_fx="max")

    def _record(self, trainer: Trainer, metric: RetrievalMetrics) -> EvaluationRecord:
        data, (embeddings, indices) = silhouettes_of(trainer), _scored(metric)
        task, rows = data.selection, indices.numpy()
        return EvaluationRecord(
            embeddings=embeddings.cpu().numpy().astype(np.float16),
            labels=task.labels[rows],
            views=task.views[rows],
            conditions=np.array([data.store.sequences[row].condition for row in rows]),
            sequences=rows,
            gallery=task.gallery[rows],
            probes={name: mask[rows] for name, mask in task.probes.items()},
            subjects=task.subjects,
            view_names=task.view_names,
            exclude=task.exclude,
            scoring=task.scoring,
            protocol=data.protocol.name,
            distance=self.distance,
        )

    on_validation_epoch_start = on_test_epoch_start = _start
    # Lightning declares outputs as tensors or mappings, but passes on whatever the step returns
    on_validation_batch_end = on_test_batch_end = _take  # type: ignore[assignment]
    on_validation_epoch_end = on_test_epoch_end = _finish


def _score(metric: RetrievalMetrics) -> tuple[dict[str, Scores], int]:
    """Scores, and how many sequences of the protocol they lack."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it says the same as we do
        scores = metric.compute()
    needed = np.logical_or.reduce([metric.task.gallery, *metric.task.probes.values()])
    return scores, int(needed.sum() - needed[_scored(metric)[1].numpy()].sum())


def _scored(metric: RetrievalMetrics) -> tuple[Tensor, Tensor]:
    """Embeddings and sequences that were scored."""
    assert metric.last is not None  # `compute` comes first
    return metric.last


def part_evaluated(trainer: Trainer) -> tuple[int, int] | None:
    """Number of batches that were evaluated, and of all batches; None if they are the same."""
    for kind in ("val", "test"):
        loader = getattr(trainer, f"{kind}_dataloaders", None)
        if loader is not None:
            done, whole = sum(getattr(trainer, f"num_{kind}_batches")), len(loader)
            return (int(done), whole) if 0 < done < whole else None
    return None


def flatten(scores: dict[str, Scores], prefix: str) -> dict[str, float]:
    """Scores as ``prefix/measure_condition``, and the mean rank-1 over conditions as ``prefix/rank1``."""
    flat = {
        f"{prefix}/{measure}_{name}": score.numbers()[measure]
        for name, score in scores.items()
        for measure in SHOWN
    }
    mean = sum(score.rank1 for score in scores.values()) / max(1, len(scores))
    return {f"{prefix}/rank1": mean, **flat}


def shared_traits(
    scores: Mapping[str, Scores], subjects: Sequence[str], traits: Mapping[str, Any]
) -> dict[str, int]:
    """What the true and the found walker of wrong rank-1 matches have in common, over all conditions.

    Args:
        scores: per condition.
        subjects: name of each label.
        traits: per subject a mapping of trait to value, such as {"body": 3, "style": 7}.
    """
    wrong = np.concatenate([score.wrong for score in scores.values()])
    names = next(iter(traits.values()))
    # labels of other subjects never occur among the errors
    columns = {name: [traits.get(subject, {}).get(name, -1) for subject in subjects] for name in names}
    return error_breakdown(wrong, columns)


def cell_table(score: Scores) -> list[list[float]] | None:
    """Rank-1 per (probe view, gallery view) as nested lists; None if the protocol is not scored by views."""
    return None if score.cells is None else score.cells.tolist()
