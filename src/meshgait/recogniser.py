"""A trained network for use from Python: walks to embeddings, frames to joints, markers and meshes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch
from einops import rearrange

from meshgait.batch import BodyEstimate
from meshgait.body.skeleton import JOINT_NAMES, NUM_JOINTS
from meshgait.body.targets import to_metres
from meshgait.data.frame_sampler import sample_frames
from meshgait.data.frames import FrameOptions, read_sequence
from meshgait.data.loaded_sequence import BrokenSequence
from meshgait.data.readers import Silhouettes, read_silhouettes
from meshgait.data.sources import ArrayFrames
from meshgait.errors import ConfigError, DataError
from meshgait.models.meshgait import MeshGait
from meshgait.progress import Progress
from meshgait.stages.recognise import RecogniseStage
from meshgait.stages.supervision import BodySupervision

MAX_FRAMES = 720
"""Frames of a walk at most for its embedding, as in evaluation (``data.eval_frames``)."""
PRETRAINED = Path(__file__).parent / "pretrained"
"""Folder of the model that comes with the package, trained on synthetic walkers alone (`make weights`)."""
BLOCK = 64
"""Frames that are reconstructed at once, so that memory does not grow with the walk."""

Walk: TypeAlias = np.ndarray | str | Path | Silhouettes
"""A walk: silhouettes (T, h, w) of any size and value range, or the path of a folder of frames, .gif, .npy,
.npz or .pkl, or what `meshgait.data.readers.read_silhouettes` returned."""


@dataclass(frozen=True)
class Reconstruction:
    """Bodies of T frames in metres, y up, as the camera sees them, each with its pelvis joint at the origin.

    Attributes:
        joints: (T, 24, 3), in SMPL's order (`joint_names`).
        markers: (T, K, 3) virtual markers.
        vertices: (T, V, 3) of the meshes.
        faces: (F, 3) indices of vertices.
        kept: (T,) indices of the frames in the walk; frames that show nobody have no body.
        joint_names: of the 24 joints.
    """

    joints: np.ndarray
    markers: np.ndarray
    vertices: np.ndarray
    faces: np.ndarray
    kept: np.ndarray
    joint_names: tuple[str, ...] = JOINT_NAMES


class Recogniser:
    """A trained network that recognises walkers.

    Args:
        stage: of recognition, as trained or loaded.

    Attributes:
        stage: the same, in evaluation mode; its `network` is a plain `torch.nn.Module`.
    """

    def __init__(self, stage: RecogniseStage) -> None:
        self.stage = stage.eval()

    @classmethod
    def load(
        cls, source: str | Path | None = None, body: str | None = None, markers: str | None = None
    ) -> Recogniser:
        """Load a checkpoint, an exported model's folder, or a Hugging Face repository.

        Args:
            source: path of a checkpoint or a folder, or ``owner/name`` or ``owner/name@revision``; by default the
                model that comes with the package.
            body: SMPL file, if the model was trained with another body than the default one.
            markers: marker file of that body.

        Raises:
            DataError: it cannot be read, or is of stage 1.
            ConfigError: a file that the model needs is not given, or is another one.
        """
        return cls(RecogniseStage.load(PRETRAINED if source is None else source, body, markers))

    @property
    def network(self) -> MeshGait:
        """The network itself."""
        return self.stage.network

    @property
    def size(self) -> tuple[int, int]:
        """(H, W) of the silhouettes that the network reads."""
        return self.network.size.frame

    def read(self, walk: Walk, person: int | None = None) -> Silhouettes:
        """Silhouettes of a walk as the network reads them, cropped and centred.

        Args:
            walk: see `Walk`.
            person: class number of the person, where masks hold several classes.

        Raises:
            DataError: what is wrong with it, and the remedy.
        """
        if isinstance(walk, Silhouettes):
            return walk
        if isinstance(walk, str | Path):
            return read_silhouettes(walk, self.size, person)
        try:
            source = ArrayFrames(np.asarray(walk))
            take = read_sequence(source, FrameOptions(self.size, person=person))
        except BrokenSequence as error:
            raise DataError(f"the array {error.what}", error.remedy) from None
        return Silhouettes.of(take, f"the array {np.shape(walk)}", len(source))

    @torch.no_grad()
    def embed(self, walks: Walk | Sequence[Walk]) -> np.ndarray:
        """Embed walks.

        Args:
            walks: one walk or several. Of a walk longer than 720 frames, 720 are used, spread evenly.

        Returns:
            (N, S, D) float32: N walks, S strips of D numbers each. Walks are compared by the mean over strips of
            the Euclidean distances between strips; smaller is more alike.

        Raises:
            DataError: a walk cannot be read.
        """
        if isinstance(walks, np.ndarray | str | Path | Silhouettes):
            walks = [walks]
        return np.stack([self._embed(self.read(walk).frames) for walk in walks])

    def _embed(self, frames: np.ndarray) -> np.ndarray:
        """(S, D) of frames (T, H, W) uint8."""
        chosen = frames[sample_frames(len(frames), MAX_FRAMES, "spread")]
        silhouettes = rearrange(torch.from_numpy(chosen).float() / 255, "t h w -> 1 t h w")
        return self.stage(silhouettes, torch.ones(1, len(chosen), dtype=torch.bool)).embeddings[0].numpy()

    def require_3d(self) -> BodySupervision:
        """The 3D supervision, which has the body and decodes meshes.

        Raises:
            ConfigError: the network has no 3D branch.
        """
        if self.stage.supervision is None:
            raise ConfigError("this network has no 3D branch", "load one that was trained with model.use_3d true")
        return self.stage.supervision

    def reconstruct(self, walk: Walk, stature: float = 1.7, progress: Progress | None = None) -> Reconstruction:
        """Reconstruct the body in every frame.

        Args:
            walk: see `Walk`.
            stature: assumed height of the body in metres, as silhouettes have no scale.
            progress: to show the number of frames done.

        Raises:
            DataError: the walk cannot be read.
            ConfigError: the network has no 3D branch.
        """
        read = self.read(walk)
        blocks = [(estimate.points.numpy(), mesh) for estimate, mesh in self.estimate(read.frames, progress)]
        points, vertices = (np.concatenate(parts) for parts in zip(*blocks, strict=True))
        scale = torch.full((len(points),), pixels_per_metre(np.ptp(vertices[..., 1], axis=1), stature))
        origin = points[:, :1]
        placed, meshes = (to_metres(torch.from_numpy(x - origin), scale).numpy() for x in (points, vertices))
        faces = self.require_3d().faces.numpy()
        return Reconstruction(placed[:, :NUM_JOINTS], placed[:, NUM_JOINTS:], meshes, faces, read.kept)

    @torch.no_grad()
    def estimate(
        self, frames: np.ndarray, progress: Progress | None = None
    ) -> Iterator[tuple[BodyEstimate, np.ndarray]]:
        """Output of the 3D branch for frames, block by block.

        Args:
            frames: (T, H, W) uint8, as `read` gives them.
            progress: to show the number of frames done.

        Yields:
            (estimate, vertices): heatmaps and points of up to 64 frames in crop pixels (u, v, d), and their meshes
            (B, V, 3) in the same frame.

        Raises:
            ConfigError: the network has no 3D branch.
        """
        supervision = self.require_3d()
        reconstruct = self.network.reconstructor().eval()
        for start in range(0, len(frames), BLOCK):
            estimate: BodyEstimate = reconstruct(torch.from_numpy(frames[start : start + BLOCK]).float() / 255)
            yield estimate, supervision.decode_mesh(estimate).numpy()
            if progress is not None:
                progress.advance(len(estimate.points))


def pixels_per_metre(heights: np.ndarray, stature: float) -> float:
    """Scale at which the tallest mesh (90th percentile over frames) is ``stature`` high.

    Args:
        heights: (T,) of the meshes in crop pixels.
        stature: metres.
    """
    return float(np.percentile(heights, 90) / stature)
