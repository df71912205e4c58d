"""Base of both stages: optimiser and schedule, augmentation of batches, loading of trained weights."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, TypeVar

import numpy as np
import torch
from lightning import LightningModule
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor, nn
from torch.optim import SGD, AdamW, Optimizer

from meshgait import __version__, distributed
from meshgait.batch import GaitBatch
from meshgait.body.targets import follow
from meshgait.data.trainer_data import datamodule_of
from meshgait.data.transforms import Augmentation
from meshgait.errors import ConfigError, DataError
from meshgait.models.size import NetworkSize
from meshgait.renamed_settings import renamed_network
from meshgait.stages.checkpoint import NETWORK, SETTINGS, Checkpoint
from meshgait.stages.config import BodyConfig, OptimizerConfig
from meshgait.stages.optimisation import (
    Schedule,
    WarmupCosine,
    WarmupSteps,
    decay_groups,
)
from meshgait.stages.optimizer_state import OPTIMIZER, adapt_state, keep_own_settings, optimizer_layout
from meshgait.stages.resume_position import (
    EPOCH_STEPS,
    ResumePosition,
    epoch_steps,
    resume_position,
    total_steps,
)

S = TypeVar("S", bound="Stage")


class Stage(LightningModule):
    """Base of the stages; a subclass sets ``network``, the steps, and ``settings`` (what rebuilds the network).

    Args:
        optimizer: how the weights are optimised.
        augmentation: of training batches.
        seed: of the augmentation.

    Raises:
        ConfigError: the seed is negative.
    """

    def __init__(self, optimizer: OptimizerConfig, augmentation: Augmentation, seed: int) -> None:
        super().__init__()
        if seed < 0:
            raise ConfigError(f"seed is {seed}", "it must not be negative")
        self.optimizer, self.augmentation, self.seed = optimizer, augmentation, seed
        self.settings: dict[str, Any] = {}
        self.total_steps = 0  # of the training, once it is known
        self._position: ResumePosition | None = None  # of the checkpoint that the training goes on from
        self.terms: dict[str, Tensor] = {}  # of the last training step, for callbacks that check them

    @classmethod
    def restore(cls: type[S], checkpoint: Checkpoint, **files: str | None) -> S:
        """The stage of a checkpoint, ready for inference.

        Args:
            checkpoint: a checkpoint or an exported model.
            files: ``body`` and ``markers`` instead of those that the stage was trained with.

        Raises:
            DataError: the settings describe no network of this version, or the weights do not fit it.
            ConfigError: a file that the model needs is not given, or is another one.
        """
        given = checkpoint.require_files(files)
        try:
            size = cls._require_shapes(checkpoint)
            stage = cls.rebuild(size, {**checkpoint.settings, **given})
        except (TypeError, ValueError, KeyError, AttributeError, RuntimeError, OverflowError) as error:
            reason = " ".join(str(error).split())[:120]
            raise DataError(
                f"{checkpoint.source} has settings that describe no network ({reason}); it was made by meshgait "
                f"{checkpoint.version[:20]}, this is {__version__}",
                "use that version",
            ) from error
        checkpoint.require_fit(stage.state_dict())
        stage.load_state_dict(checkpoint.weights)
        return stage.eval()

    @classmethod
    def _require_shapes(cls, checkpoint: Checkpoint) -> NetworkSize:
        """The network size in the settings, after comparing the shapes of the weights (which needs no memory).

        Raises:
            ValueError, TypeError: a setting is unknown, or of a wrong type.
            ConfigError: a setting is out of range.
            DataError: the weights are of another network.
        """
        if unknown := sorted(checkpoint.settings.keys() - cls.REBUILT_FROM):
            raise ValueError(f"unknown: {', '.join(unknown)}")
        size = NetworkSize(**checkpoint.settings["size"])
        with torch.device("meta"):
            own = cls.sketch(size, checkpoint.settings).state_dict(prefix=NETWORK)
        checkpoint.require_fit(own, NETWORK)
        return size

    REBUILT_FROM: frozenset[str] = frozenset({"size", "decoder", "body", "markers"})
    """Settings that a checkpoint or an exported model may hold."""

    @classmethod
    def sketch(cls, size: NetworkSize, settings: Mapping[str, Any]) -> nn.Module:
        """The network alone, from the settings of a checkpoint; their ranges are not checked."""
        raise NotImplementedError

    @classmethod
    def rebuild(cls: type[S], size: NetworkSize, settings: dict[str, Any]) -> S:
        """The stage, untrained, from the settings of a checkpoint."""
        raise NotImplementedError

    def setup(self, stage: str) -> None:
        """Refuse silhouettes of another size than the network's before anything is computed."""
        store, frame = getattr(datamodule_of(self.trainer), "store", None), tuple(self.settings["size"]["frame"])
        if store is not None and store.size != frame:
            raise ConfigError(
                f"{store.path} holds silhouettes of {store.size} pixels, the network takes {frame}",
                "set model.size.frame to the data's, or pack the data again",
            )

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Groups of trainable parameters for the optimiser: with and without weight decay."""
        return self.groups(self)

    def groups(self, module: nn.Module, **extra: float) -> list[dict[str, Any]]:
        """`decay_groups` of a module, with the weight decay of this stage."""
        return decay_groups(module, self.optimizer.weight_decay, self.optimizer.decay_vectors, **extra)

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """AdamW or SGD with a linear warm-up, then a cosine over all steps of the fit, or milestones."""
        groups, total = self.parameter_groups(), total_steps(self.trainer, self._position)
        if not math.isfinite(total):
            raise ConfigError(
                "the learning rate falls over all steps of a training, and this one has no end",
                "give trainer.max_epochs or trainer.max_steps",
            )
        own = self.optimizer
        if own.name == "sgd":
            optimizer: Optimizer = SGD(groups, lr=own.lr, momentum=0.9)
        else:
            optimizer = AdamW(groups, lr=own.lr)
        factor = WarmupSteps if own.milestones else WarmupCosine
        self.total_steps = max(1, int(total))
        schedule = Schedule(optimizer, factor(self.total_steps, own.warmup, own.milestones))
        keep_own_settings(optimizer)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def augment(self, batch: GaitBatch, augmentation: Augmentation, stream: int) -> GaitBatch:
        """Augmented batch, truth included, with random numbers of `generator`."""
        place = distributed.rank(), distributed.world_size()
        silhouettes, moved = augmentation(batch.silhouettes, self.generator(stream), *place)
        truth = batch.truth
        if truth is not None:
            device = truth.poses.device
            geometry = [x.to(device) for x in (moved.flip, moved.angle, moved.scale, moved.shift)]
            height, width = silhouettes.shape[-2:]
            truth = follow(truth, (height, width), *geometry)
            # a weak-perspective camera cannot express a perspective, so these frames have no valid truth
            truth.valid = truth.valid & ~moved.has_perspective.to(device)[:, None]
        return GaitBatch(silhouettes, batch.mask, batch.labels, batch.indices, truth)

    def generator(self, stream: int) -> torch.Generator:
        """Random generator (on the CPU) of this step; it depends on (seed, step, stream) only.

        So a resumed fit draws the same numbers as one without a break. With several devices, each draws for the
        whole batch and uses its part: the augmentation of a sequence does not depend on the number of devices.
        Streams 0 and 1 are for augmentation (identity, 3D), 2 and 3 choose the frames of the 3D losses, 4
        draws the vectors of new classes.
        """
        key = np.random.SeedSequence((self.seed, self.global_step, stream))
        return torch.Generator().manual_seed(int(key.generate_state(1)[0]))

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add what rebuilds the network; plain values only, so that loading runs no code."""
        checkpoint[SETTINGS] = {"stage": type(self).__name__, "version": __version__, **self.settings}
        if self._trainer is not None and len(self.trainer.optimizers) == 1:
            optimizer = self.trainer.optimizers[0]
            checkpoint[OPTIMIZER] = optimizer_layout(self, type(optimizer).__name__, optimizer.param_groups)
            checkpoint[EPOCH_STEPS] = epoch_steps(self.trainer)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Refuse the checkpoint of another network, naming what differs; adapt the state of the optimiser."""
        own, saved = {"stage": type(self).__name__, **self.settings}, renamed_network(checkpoint.get(SETTINGS, {}))
        own["size"] = {name: own["size"].get(name) for name in saved.get("size", {})}  # older ones have fewer
        shapes = ["stage", "size", "use_3d", "fusion", "decoder"]
        if self._trainer is not None and self.trainer.training:
            shapes.append("num_subjects")  # the classifier is used in training only
        other = [name for name in shapes if saved.get(name) != own.get(name)]
        if other:
            raise ConfigError(
                f"the checkpoint was trained with another {', '.join(other)} of the model",
                "give the same settings, or train in another trainer.default_root_dir",
            )
        if self._trainer is not None and self.trainer.training and "configure_optimizers" not in vars(self):
            kind = SGD if self.optimizer.name == "sgd" else AdamW
            layout = optimizer_layout(self, kind.__name__, self.parameter_groups())
            states, self._position = checkpoint.get("optimizer_states", []), resume_position(checkpoint)
            checkpoint["optimizer_states"] = [
                adapt_state(state, checkpoint.get(OPTIMIZER), layout) for state in states
            ]

    def log_gathered(self, figures: dict[str, Any], prog_bar: bool = False) -> None:
        """Log metrics that were computed over all processes, so that they are equal in each."""
        # a mean of equal numbers may be rounded, their maximum is not
        self.log_dict(figures, prog_bar=prog_bar, sync_dist=True, reduce_fx="max")

    def log_terms(self, prefix: str, terms: dict[str, Tensor], batch_size: int) -> None:
        """Log each loss term by name, averaged over the ranks; keep the terms of this rank."""
        self.terms = {name: term.detach() for name, term in terms.items()}
        means = distributed.all_reduce_mean(torch.stack([term.float() for term in self.terms.values()]))
        figures = {f"{prefix}/{name}": value for name, value in zip(terms, means.unbind(), strict=True)}
        self.log_dict(figures, batch_size=batch_size)


BODY_SETTINGS = {"decoder": "decoder", "body": "file", "markers": "markers"}
"""Keys of a checkpoint's or an exported model's settings, and what they are called in a `BodyConfig`."""


def body_settings(body: BodyConfig) -> dict[str, Any]:
    """The settings of a body that a checkpoint keeps."""
    return {key: getattr(body, name) for key, name in BODY_SETTINGS.items()}


def body_config(settings: Mapping[str, Any]) -> BodyConfig:
    """The body in the settings of a checkpoint or an exported model."""
    return BodyConfig(**{name: settings[key] for key, name in BODY_SETTINGS.items() if key in settings})
