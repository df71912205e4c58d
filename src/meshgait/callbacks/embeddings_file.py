"""Embeddings of a whole store as ``embeddings.npz`` in the run folder (`meshgait predict`)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import BasePredictionWriter
from torch import Tensor

from meshgait.data.datamodule import BodyDataModule, SilhouetteDataModule
from meshgait.data.trainer_data import datamodule_of
from meshgait.errors import MeshGaitError
from meshgait.evaluation.embeddings import Embeddings
from meshgait.messages import warn
from meshgait.run_folder import RunFolder
from meshgait.terminal import say


class EmbeddingsFile(BasePredictionWriter):
    """Write the embeddings when the whole store is embedded.

    The file is what `meshgait evaluate` reads (`meshgait.evaluation.embeddings`), in the order of the store; its
    ``split`` marks the sequences of the protocol's training subjects. With several devices the first process
    gathers the embeddings of all, and writes them.
    """

    def __init__(self) -> None:
        super().__init__("epoch")

    def write_on_epoch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        predictions: Sequence[dict[str, Tensor]],
        batch_indices: Sequence[Any],
    ) -> None:
        """Gather the batches of `predict_step` and write them."""
        share = [torch.cat([batch[key] for batch in predictions]).cpu() for key in ("indices", "embeddings")]
        shares = [share]
        if trainer.world_size > 1:
            shares = [[] for _ in range(trainer.world_size)]
            torch.distributed.gather_object(share, shares if trainer.is_global_zero else None)
        if not trainer.is_global_zero:
            return
        indices, embeddings = (torch.cat(parts) for parts in zip(*shares, strict=True))
        indices, order = indices.sort()
        data = datamodule_of(trainer)
        sequences = [data.store.sequences[index] for index in indices.tolist()]
        columns = [np.array([getattr(s, key) for s in sequences]) for key in ("subject", "condition", "view")]
        training, listed = _roles(data, indices.numpy(), columns)
        path = RunFolder(Path(trainer.default_root_dir)).embeddings
        labels, types, views = columns
        vectors = embeddings[order].float()
        Embeddings(vectors, labels, types, views, probe_set=listed, training=training).write(path)
        if absent := len(data.store.sequences) - len(indices):
            warn(f"{path} lacks {absent} sequences of {data.path}; leave limit_predict_batches out to have all")
        strips = tuple(embeddings.shape)
        say(f"{path}: {strips[0]} sequences, {strips[1]} strips of {strips[2]} channels")


def _roles(
    data: SilhouetteDataModule | BodyDataModule, indices: np.ndarray, columns: Sequence[np.ndarray]
) -> tuple[np.ndarray | None, frozenset[str]]:
    """Which sequences are of training subjects, and the probes that the protocol lists, where the data say so."""
    try:
        train, test = data.split
        training = (train & ~test)[indices]
        if not data.protocol.listed_probes or isinstance(data, BodyDataModule):
            return training, frozenset()
        probes = np.logical_or.reduce(list(data.selection.probes.values()))[indices]
    except MeshGaitError:  # a store can be embedded even if no protocol fits it
        return None, frozenset()
    names = zip(*(column[probes] for column in columns), strict=True)
    return training, frozenset("-".join(walk) for walk in names)
