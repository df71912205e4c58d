"""Embeddings of a whole store as ``embeddings.npz`` in the run folder (`meshgait predict --config ...`)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import BasePredictionWriter
from torch import Tensor


class EmbeddingsFile(BasePredictionWriter):
    """Write what a prediction gave when it is whole.

    The file holds ``embeddings`` (N, S, C) float32 and, in the same order (that of the store), ``subject``,
    ``condition``, ``view``. The shares of several devices are gathered by the first, which alone writes.
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
            shares = [None] * trainer.world_size
            torch.distributed.gather_object(share, shares if trainer.is_global_zero else None)
        if not trainer.is_global_zero:
            return
        indices, embeddings = (torch.cat(parts) for parts in zip(*shares, strict=True))
        indices, order = indices.sort()
        embeddings = embeddings[order].float().numpy()
        sequences = [trainer.datamodule.store.sequences[index] for index in indices.tolist()]
        columns = {key: np.array([getattr(s, key) for s in sequences]) for key in ("subject", "condition", "view")}
        path = Path(trainer.default_root_dir) / "embeddings.npz"
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(path.name + ".tmp")
        with temporary.open("wb") as file:  # np.savez would append a suffix to a name
            np.savez(file, embeddings=embeddings, **columns)
        temporary.replace(path)
        print(f"{path}: embeddings {embeddings.shape} (sequences, strips, channels)")
