"""The network: silhouettes -> embeddings, by way of volumes of joints and markers (arXiv 2510.10406)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from einops import rearrange
from torch import Tensor, nn

from meshgait.batch import BodyEstimate, GaitOutput, SmplTruth
from meshgait.body.heatmaps import expected_points, read_volumes
from meshgait.errors import ConfigError
from meshgait.models.activation_checkpointing import enable_checkpointing, is_checkpointed, maybe_checkpoint
from meshgait.models.backbone import Stem, Trunk, as_images
from meshgait.models.fusion import FusionKind, make_fusion
from meshgait.models.heads import StripClassifier, StripLinear
from meshgait.models.heatmap_encoder import HeatmapEncoder
from meshgait.models.lifter import Lifter, Reconstructor, read_by_blocks
from meshgait.models.pooling import strips, temporal_max
from meshgait.models.posture import PostureReader
from meshgait.models.size import FEATURE_STRIDE, NetworkSize
from meshgait.models.smplgait import SmplTransform


@dataclass(frozen=True)
class NetworkConfig:
    """Which parts the network has; how large they are, `NetworkSize` says.

    Attributes:
        use_3d: whether there is a 3D branch.
        reads_smpl: in place of a 3D branch, SMPL parameters that are given transform the 2D maps (SMPLGait).
        fusion: how the branches are fused; "3d-only" has no 2D branch.
        detach_heatmaps: stop identity gradients at the volumes, so that only 3D losses shape them.
    """

    use_3d: bool = True
    reads_smpl: bool = False
    fusion: FusionKind = "attention"
    detach_heatmaps: bool = False


class MeshGait(nn.Module):
    """Two branches from one stem, fused; without the 3D branch it is exactly the 2D baseline.

    Args:
        size: sizes of all parts.
        num_subjects: classes of the classifier (training subjects); 0 leaves the classifier out.
        use_3d: `NetworkConfig.use_3d`.
        fusion: `NetworkConfig.fusion`.
        detach_heatmaps: `NetworkConfig.detach_heatmaps`.
        reads_smpl: `NetworkConfig.reads_smpl`.
        checkpointing: compute the maps again for the gradient instead of keeping them: about a third more time for
            a fraction of the memory, the same gradients.

    Raises:
        ConfigError: 3D is both reconstructed and read.
    """

    def __init__(
        self,
        size: NetworkSize,
        num_subjects: int = 0,
        use_3d: bool = True,
        fusion: FusionKind = "attention",
        detach_heatmaps: bool = False,
        reads_smpl: bool = False,
        checkpointing: bool = False,
    ) -> None:
        super().__init__()
        if use_3d and reads_smpl:
            raise ConfigError("reads_smpl reads 3D in place of reconstructing it", "set use_3d to false as well")
        self.size = size
        self.detach_heatmaps = detach_heatmaps
        self.stem = Stem(size)
        self.trunk = Trunk(size) if not use_3d or fusion != "3d-only" else None
        if use_3d:
            self.lifter: Lifter | None = Lifter(size)
            self.reader = HeatmapEncoder(size)
            self.fusion = make_fusion(fusion, size.channels[3], size.reader_channels)
        else:
            self.lifter = None
        self.transform = SmplTransform(size.frame[0] // FEATURE_STRIDE) if reads_smpl else None
        parts = size.posture_parts if use_3d else 0
        self.posture = PostureReader(size.points, size.frame[0], parts, size.channels[3], 256) if parts else None
        vectors = size.strips + parts
        self.embed = StripLinear(vectors, size.channels[3], size.embedding)
        self.classify = StripClassifier(vectors, size.embedding, num_subjects) if num_subjects else None
        if checkpointing:
            enable_checkpointing(self.stem.checkpointed_parts())
            enable_checkpointing([] if self.trunk is None else self.trunk.checkpointed_parts())
            enable_checkpointing([] if self.lifter is None else [self.lifter, self.reader])

    def forward(
        self, silhouettes: Tensor, mask: Tensor, with_body: bool = False, smpl: SmplTruth | None = None
    ) -> GaitOutput:
        """Embed sequences.

        Args:
            silhouettes: (B, T, H, W) float in [0, 1].
            mask: (B, T) bool, True on real frames.
            with_body: also return the 3D branch's estimate of every ``lift_every``-th frame (padding included).
            smpl: parameters (B, T, .) of the frames, for a network that reads them; others do without.

        Returns:
            `GaitOutput`; class logits only in training mode, the body only when asked for and without its volumes
            (`reconstructor` returns these).

        Raises:
            ConfigError: the network reads SMPL parameters and there are none.
        """
        early = self.stem(as_images(rearrange(silhouettes, "b t h w -> (b t) h w")))
        maps = None if self.trunk is None else self._forward_2d(self.trunk, early, mask, smpl)
        extra: list[Tensor] = []
        body = None
        if self.lifter is not None:
            maps, extra, body = self._forward_3d(self.lifter, maps, early, mask, with_body)
        assert maps is not None  # without a 2D branch there is a 3D one
        embeddings = self.embed(torch.cat([strips(maps, self.size.strips), *extra], dim=1))
        logits = self.classify(embeddings) if self.training and self.classify is not None else None
        return GaitOutput(embeddings, logits, body)

    def _forward_2d(self, trunk: Trunk, early: Tensor, mask: Tensor, smpl: SmplTruth | None) -> Tensor:
        """2D branch: maps (B, C, h, w), transformed by SMPL parameters where the network reads them."""
        maps = trunk(early, mask)
        if self.transform is not None:
            if smpl is None:
                raise ConfigError(
                    "this network reads SMPL parameters of each frame, and there are none",
                    "give data with SMPL fits (model.network.use_3d reconstructs 3D from silhouettes instead)",
                )
            rows = torch.cat([smpl.cameras, smpl.poses, smpl.betas], dim=-1)
            rows, valid = rearrange(rows, "b t c -> (b t) c"), rearrange(smpl.valid & mask, "b t -> (b t)")
            maps = self.transform(maps, rows, valid)
        return temporal_max(maps, mask)

    def _forward_3d(
        self, lifter: Lifter, maps_2d: Tensor | None, early: Tensor, mask: Tensor, with_body: bool
    ) -> tuple[Tensor, list[Tensor], BodyEstimate | None]:
        """3D branch: fused maps (B, C, h, w), further parts of the embedding, estimate of the lifted frames."""
        lifted = mask[:, :: self.size.lift_every]
        early = rearrange(early, "(b t) c h w -> b t c h w", b=mask.shape[0])[:, :: self.size.lift_every]
        early = rearrange(early, "b t c h w -> (b t) c h w")
        whole = torch.is_grad_enabled() or torch.compiler.is_exporting()
        if whole and not is_checkpointed(lifter):
            volumes = lifter(early)
            maps_3d = self.reader(volumes.detach() if self.detach_heatmaps else volumes)
            read = self._read(volumes, with_body)
        else:
            folded, *rest = read_by_blocks(lifter, early, lambda x: self._fold_and_read(x, with_body))
            read = tuple(rest)
            maps_3d = maybe_checkpoint(self.reader, folded, step=self.reader.refined)
        extra = [] if self.posture is None else [self.posture(read[0], lifted)]
        fused = self.fusion(maps_2d, temporal_max(maps_3d, lifted))
        return fused, extra, BodyEstimate(*read) if with_body else None

    def _read(self, volumes: Tensor, with_body: bool) -> tuple[Tensor, ...]:
        """Contents of a `BodyEstimate` besides the volumes; the points alone if no body is wanted."""
        if with_body:
            return read_volumes(volumes, self.size.frame)
        return (expected_points(volumes.detach(), self.size.frame),)

    def _fold_and_read(self, volumes: Tensor, with_body: bool) -> tuple[Tensor, ...]:
        """What is kept of volumes: their product with the reader's weights, and what `_read` gives."""
        folded = self.reader.folded(volumes.detach() if self.detach_heatmaps else volumes)
        return folded, *self._read(volumes, with_body)

    def reconstructor(self) -> Reconstructor:
        """Stem and lifter as a network of their own that shares these weights.

        Raises:
            AttributeError: there is no 3D branch.
        """
        if self.lifter is None:
            raise AttributeError("this network has no 3D branch (use_3d is false)")
        return Reconstructor(self.size, self.stem, self.lifter)
