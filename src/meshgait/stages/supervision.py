"""3D supervision: compare what the 3D branch says with SMPL truth; shared by both stages."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

import torch
from einops import rearrange
from torch import Generator, Tensor, nn

from meshgait.batch import BodyEstimate, BodyTargets, SmplTruth
from meshgait.body.heatmaps import axis_cells
from meshgait.body.markers import Markers
from meshgait.body.skeleton import NUM_JOINTS
from meshgait.body.smpl import BodyModel
from meshgait.body.targets import TargetMaker, to_metres
from meshgait.errors import ConfigError
from meshgait.losses import body as losses
from meshgait.losses.total import weighted_sum
from meshgait.models.mesh import MeshDecoder, point_confidence
from meshgait.models.size import NetworkSize
from meshgait.stages.base import require_weights

MESH_TERMS = {"vertices", "edges", "normals"}


@dataclass(frozen=True)
class BodyLossWeights:
    """Weights of the 3D losses; distances are in metres, a weight of 0 leaves the term out.

    Attributes:
        joints: L1 of the joints.
        markers: L1 of the virtual markers.
        vertices: L1 of the mesh.
        confidence: cross-entropy of the volumes' marginals at the true cells, of the joints and, unless their own
            weight is 0, of the markers.
        edges: L1 of the mesh's edge lengths.
        normals: |cos| of predicted edges with true face normals.
    """

    joints: float = 10.0
    markers: float = 10.0
    vertices: float = 5.0
    confidence: float = 0.1
    edges: float = 5.0
    normals: float = 0.05

    def __post_init__(self) -> None:
        require_weights(**{f"losses.{name}": weight for name, weight in asdict(self).items()})

    def any(self) -> bool:
        """Whether there is a term at all."""
        return any(asdict(self).values())


@dataclass
class BodyReading:
    """Estimate and truth of the supervised frames in metres, up to a common origin (for metrics).

    Attributes:
        joints: (N, 24, 3) predicted.
        true_joints: (N, 24, 3).
        vertices: (N, V, 3) predicted.
        true_vertices: (N, V, 3).
    """

    joints: Tensor
    true_joints: Tensor
    vertices: Tensor
    true_vertices: Tensor


class BodySupervision(nn.Module):
    """Targets, mesh decoder and losses of the 3D branch.

    Args:
        size: sizes of the network whose estimates are compared.
        weights: of the loss terms.
        decoder: how the mesh is read from markers.
        body: SMPL file, or None for the default body.
        markers: marker file, or None for those of the default body.
        frames: at most so many frames of a training batch are supervised (0: all); the choice is random.
        mesh_frames: at most so many of these have mesh losses (0: all): they cost most and say least.

    Raises:
        ConfigError: the network's points are not the body's joints and markers.
    """

    def __init__(
        self,
        size: NetworkSize,
        weights: BodyLossWeights,
        decoder: Literal["simplex", "ridge"],
        body: str | None = None,
        markers: str | None = None,
        frames: int = 0,
        mesh_frames: int = 16,
    ) -> None:
        super().__init__()
        model = BodyModel.load(body)
        marker_set = Markers.load(markers) if markers else Markers.default()
        if (size.joints, size.markers) != (NUM_JOINTS, marker_set.k):
            raise ConfigError(
                f"the network has {size.joints} joints and {size.markers} markers, the body {NUM_JOINTS} and "
                f"{marker_set.k}; set joints and markers of model.size to these"
            )
        self.frame, self.frames, self.mesh_frames = size.frame, frames, mesh_frames
        self.weights = {name: weight for name, weight in asdict(weights).items() if weight}
        self.targets = TargetMaker(model, marker_set)
        matrix = torch.as_tensor(getattr(marker_set, decoder)).float()
        self.mesh = MeshDecoder(matrix, adaptive=decoder == "simplex")
        # what no loss reaches must not wait for a gradient, which DDP would miss
        self.mesh.requires_grad_(not MESH_TERMS.isdisjoint(self.weights))
        faces = torch.as_tensor(model.faces)
        self.register_buffer("faces", faces, persistent=False)
        self.register_buffer("edges", losses.mesh_edges(faces), persistent=False)

    def choose(
        self, estimate: BodyEstimate, truth: SmplTruth, mask: Tensor, generator: Generator | None
    ) -> tuple[BodyEstimate, SmplTruth]:
        """The frames to supervise: real and valid ones; while training, at most ``frames`` in random order."""
        usable = rearrange(mask & truth.valid, "b t -> (b t)").nonzero()[:, 0]
        if self.training:
            order = torch.randperm(len(usable), generator=generator)[: self.frames or None]
            usable = usable[order.to(usable.device)]
        chosen = SmplTruth(
            *(rearrange(x, "b t ... -> (b t) ...")[usable] for x in (truth.poses, truth.betas, truth.cameras)),
            valid=torch.ones_like(usable, dtype=torch.bool),
        )
        # losses reach the volumes by points and marginals; the volumes themselves only tell confidence here
        picked = (estimate.volumes.detach()[usable], estimate.points[usable], estimate.marginals[usable])
        return BodyEstimate(*picked), chosen

    def decode_mesh(self, estimate: BodyEstimate) -> Tensor:
        """Mesh (N, V, 3) in crop pixels from the markers of an estimate."""
        joints = self.joints_of(estimate)
        markers = estimate.points[:, joints:]
        sureness = point_confidence(estimate.volumes[:, joints:].detach(), markers.detach(), self.frame)
        return self.mesh(markers, sureness)

    def joints_of(self, estimate: BodyEstimate) -> int:
        """Number of joints among the points of an estimate (the rest are markers)."""
        return estimate.points.shape[1] - len(self.targets.indices)

    def forward(
        self, estimate: BodyEstimate, truth: SmplTruth, mask: Tensor, generator: Generator | None = None
    ) -> tuple[Tensor, dict[str, Tensor], BodyReading]:
        """Losses of an estimate of B T frames against truth (B, T, ...) on real, valid frames.

        Args:
            estimate: of all frames, batch-major.
            truth: of the same frames.
            mask: (B, T) bool, True on real frames.
            generator: of the CPU, for the choice of frames while training.

        Returns:
            (total, terms by name, reading in metres).
        """
        estimate, chosen = self.choose(estimate, truth, mask, generator)
        target = self.targets(chosen.poses, chosen.betas, chosen.cameras)
        terms, reading = self._compare(estimate, target, chosen.valid)
        return weighted_sum(terms, self.weights), terms, reading

    def _compare(
        self, estimate: BodyEstimate, target: BodyTargets, mask: Tensor
    ) -> tuple[dict[str, Tensor], BodyReading]:
        joints = self.joints_of(estimate)
        meshes = slice(self.mesh_frames) if self.training and self.mesh_frames else slice(None)
        part = BodyEstimate(estimate.volumes[meshes], estimate.points[meshes], estimate.marginals[meshes])
        points, true_joints, true_markers = (
            to_metres(x, target.scale) for x in (estimate.points, target.joints, target.markers)
        )
        vertices, true_vertices = (
            to_metres(x, target.scale[meshes]) for x in (self.decode_mesh(part), target.vertices[meshes])
        )
        few = mask[meshes]
        wanted = {
            "joints": lambda: losses.points_l1(points[:, :joints], true_joints, mask),
            "markers": lambda: losses.points_l1(points[:, joints:], true_markers, mask),
            "vertices": lambda: losses.points_l1(vertices, true_vertices, few),
            "confidence": lambda: self._confidence(estimate, target, mask),
            "edges": lambda: losses.edge_length(vertices, true_vertices, self.edges, few),
            "normals": lambda: losses.surface_normals(vertices, true_vertices, self.faces, few),
        }
        reading = BodyReading(points[:, :joints], true_joints, vertices, true_vertices)
        return {name: wanted[name]() for name in self.weights}, reading

    def _confidence(self, estimate: BodyEstimate, target: BodyTargets, mask: Tensor) -> Tensor:
        true = [target.joints] + [target.markers] * ("markers" in self.weights)
        true = torch.cat(true, dim=1)
        volume = estimate.volumes.shape[2:]
        cells, inside = axis_cells(true, volume, self.frame)
        marginals = estimate.marginals[:, : true.shape[1]].split(volume[::-1], dim=-1)
        return losses.confidence(marginals, cells, inside, mask)
