"""Results for a video: walks with their silhouettes, and what was left out and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np

from meshgait.video.motion import CameraMotion

MARGIN = 0.1
"""Background around the figures of a sequence, as a share of their height."""


@dataclass(frozen=True)
class Snapshot:
    """A cut-out of a frame to look at: (h, w, 3) uint8 BGR, and the (h, w) bool mask of the figure in it."""

    number: int
    picture: np.ndarray
    mask: np.ndarray


@dataclass(frozen=True)
class Walk:
    """One pass of one walker.

    Attributes:
        walker: number of the walker, from 1 on. Who leaves the view and comes back is another walker.
        number: of the pass, from 1 on; a turn begins a new pass.
        direction: right, left, towards, away or in place, as the camera sees it.
        frames: (T,) numbers of the video's frames.
        masks: T masks (h, w) bool, each cut to the figure.
        corners: (T, 2) x and y in the video's frame (after ``scale``) of the upper left corner of each mask.
        scale: pixels of the masks per pixel of the video.
        in_pieces: share of the frames in which the figure was found in pieces, which then were joined.
        dropped: reason -> number of frames of this walker that were left out.
        snapshots: a few cut-outs to look at.
    """

    walker: int
    number: int
    direction: str
    frames: np.ndarray
    masks: Sequence[np.ndarray]
    corners: np.ndarray
    scale: float = 1.0
    in_pieces: float = 0.0
    dropped: dict[str, int] = field(default_factory=dict)
    snapshots: Sequence[Snapshot] = ()

    @property
    def height(self) -> float:
        """Median height of the figure in pixels of the video."""
        return float(np.median([len(mask) for mask in self.masks]) / self.scale)

    @property
    def folder(self) -> str:
        """Where its frames are written: walker, pass and direction, which `meshgait pack` reads as names."""
        return f"walker-{self.walker:03d}/pass-{self.number:02d}/{self.direction.replace(' ', '-')}"

    def silhouettes(self) -> np.ndarray:
        """(T, H, W) uint8, 0 and 255, all of one size, each figure in the middle above a common ground."""
        high, wide = (max(mask.shape[axis] for mask in self.masks) for axis in (0, 1))
        margin = max(int(MARGIN * high), 2)
        result = np.zeros((len(self.masks), high + 2 * margin, wide + 2 * margin), np.uint8)
        for image, mask in zip(result, self.masks, strict=True):
            height, width = mask.shape
            top, left = margin + high - height, margin + (wide - width) // 2
            image[top : top + height, left : left + width] = np.where(mask, np.uint8(255), np.uint8(0))
        return result

    def summary(self) -> dict[str, Any]:
        """Its entry in a report."""
        return {
            "walker": self.walker,
            "pass": self.number,
            "folder": self.folder,
            "direction": self.direction,
            "frames": len(self.frames),
            "first": int(self.frames[0]),
            "last": int(self.frames[-1]),
            "height": round(self.height, 1),
            "in_pieces": round(self.in_pieces, 3),
            "dropped": self.dropped,
        }


@dataclass(frozen=True)
class Refusal:
    """Something that moved and is not a usable walk.

    Attributes:
        first: number of its first frame.
        last: number of its last frame.
        frames: in which it was seen.
        reason: why it is no walk.
    """

    first: int
    last: int
    frames: int
    reason: str

    def summary(self) -> dict[str, Any]:
        """Its entry in a report."""
        return dict(vars(self))


@dataclass
class VideoReport:
    """What was seen in a video, without the silhouettes.

    Attributes:
        source: the video.
        segmenter: how figures were cut out.
        rate: frames per second that were looked at.
        size: (H, W) of a frame as it was looked at.
        scale: of it against the video.
        frames: looked at.
        camera: how it moved, stretch by stretch.
        walks: summary of each walk.
        refused: what is no walk, and why.
        specks: tracks of a few frames, such as leaves and noise.
        warnings: what the user should know.
    """

    source: str
    segmenter: str
    rate: float
    size: tuple[int, int]
    scale: float
    frames: int = 0
    camera: list[CameraMotion] = field(default_factory=list)
    walks: list[dict[str, Any]] = field(default_factory=list)
    refused: list[dict[str, Any]] = field(default_factory=list)
    specks: int = 0
    warnings: list[str] = field(default_factory=list)

    @property
    def motion(self) -> CameraMotion:
        """Of the camera over the whole video: the greatest of its stretches."""
        stretches = sorted(self.camera, key=lambda motion: (not motion.still, motion.pixels))
        return stretches[-1] if stretches else CameraMotion(0.0, True)

    def summary(self) -> dict[str, Any]:
        """The report as plain types."""
        return vars(self) | {
            "size": list(self.size),
            "camera": {"still": self.motion.still, "pixels_per_frame": round(self.motion.pixels, 3)},
        }


@dataclass(frozen=True)
class Silhouettes:
    """Walks found in a video, and the report."""

    walks: list[Walk]
    report: VideoReport


def snapshot(number: int, picture: np.ndarray, mask: np.ndarray, left: int, top: int, rows: int) -> Snapshot:
    """Cut a figure out of a frame to look at.

    Args:
        number: of the frame.
        picture: (H, W, 3), the frame.
        mask: (h, w) bool, the figure.
        left: column of the mask in the frame.
        top: row of it.
        rows: to which the cut-out is made smaller.
    """
    height, width = mask.shape
    part = picture[top : top + height, left : left + width]
    scale = rows / height
    size = (max(round(width * scale), 1), rows)
    small = cv2.resize(mask.astype(np.uint8), size, interpolation=cv2.INTER_AREA) > 0
    return Snapshot(number, cv2.resize(part, size, interpolation=cv2.INTER_AREA), small)
