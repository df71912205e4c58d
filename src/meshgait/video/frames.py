"""Base of all sources of frames, which give one frame at a time."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np

from meshgait.errors import ConfigError

USUAL_RATE = 25.0
"""Frames per second of a source that does not say."""
LINES = 720
"""Rows (of an upright picture: columns) of a frame at most; larger frames are made smaller."""
TURNS = {90: cv2.ROTATE_90_CLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_COUNTERCLOCKWISE}


class Frame(NamedTuple):
    """A picture of a video.

    Attributes:
        number: its place in the video, from 0 on.
        picture: (H, W, 3) uint8 BGR.
    """

    number: int
    picture: np.ndarray


@dataclass(frozen=True)
class Look:
    """Which part of a video is used.

    Attributes:
        every: take every N-th frame.
        rotate: degrees clockwise by which frames are turned, after the video's own note of rotation.
        roi: left, top, width, height of the part of the (turned) frame that is looked at, pixels; None: all.
    """

    every: int = 1
    rotate: int = 0
    roi: tuple[int, int, int, int] | None = None

    def __post_init__(self) -> None:
        if self.every < 1:
            raise ConfigError(f"--every is {self.every}", "give 1 (all frames) or more")
        if self.rotate not in (0, *TURNS):
            raise ConfigError(f"--rotate is {self.rotate}", "give 0, 90, 180 or 270 degrees clockwise")
        if self.roi is not None and (min(self.roi[:2]) < 0 or min(self.roi[2:]) < 1):
            raise ConfigError(f"--roi is {self.roi}", "give left and top from 0 on, width and height from 1 on")


class Video(ABC):
    """A source of frames.

    Args:
        name: in messages.
        look: what of it is looked at.

    Attributes:
        rate: frames per second that are looked at.
        length: number of frames of the source; None if it does not say, or has no end.
        scale: size of the frames given by `frames` against the source's.
        live: whether frames come once only.
        size: (H, W) of the frames that `frames` gives.
    """

    live = False

    def __init__(self, name: str, look: Look) -> None:
        self.name, self.look = name, look
        self.rate = USUAL_RATE
        self.length: int | None = None
        self.scale, self.size = 1.0, (0, 0)

    def frames(self, start: int = 0, wanted: set[int] | None = None) -> Iterator[Frame]:
        """Frames in their order.

        Args:
            start: number of the first frame.
            wanted: numbers of the frames to give, None: all. The others are passed over, which is faster.
        """
        for number, picture in self._pictures(start, wanted):
            yield Frame(number, self._shown(picture))

    @abstractmethod
    def _pictures(self, start: int, wanted: set[int] | None) -> Iterator[tuple[int, np.ndarray]]:
        """(number, picture) of the frames that are wanted, as the source has them."""

    def _takes(self, number: int, start: int, wanted: set[int] | None) -> bool:
        return number >= start and number % self.look.every == 0 and (wanted is None or number in wanted)

    def _prepare(self, first: np.ndarray) -> None:
        """Set the size of frames from the first one."""
        height, width = first.shape[:2]
        if self.look.rotate in (90, 270):
            height, width = width, height
        if self.look.roi is not None:
            left, top, wide, high = self.look.roi
            if left + wide > width or top + high > height:
                raise ConfigError(f"--roi {left} {top} {wide} {high} leaves the frame of {width} x {height}")
            height, width = high, wide
        self.scale = min(1.0, LINES / min(height, width))
        self.size = (max(round(height * self.scale), 1), max(round(width * self.scale), 1))

    def _shown(self, picture: np.ndarray) -> np.ndarray:
        if self.look.rotate:
            picture = cv2.rotate(picture, TURNS[self.look.rotate])
        if self.look.roi is not None:
            left, top, wide, high = self.look.roi
            picture = picture[top : top + high, left : left + wide]
        if self.scale < 1:
            return cv2.resize(picture, self.size[::-1], interpolation=cv2.INTER_AREA)
        return np.ascontiguousarray(picture)
