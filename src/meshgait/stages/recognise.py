"""Stage 2: learn who is walking, and keep learning 3D wherever truth exists."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from einops import rearrange
from torch import Tensor, nn

from meshgait.batch import GaitBatch, GaitOutput, SmplTruth
from meshgait.data.datamodule import SilhouetteDataModule
from meshgait.data.trainer_data import datamodule_of
from meshgait.data.transforms import Augmentation
from meshgait.errors import ConfigError, DataError
from meshgait.evaluation.body import BodyErrors
from meshgait.losses.classification import accuracy, classification_loss
from meshgait.losses.triplet import between_subject_distance, triplet_loss
from meshgait.models.meshgait import MeshGait, NetworkConfig
from meshgait.models.size import NetworkSize
from meshgait.stages.base import Stage, body_config, body_settings
from meshgait.stages.checkpoint import read_checkpoint
from meshgait.stages.config import BodyConfig, Branch3DConfig, IdentityLossConfig, OptimizerConfig
from meshgait.stages.supervision import BodyReading, BodySupervision
from meshgait.stages.weights import CLASSIFIER

MOST_SUBJECTS = 10_000_000
"""More than any data set has."""


class RecogniseStage(Stage):
    """LightningModule of stage 2; with ``network.use_3d`` false it trains the plain 2D baseline.

    Args:
        size: sizes of the network; those of stage 1 where its weights are loaded.
        num_subjects: training subjects; linked to the data on the command line.
        pretrained: checkpoint or exported model whose weights are the start: of stage 1 its stem and 3D branch,
            of stage 2 all but the classifier; None starts from random weights. Without 3D it is not read.
        network: which parts the network has.
        body: the body of the truth, and the 3D losses.
        branch_3d: how the stem and the 3D branch are trained.
        identity: losses of identity.
        optimizer: how the weights are optimised.
        augmentation: of identity batches.
        checkpointing: compute maps again for the gradient instead of keeping them; less memory, more time.
        seed: of the augmentation.

    Raises:
        ConfigError: a setting is out of range, contradicts another, or nothing would be trained.
    """

    REBUILT_FROM = Stage.REBUILT_FROM | {"num_subjects", *(field.name for field in fields(NetworkConfig))}

    def __init__(
        self,
        size: NetworkSize,
        num_subjects: int,
        pretrained: str | None = None,
        network: NetworkConfig = NetworkConfig(),  # noqa: B008 - frozen, as the others
        body: BodyConfig = BodyConfig(),  # noqa: B008
        branch_3d: Branch3DConfig = Branch3DConfig(),  # noqa: B008
        identity: IdentityLossConfig = IdentityLossConfig(),  # noqa: B008
        optimizer: OptimizerConfig = OptimizerConfig(),  # noqa: B008
        augmentation: Augmentation = Augmentation(),  # noqa: B008
        checkpointing: bool = False,
        seed: int = 0,
    ) -> None:
        super().__init__(optimizer, augmentation, seed)
        if branch_3d.freeze and not pretrained:
            raise ConfigError(
                "branch_3d.freeze keeps the 3D branch as it starts, which is noise", "give `pretrained` too"
            )
        self.learns_3d = network.use_3d and branch_3d.loss_weight > 0 and body.losses.any()
        if not identity.any() and (branch_3d.freeze or not self.learns_3d):
            raise ConfigError(
                "identity.triplet_weight and identity.class_weight are 0 and no 3D is learnt either, so there is "
                "nothing to train",
                "give one of them a weight",
            )
        self.network = MeshGait(size, num_subjects, **asdict(network), checkpointing=checkpointing)
        self.supervision: BodySupervision | None = None
        if network.use_3d:
            self.supervision = BodySupervision(size, body, branch_3d.frames)
            self.body_metrics = BodyErrors()
            if pretrained:
                self._start_from(pretrained)
        self.frozen = self._shared() if branch_3d.freeze and network.use_3d else []
        for part in self.frozen:
            part.requires_grad_(False).eval()  # Lightning keeps the mode that a module starts with
        self.settings = {
            "size": asdict(size), "num_subjects": num_subjects, **asdict(network), **body_settings(body),
        }  # fmt: skip
        self.branch_3d, self.identity = branch_3d, identity

    @classmethod
    def sketch(cls, size: NetworkSize, settings: Mapping[str, Any]) -> nn.Module:
        """The network alone."""
        subjects = settings["num_subjects"]
        if type(subjects) is not int or not 0 <= subjects <= MOST_SUBJECTS:
            raise ConfigError(f"num_subjects is {str(subjects)[:40]}", f"it must be 0 to {MOST_SUBJECTS}")
        return MeshGait(size, subjects, settings["use_3d"], settings["fusion"], reads_smpl=settings["reads_smpl"])

    @classmethod
    def rebuild(cls, size: NetworkSize, settings: dict[str, Any]) -> RecogniseStage:
        """The stage, untrained."""
        network = {field.name: settings[field.name] for field in fields(NetworkConfig)}
        return cls(size, settings["num_subjects"], network=NetworkConfig(**network), body=body_config(settings))

    def setup(self, stage: str) -> None:
        """Before a fit, freeze what these data cannot train: DDP would wait for its gradients for ever."""
        super().setup(stage)
        data = datamodule_of(self.trainer)
        if stage != "fit" or not isinstance(data, SilhouetteDataModule):
            return
        self.learns_3d &= data.body_path is not None or (data.truth and data.store.has_smpl)
        if not self.learns_3d and not self.identity.any():
            raise ConfigError(
                f"{data.path} has no 3D truth, while identity.triplet_weight and identity.class_weight are 0: "
                "there is nothing to train",
                "give one of them a weight, or data.body_store",
            )
        if not self.learns_3d and self.supervision is not None:
            self.supervision.requires_grad_(False)
            if self.network.detach_heatmaps and self.network.lifter is not None:
                self.network.lifter.requires_grad_(False)

    @classmethod
    def load(cls, path: str | Path, body: str | None = None, markers: str | None = None) -> RecogniseStage:
        """The recogniser of a checkpoint, an exported model's folder or a Hugging Face repository.

        Args:
            path: of a checkpoint or a folder, or ``owner/name`` or ``owner/name@revision``.
            body: SMPL file, if its path is no longer the recorded one.
            markers: marker file, likewise.

        Returns:
            The stage in evaluation mode.

        Raises:
            DataError: it cannot be read, is of another stage, or its weights and settings disagree.
            ConfigError: a file that the model needs is not given, or is another one.
        """
        checkpoint = read_checkpoint(path)
        if checkpoint.stage != cls.__name__:
            raise DataError(f"{path} is of stage 1", "embeddings need one of stage 2 (`make finetune`)")
        return cls.restore(checkpoint, body=body, markers=markers)

    def _shared(self) -> list[nn.Module]:
        """What stage 1 trains: stem and lifter."""
        return [part for part in (self.network.stem, self.network.lifter) if part is not None]

    def _start_from(self, path: str) -> None:
        weights = read_checkpoint(path).network()
        start: nn.Module = self.network.reconstructor()
        if any(name.startswith("embed.") for name in weights):
            start, own = self.network, CLASSIFIER.removeprefix("network.")
            weights = {name: value for name, value in weights.items() if not name.startswith(own)}
            weights |= {name: value for name, value in start.state_dict().items() if name.startswith(own)}
        try:
            start.load_state_dict(weights)
        except RuntimeError as error:
            reason = " ".join(str(error).split())[:200]
            raise ConfigError(
                f"{path} does not fit this network ({reason})", "use the `size` (and `fusion`) it was trained with"
            ) from error

    def train(self, mode: bool = True) -> RecogniseStage:
        """Training mode, in which frozen parts keep their running statistics."""
        super().train(mode)
        for part in self.frozen:
            part.eval()
        return self

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Parameter groups; the pretrained parts have their own learning rate."""
        if self.supervision is None or self.branch_3d.lr_factor == 1:
            return super().parameter_groups()
        shared = nn.ModuleList(self._shared())
        early = {id(p) for p in shared.parameters()}
        rest = nn.ParameterList([p for p in self.parameters() if id(p) not in early])
        return self.groups(rest) + self.groups(shared, lr=self.optimizer.lr * self.branch_3d.lr_factor)

    def forward(self, silhouettes: Tensor, mask: Tensor, smpl: SmplTruth | None = None) -> GaitOutput:
        """Embeddings of sequences (B, T, H, W) with mask (B, T); no mesh is built."""
        return self.network(silhouettes, mask, smpl=smpl)

    def on_train_epoch_start(self) -> None:
        """Let classes start again that other people have from this epoch on, and log how many were seen."""
        data, classifier = datamodule_of(self.trainer), self.network.classify
        if not isinstance(data, SilhouetteDataModule) or classifier is None:
            return
        if replaced := data.replaced_labels(self.current_epoch):
            classifier.reset_classes(replaced, self.generator(stream=4))
            self.log("train/people", float(data.num_subjects + self.current_epoch * len(replaced)))

    def training_step(self, batch: GaitBatch | dict[str, GaitBatch], batch_idx: int) -> Tensor:
        """Identity losses, and 3D losses where truth exists (in the same batch or in one of its own)."""
        parts = batch if isinstance(batch, dict) else {"identity": batch}
        identity = self.augment(parts["identity"], self.augmentation, stream=0)
        with_body = self.learns_3d and identity.truth is not None
        output = self.network(identity.silhouettes, identity.mask, with_body, identity.truth)
        terms = {
            "triplet": triplet_loss(output.embeddings, identity.labels, self.identity.margin),
            "classification": classification_loss(output.logits, identity.labels),
        }
        weights = self.identity
        loss = weights.triplet_weight * terms["triplet"] + weights.class_weight * terms["classification"]
        terms["accuracy"] = accuracy(output.logits, identity.labels)
        terms["distance"] = between_subject_distance(output.embeddings, identity.labels)
        if with_body:
            body_loss, body_terms, _ = self._supervise(output, identity)
            loss, terms = loss + self.branch_3d.loss_weight * body_loss, terms | body_terms
        elif self.learns_3d and "body" in parts:
            body_loss, body_terms = self._supervise_apart(parts["body"])
            loss, terms = loss + self.branch_3d.loss_weight * body_loss, terms | body_terms
        self.log_terms("train", {"loss": loss, **terms}, len(identity.labels))
        return loss

    def _supervise(self, output: GaitOutput, batch: GaitBatch) -> tuple[Tensor, dict[str, Tensor], BodyReading]:
        """3D losses on the frames that the 3D branch looked at."""
        assert self.supervision is not None and batch.truth is not None  # the caller has checked it
        step = self.network.size.lift_every
        return self.supervision(
            output.body, batch.truth.every(step), batch.mask[:, ::step], self.generator(stream=2)
        )

    def _supervise_apart(self, batch: GaitBatch) -> tuple[Tensor, dict[str, Tensor]]:
        """3D losses of a batch that has truth but no identity, through stem and lifter alone."""
        batch = self.augment(batch, self.branch_3d.augmentation, stream=1)
        assert self.supervision is not None  # the caller has checked it
        estimate = self.network.reconstructor()(rearrange(batch.silhouettes, "b t h w -> (b t) h w"))
        loss, terms, _ = self.supervision(estimate, batch.truth, batch.mask, self.generator(stream=3))
        return loss, terms

    # Lightning passes any output to the callbacks, though its type admits tensors and mappings only
    def validation_step(self, batch: GaitBatch, batch_idx: int) -> GaitOutput:  # type: ignore[override]
        """Embeddings for the callbacks; errors in millimetres where truth exists."""
        with_body = self.supervision is not None and batch.truth is not None
        output = self.network(batch.silhouettes, batch.mask, with_body, batch.truth)
        if with_body:
            _, _, reading = self._supervise(output, batch)
            self.body_metrics.update(reading.joints, reading.true_joints, reading.vertices, reading.true_vertices)
        return output

    def on_validation_epoch_end(self) -> None:
        """Log MPJPE, PA-MPJPE and MPVPE where there was truth."""
        if self.supervision is not None and self.body_metrics.update_called:
            self.log_gathered({f"val/{name}": value for name, value in self.body_metrics.compute().items()})
            self.body_metrics.reset()

    test_step = validation_step  # type: ignore[assignment]  # as above
    on_test_epoch_end = on_validation_epoch_end

    def predict_step(self, batch: GaitBatch, batch_idx: int) -> dict[str, Tensor]:
        """Embeddings and the sequences they belong to."""
        return {
            "embeddings": self(batch.silhouettes, batch.mask, batch.truth).embeddings,
            "indices": batch.indices,
        }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Skip the classifier if it was trained on other subjects: embeddings do not need it."""
        super().on_load_checkpoint(checkpoint)
        own, saved = (
            {n: v for n, v in state.items() if n.startswith(CLASSIFIER)}
            for state in (self.state_dict(), checkpoint["state_dict"])
        )
        training = self._trainer is not None and self.trainer.training
        if not training and {n: v.shape for n, v in own.items()} != {n: v.shape for n, v in saved.items()}:
            rest = {n: v for n, v in checkpoint["state_dict"].items() if n not in saved}
            checkpoint["state_dict"] = rest | own
