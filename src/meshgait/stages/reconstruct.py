"""Stage 1: learn 3D heatmaps of joints and markers from single silhouettes with SMPL truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Literal

from einops import rearrange
from torch import Tensor, nn

from meshgait.batch import BodyEstimate, GaitBatch
from meshgait.data.transforms import Augmentation
from meshgait.errors import ConfigError
from meshgait.evaluation.body import BodyErrors
from meshgait.models.backbone import Stem
from meshgait.models.lifter import Lifter, Reconstructor
from meshgait.models.size import NetworkSize
from meshgait.stages.base import Stage
from meshgait.stages.supervision import BodyLossWeights, BodySupervision


class ReconstructStage(Stage):
    """LightningModule of stage 1.

    Args:
        size: sizes of the network; stage 2 must use the same.
        lr: peak learning rate.
        weight_decay: of matrices.
        decay_vectors: whether biases and normalisations decay as well.
        optimizer: "adamw" or "sgd".
        warmup: share of steps of the warm-up.
        milestones: steps at which the learning rate falls to a tenth; none: it falls as a cosine.
        losses: weights of the 3D losses.
        decoder: how the mesh is read from markers.
        body: SMPL file of the truth; None for the default body (that of the walkers).
        markers: marker file of that body; None for those of the default body.
        checkpointing: compute maps again for the gradient instead of keeping them; less memory, more time.
        augmentation: of training batches.
        seed: of the augmentation.

    Raises:
        ConfigError: a setting is out of range, or all weights of the losses are 0.
    """

    def __init__(
        self,
        size: NetworkSize,
        lr: float = 1e-3,
        weight_decay: float = 1e-2,
        decay_vectors: bool = False,
        optimizer: Literal["adamw", "sgd"] = "adamw",
        warmup: float = 0.05,
        milestones: Sequence[int] = (),
        losses: BodyLossWeights = BodyLossWeights(),  # noqa: B008 - frozen
        decoder: Literal["simplex", "ridge"] = "ridge",
        body: str | None = None,
        markers: str | None = None,
        checkpointing: bool = False,
        augmentation: Augmentation = Augmentation(),  # noqa: B008 - frozen
        seed: int = 0,
    ) -> None:
        super().__init__(lr, weight_decay, decay_vectors, optimizer, warmup, milestones, augmentation, seed)
        if not losses.any():
            raise ConfigError(
                "all weights of losses are 0, so nothing would be trained", "give one of them a weight"
            )
        self.network = Reconstructor(size, Stem(size), Lifter(size), checkpointing)
        self.supervision = BodySupervision(size, losses, decoder, body, markers)
        self.body_metrics = BodyErrors()
        self.settings = {"size": asdict(size), "decoder": decoder, "body": body, "markers": markers}

    @classmethod
    def sketch(cls, size: NetworkSize, settings: dict[str, Any]) -> nn.Module:
        """The network alone."""
        return Reconstructor(size, Stem(size), Lifter(size))

    def forward(self, frames: Tensor) -> BodyEstimate:
        """Volumes and points of silhouettes (N, H, W)."""
        return self.network(frames)

    def training_step(self, batch: GaitBatch, batch_idx: int) -> Tensor:
        """Total 3D loss of one batch."""
        batch = self.augment(batch, self.augmentation, stream=0)
        loss, terms, _ = self._compare(batch)
        self.log_terms("train", {"loss": loss, **terms}, len(batch.labels))
        return loss

    def validation_step(self, batch: GaitBatch, batch_idx: int) -> None:
        """Errors in millimetres on held-out subjects."""
        loss, _, reading = self._compare(batch)
        self.log("val/loss", loss, batch_size=len(reading.joints), sync_dist=True)
        self.body_metrics.update(reading.joints, reading.true_joints, reading.vertices, reading.true_vertices)

    def on_validation_epoch_end(self) -> None:
        """Log MPJPE, PA-MPJPE and MPVPE."""
        figures = {f"val/{name}": value for name, value in self.body_metrics.compute().items()}
        self.log_gathered(figures, prog_bar=True)
        self.body_metrics.reset()

    test_step = validation_step
    on_test_epoch_end = on_validation_epoch_end

    def _compare(self, batch: GaitBatch) -> tuple:
        estimate = self.network(rearrange(batch.silhouettes, "b t h w -> (b t) h w"))
        return self.supervision(estimate, batch.truth, batch.mask, self.generator(stream=2))
