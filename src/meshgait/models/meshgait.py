"""The network: silhouettes -> embeddings, by way of volumes of joints and markers (arXiv 2510.10406)."""

from __future__ import annotations

import torch
from einops import rearrange
from torch import Tensor, nn

from meshgait.batch import BodyEstimate, GaitOutput
from meshgait.body.heatmaps import read_volumes
from meshgait.models.backbone import Stem, Trunk, as_images
from meshgait.models.fusion import FusionKind, make_fusion
from meshgait.models.heads import StripClassifier, StripLinear
from meshgait.models.lifter import Lifter, Reconstructor, VolumeReader
from meshgait.models.pooling import strips, temporal_max
from meshgait.models.posture import PostureReader
from meshgait.models.size import NetworkSize


class MeshGait(nn.Module):
    """Two branches from one stem, fused; without the 3D branch it is exactly the 2D baseline.

    Args:
        size: sizes of all parts.
        num_subjects: classes of the classifier (training subjects); 0 leaves the classifier out.
        use_3d: whether there is a 3D branch.
        fusion: how the branches are fused.
        detach_heatmaps: stop identity gradients at the volumes, so that only 3D losses shape them.
    """

    def __init__(
        self,
        size: NetworkSize,
        num_subjects: int = 0,
        use_3d: bool = True,
        fusion: FusionKind = "attention",
        detach_heatmaps: bool = False,
    ) -> None:
        super().__init__()
        self.size = size
        self.detach_heatmaps = detach_heatmaps
        self.stem = Stem(size)
        self.trunk = Trunk(size)
        if use_3d:
            self.lifter: Lifter | None = Lifter(size)
            self.reader = VolumeReader(size)
            self.fusion = make_fusion(fusion, size.channels[3], size.reader_channels)
        else:
            self.lifter = None
        parts = size.posture_parts if use_3d else 0
        self.posture = PostureReader(size.points, size.frame[0], parts, size.channels[3], 256) if parts else None
        vectors = size.strips + parts
        self.embed = StripLinear(vectors, size.channels[3], size.embedding)
        self.classify = StripClassifier(vectors, size.embedding, num_subjects) if num_subjects else None

    def forward(self, silhouettes: Tensor, mask: Tensor, with_body: bool = False) -> GaitOutput:
        """Embed sequences.

        Args:
            silhouettes: (B, T, H, W) float in [0, 1].
            mask: (B, T) bool, True on real frames.
            with_body: also return what the 3D branch says of every ``lift_every``-th frame (padding included).

        Returns:
            `GaitOutput`; class logits only in training mode, the body only when asked for.
        """
        early = self.stem(as_images(rearrange(silhouettes, "b t h w -> (b t) h w")))
        flat, body = temporal_max(self.trunk(early), mask), None
        extra: list[Tensor] = []
        if self.lifter is not None:
            flat, extra, body = self._deepen(flat, early, mask, with_body)
        parts = torch.cat([strips(flat, self.size.strips), *extra], dim=1)
        embeddings = self.embed(parts)
        classify = self.training and self.classify is not None
        return GaitOutput(embeddings, self.classify(embeddings) if classify else None, body)

    def _deepen(
        self, flat: Tensor, early: Tensor, mask: Tensor, with_body: bool
    ) -> tuple[Tensor, list[Tensor], BodyEstimate | None]:
        """3D branch: fused maps (B, C, h, w), further parts of the embedding, estimate of the lifted frames."""
        lifted = mask[:, :: self.size.lift_every]
        early = rearrange(early, "(b t) c h w -> b t c h w", b=len(mask))[:, :: self.size.lift_every]
        volumes = self.lifter(rearrange(early, "b t c h w -> (b t) c h w"))
        body = None
        if with_body or self.posture is not None:
            body = BodyEstimate(volumes, *read_volumes(volumes, self.size.frame))
        deep = self.reader(volumes.detach() if self.detach_heatmaps else volumes)
        extra = []
        if self.posture is not None:
            extra.append(self.posture(body.points, lifted))
        return self.fusion(flat, temporal_max(deep, lifted)), extra, body if with_body else None

    def reconstructor(self) -> Reconstructor:
        """Stem and lifter as a network of their own that shares these weights.

        Raises:
            AttributeError: there is no 3D branch.
        """
        if self.lifter is None:
            raise AttributeError("this network has no 3D branch (use_3d is false)")
        return Reconstructor(self.size, self.stem, self.lifter)
