"""The metric that gathers embeddings over batches and processes, to be scored when all are there."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

from meshgait.errors import DataError
from meshgait.evaluation.distances import Distance
from meshgait.evaluation.scoring import Scores, Task, evaluate


class RetrievalMetrics(Metric):
    """Gathers embeddings over batches and processes, then scores them (`evaluate`).

    Labels, conditions and views are not gathered: they are looked up in the task by sequence index. A sequence
    that came more than once (samplers pad the last batch of a process) counts once. A process that saw no
    sequence at all takes part in the gathering like the others; with several devices, `to` the device first.

    Args:
        task: who is looked for among whom.
        distance: how embeddings are compared.

    Attributes:
        last: embeddings (n, S, D) and their sequences (n,) that `compute` scored last, of all processes.
    """

    is_differentiable = False
    higher_is_better = True
    full_state_update = False
    embeddings: list[Tensor]
    indices: list[Tensor]

    def __init__(self, task: Task, distance: Distance = "euclidean", **kwargs: Any) -> None:  # noqa: ANN401
        super().__init__(**kwargs)
        self.task, self.distance = task, distance
        self.add_state("embeddings", default=[], dist_reduce_fx="cat")
        self.add_state("indices", default=[], dist_reduce_fx="cat")
        self.last: tuple[Tensor, Tensor] | None = None

    def update(self, embeddings: Tensor, indices: Tensor) -> None:
        """Take embeddings (B, S, D) of the sequences ``indices`` (B,) of the task."""
        self.embeddings.append(embeddings.detach().float())
        self.indices.append(indices)

    def compute(self) -> dict[str, Scores]:
        """Scores per condition; warns where sequences of the protocol have not been embedded."""
        if len(self.indices) == 0:
            raise DataError("no sequence was embedded", "is the test set empty?")
        indices, embeddings = dim_zero_cat(self.indices).cpu(), dim_zero_cat(self.embeddings)
        kept = np.unique(indices.numpy(), return_index=True)[1]
        needed = np.logical_or.reduce([self.task.gallery, *self.task.probes.values()])
        absent = int(needed.sum()) - int(needed[indices[kept].numpy()].sum())
        if absent:
            warnings.warn(
                f"{absent} of the protocol's {int(needed.sum())} sequences were not embedded; "
                "the scores are of the rest alone and not comparable",
                stacklevel=2,
            )
        self.last = embeddings[torch.as_tensor(kept)], indices[kept]
        return evaluate(self.last[0], self.task, self.distance, self.last[1])

    def _sync_dist(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
        # torchmetrics gathers tensors of one rank (ndim) only: a process without a sequence needs an empty
        # (0, S, D), and learns S and D from the others
        gather = args[0] if args else kwargs["dist_sync_fn"]
        group = kwargs.get("process_group") or self.process_group
        shape = self.embeddings[0].shape[1:] if len(self.embeddings) else (0, 0)
        shapes = gather(torch.tensor(shape, device=self.device), group=group)
        strips, channels = torch.stack(shapes).amax(0).tolist()
        if not len(self.embeddings):
            self.embeddings = [torch.zeros(0, strips, channels, device=self.device)]
            self.indices = [torch.zeros(0, dtype=torch.int64, device=self.device)]
        super()._sync_dist(*args, **kwargs)
