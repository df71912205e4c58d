"""Stage 1: learn 3D heatmaps of joints and markers from single silhouettes with SMPL truth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from einops import rearrange
from torch import Tensor, nn

from meshgait.batch import BodyEstimate, GaitBatch
from meshgait.data.transforms import Augmentation
from meshgait.errors import ConfigError
from meshgait.evaluation.body import BodyErrors
from meshgait.models.backbone import Stem
from meshgait.models.lifter import Lifter, Reconstructor
from meshgait.models.size import NetworkSize
from meshgait.stages.base import Stage, body_config, body_settings
from meshgait.stages.config import BodyConfig, OptimizerConfig
from meshgait.stages.supervision import BodyReading, BodySupervision


class ReconstructStage(Stage):
    """LightningModule of stage 1.

    Args:
        size: sizes of the network; stage 2 must use the same.
        body: the body of the truth, and the losses.
        optimizer: how the weights are optimised.
        augmentation: of training batches.
        checkpointing: compute maps again for the gradient instead of keeping them; less memory, more time.
        seed: of the augmentation.

    Raises:
        ConfigError: a setting is out of range, or all weights of the losses are 0.
    """

    def __init__(
        self,
        size: NetworkSize,
        body: BodyConfig = BodyConfig(),  # noqa: B008 - frozen, as the others
        optimizer: OptimizerConfig = OptimizerConfig(),  # noqa: B008
        augmentation: Augmentation = Augmentation(),  # noqa: B008
        checkpointing: bool = False,
        seed: int = 0,
    ) -> None:
        super().__init__(optimizer, augmentation, seed)
        if not body.losses.any():
            raise ConfigError(
                "all weights of body.losses are 0, so nothing would be trained", "give one of them a weight"
            )
        self.network = Reconstructor(size, Stem(size), Lifter(size), checkpointing)
        self.supervision = BodySupervision(size, body)
        self.body_metrics = BodyErrors()
        self.settings = {"size": asdict(size), **body_settings(body)}

    @classmethod
    def sketch(cls, size: NetworkSize, settings: Mapping[str, Any]) -> nn.Module:
        """The network alone."""
        return Reconstructor(size, Stem(size), Lifter(size))

    @classmethod
    def rebuild(cls, size: NetworkSize, settings: dict[str, Any]) -> ReconstructStage:
        """The stage, untrained."""
        return cls(size, body_config(settings))

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

    def _compare(self, batch: GaitBatch) -> tuple[Tensor, dict[str, Tensor], BodyReading]:
        estimate = self.network(rearrange(batch.silhouettes, "b t h w -> (b t) h w"))
        return self.supervision(estimate, batch.truth, batch.mask, self.generator(stream=2))
