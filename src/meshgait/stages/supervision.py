"""3D supervision: compare the estimate of the 3D branch with SMPL truth; shared by both stages."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch
from einops import rearrange
from torch import Generator, Tensor, nn
from torch.nn.functional import pad

from meshgait import distributed
from meshgait.batch import BodyEstimate, BodyTargets, SmplTruth
from meshgait.body.heatmaps import axis_cells
from meshgait.body.markers import Markers
from meshgait.body.skeleton import NUM_JOINTS
from meshgait.body.smpl import BodyModel
from meshgait.body.targets import TargetMaker, to_metres
from meshgait.errors import ConfigError
from meshgait.losses import body as losses
from meshgait.losses.total import weighted_sum
from meshgait.models.mesh import MeshDecoder
from meshgait.models.size import NetworkSize
from meshgait.stages.config import BodyConfig

MESH_TERMS = {"vertices", "edges", "normals"}


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
        body: the body of the truth, and the weights of the loss terms.
        frames: how many frames of a training batch are supervised at most (0: all); the choice is random.
        mesh_frames: how many of these have mesh losses at most (0: all); mesh losses are slow and add little.

    With several devices, the frames are chosen from the batch of all devices, so the choice does not depend on the
    number of devices. The mean of the losses over ranks is the mean over all chosen frames.

    Raises:
        ConfigError: the network's points are not the body's joints and markers.
    """

    faces: Tensor
    edges: Tensor

    def __init__(self, size: NetworkSize, body: BodyConfig, frames: int = 0, mesh_frames: int = 16) -> None:
        super().__init__()
        model = BodyModel.load(body.file)
        marker_set = Markers.load(body.markers) if body.markers else Markers.default()
        if (size.joints, size.markers) != (NUM_JOINTS, marker_set.k):
            raise ConfigError(
                f"the network has {size.joints} joints and {size.markers} markers, the body {NUM_JOINTS} and "
                f"{marker_set.k}",
                "set joints and markers of model.size to these",
            )
        self.frame, self.volume, self.most = size.frame, size.volume, (frames, mesh_frames)
        self.weights = {name: weight for name, weight in asdict(body.losses).items() if weight}
        self.targets = TargetMaker(model, marker_set)
        matrix = torch.as_tensor(getattr(marker_set, body.decoder)).float()
        self.mesh = MeshDecoder(matrix, adaptive=body.decoder == "simplex")
        # DDP would wait for the gradients of parameters that no loss uses
        self.mesh.requires_grad_(not MESH_TERMS.isdisjoint(self.weights))
        faces = torch.as_tensor(model.faces)
        self.register_buffer("faces", faces, persistent=False)
        self.register_buffer("edges", losses.mesh_edges(faces), persistent=False)

    def choose(
        self, estimate: BodyEstimate, truth: SmplTruth, mask: Tensor, generator: Generator | None
    ) -> tuple[BodyEstimate, SmplTruth, int]:
        """The frames to supervise: real and valid ones; while training, at most ``frames`` in random order.

        Returns:
            (estimate, truth) of these, and the number of frames, from the first, that have mesh losses.
        """
        usable = mask & truth.valid
        if self.training:
            usable, meshes = self._draw(usable, generator)
        else:
            usable = rearrange(usable, "b t -> (b t)").nonzero()[:, 0]
            meshes = len(usable)
        poses, betas, cameras = (
            rearrange(x, "b t ... -> (b t) ...")[usable] for x in (truth.poses, truth.betas, truth.cameras)
        )
        chosen = SmplTruth(poses, betas, cameras, torch.ones_like(usable, dtype=torch.bool))
        picked = (x[usable] for x in (estimate.points, estimate.marginals, estimate.confidence))
        return BodyEstimate(*picked), chosen, meshes

    def _draw(self, usable: Tensor, generator: Generator | None) -> tuple[Tensor, int]:
        """This rank's part of the frames drawn from all ranks: numbers (N,), and how many have mesh losses."""
        rows, longest = len(usable), distributed.all_reduce_max(usable.shape[1], usable.device)
        order = torch.randperm(distributed.world_size() * rows * longest, generator=generator).to(usable.device)
        keys = rearrange(order, "(w b t) -> w b t", b=rows, t=longest)[distributed.rank(), :, : usable.shape[1]]
        keys = torch.where(usable, keys, len(order))  # those that are not usable come last
        padded = pad(keys, (0, longest - keys.shape[1]), value=len(order))
        everyone = distributed.all_gather(padded).flatten().sort().values
        keys, own = keys.flatten().sort()
        limits = [everyone[n - 1] if 0 < n < len(everyone) else len(order) - 1 for n in self.most]
        drawn = keys < len(order)
        frames, meshes = (int((drawn & (keys <= limit)).sum()) for limit in limits)
        return own[:frames], min(frames, meshes)

    def decode_mesh(self, estimate: BodyEstimate) -> Tensor:
        """Mesh (N, V, 3) in crop pixels from the markers of an estimate."""
        joints = self.joints_of(estimate)
        return self.mesh(estimate.points[:, joints:], estimate.confidence[:, joints:])

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
        estimate, chosen, meshes = self.choose(estimate, truth, mask, generator)
        with torch.autocast(mask.device.type, enabled=False):  # losses are computed in single precision
            target = self.targets(chosen.poses, chosen.betas, chosen.cameras)
            terms, reading = self._compare(estimate, target, chosen.valid, meshes)
        return weighted_sum(terms, self.weights), terms, reading

    def _compare(
        self, estimate: BodyEstimate, target: BodyTargets, mask: Tensor, meshes: int
    ) -> tuple[dict[str, Tensor], BodyReading]:
        joints, few = self.joints_of(estimate), mask[:meshes]
        part = BodyEstimate(*(x[:meshes] for x in (estimate.points, estimate.marginals, estimate.confidence)))
        points, true_joints, true_markers = (
            to_metres(x, target.scale) for x in (estimate.points, target.joints, target.markers)
        )
        vertices, true_vertices = (
            to_metres(x, target.scale[:meshes]) for x in (self.decode_mesh(part), target.vertices[:meshes])
        )
        marginals, cells, inside = self._cells(estimate, target)
        wanted = {
            "joints": lambda: losses.points_l1(points[:, :joints], true_joints, mask),
            "markers": lambda: losses.points_l1(points[:, joints:], true_markers, mask),
            "vertices": lambda: losses.points_l1(vertices, true_vertices, few),
            "marginal_cross_entropy": lambda: losses.marginal_cross_entropy(marginals, cells, inside, mask),
            "edges": lambda: losses.edge_length(vertices, true_vertices, self.edges, few),
            "normals": lambda: losses.surface_normals(vertices, true_vertices, self.faces, few),
        }
        terms = {name: wanted[name]() for name in self.weights}
        if self.training:  # numbers of frames and of points inside differ between ranks
            counts = torch.stack([mask.sum(), few.sum(), (inside & mask[:, None]).sum()])
            of_frames, of_meshes, of_points = distributed.share_factors(counts)
            factors = dict.fromkeys(MESH_TERMS, of_meshes) | {"marginal_cross_entropy": of_points}
            terms = {name: factors.get(name, of_frames) * term for name, term in terms.items()}
        return terms, BodyReading(points[:, :joints], true_joints, vertices, true_vertices)

    def _cells(self, estimate: BodyEstimate, target: BodyTargets) -> tuple[tuple[Tensor, ...], Tensor, Tensor]:
        """Marginals of the axes, true cells along them, and whether these lie in the volumes."""
        true = torch.cat([target.joints] + [target.markers] * ("markers" in self.weights), dim=1)
        marginals = estimate.marginals[:, : true.shape[1]].split(self.volume[::-1], dim=-1)
        return marginals, *axis_cells(true, self.volume, self.frame)
