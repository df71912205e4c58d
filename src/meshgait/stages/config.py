"""Settings of the stages in groups; each group checks its values when it is made."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Literal

from meshgait.data.transforms import Augmentation
from meshgait.errors import ConfigError


def require_weights(**weights: float) -> None:
    """Refuse weights that are negative, infinite or NaN.

    Raises:
        ConfigError: one is; the message names it.
    """
    for name, weight in weights.items():
        if not 0 <= weight < math.inf:
            raise ConfigError(f"{name} is {weight}", "a weight is a number, 0 (left out) or more")


@dataclass(frozen=True)
class OptimizerConfig:
    """How the weights are optimised.

    Attributes:
        name: "adamw", or "sgd" with momentum 0.9.
        lr: peak learning rate.
        weight_decay: of weight matrices; decoupled for AdamW.
        decay_vectors: whether biases and parameters of normalisations decay as well, as in the published recipes.
        warmup: share of all steps over which the learning rate rises; then it falls as a cosine to zero.
        milestones: steps from which on the learning rate is a tenth of what it was, instead of the cosine.
    """

    name: Literal["adamw", "sgd"] = "adamw"
    lr: float = 1e-3
    weight_decay: float = 1e-2
    decay_vectors: bool = False
    warmup: float = 0.05
    milestones: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.name not in ("adamw", "sgd"):
            raise ConfigError(f"optimizer.name is {self.name!r}", "use adamw or sgd")
        if self.lr <= 0:
            raise ConfigError(f"optimizer.lr is {self.lr}", "it must be positive")
        if self.weight_decay < 0:
            raise ConfigError(f"optimizer.weight_decay is {self.weight_decay}", "it must not be negative")
        if not 0 <= self.warmup < 1:
            raise ConfigError(
                f"optimizer.warmup is {self.warmup}", "give the share of steps, 0 <= optimizer.warmup < 1"
            )
        if any(late <= early for early, late in pairwise((0, *self.milestones))):
            raise ConfigError(
                f"optimizer.milestones are {list(self.milestones)}", "give growing numbers of steps, all above 0"
            )


@dataclass(frozen=True)
class BodyLossWeights:
    """Weights of the 3D losses; distances are in metres, a weight of 0 leaves the term out.

    Attributes:
        joints: L1 of the joints.
        markers: L1 of the virtual markers.
        vertices: L1 of the mesh.
        marginal_cross_entropy: cross-entropy of the volumes' marginals at the true cells, of the joints and,
            unless their own weight is 0, of the markers.
        edges: L1 of the mesh's edge lengths.
        normals: |cos| of predicted edges with true face normals.
    """

    joints: float = 10.0
    markers: float = 10.0
    vertices: float = 5.0
    marginal_cross_entropy: float = 0.1
    edges: float = 5.0
    normals: float = 0.05

    def __post_init__(self) -> None:
        require_weights(**{f"body.losses.{name}": weight for name, weight in asdict(self).items()})

    def any(self) -> bool:
        """Whether any term has a weight."""
        return any(asdict(self).values())


@dataclass(frozen=True)
class BodyConfig:
    """The body that the 3D branch is trained against, and the losses.

    Attributes:
        file: SMPL file of the truth; None for the default body (that of the walkers).
        markers: marker file of that body; None for those of the default body.
        decoder: how the mesh is read from markers.
        losses: weights of the 3D losses.
    """

    file: str | None = None
    markers: str | None = None
    decoder: Literal["simplex", "ridge"] = "ridge"
    losses: BodyLossWeights = BodyLossWeights()


@dataclass(frozen=True)
class Branch3DConfig:
    """How stage 2 trains the stem and the 3D branch.

    Attributes:
        freeze: do not train them; they stay as pretrained.
        lr_factor: factor on the learning rate of their parameters.
        loss_weight: factor on all 3D losses; 0 trains identity alone.
        frames: frames of a batch that 3D losses are computed on (0: all).
        augmentation: of 3D batches from a store of their own.
    """

    freeze: bool = False
    lr_factor: float = 1.0
    loss_weight: float = 1.0
    frames: int = 64
    augmentation: Augmentation = Augmentation()  # noqa: RUF009 - frozen

    def __post_init__(self) -> None:
        require_weights(**{"branch_3d.lr_factor": self.lr_factor, "branch_3d.loss_weight": self.loss_weight})


@dataclass(frozen=True)
class IdentityLossConfig:
    """Losses of identity: triplet and classification.

    Attributes:
        triplet_weight: factor on the triplet loss.
        class_weight: factor on the classification loss.
        margin: of the triplet loss.
    """

    triplet_weight: float = 1.0
    class_weight: float = 1.0
    margin: float = 0.2

    def __post_init__(self) -> None:
        require_weights(**{f"identity.{name}": value for name, value in asdict(self).items()})

    def any(self) -> bool:
        """Whether any identity loss has a weight."""
        return self.triplet_weight > 0 or self.class_weight > 0
