"""Frames of a video file, of a folder of pictures, or of a webcam, one at a time.

The first bytes of a file decide what it is, not its name. FFmpeg would also follow play lists and scripts to
other files and to the network: only containers that hold their pictures themselves are opened.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image

from meshgait.data.folders import list_folder, natural_key
from meshgait.data.pictures import LARGEST_FILE, LARGEST_PIXELS
from meshgait.errors import ConfigError, DataError

os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # FFmpeg's own lines would stand beside our one
with suppress(AttributeError):  # a build without the module
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)

PICTURES = {b"\xff\xd8\xff": "JPEG", b"\x89PNG": "PNG", b"GIF8": "GIF", b"BM": "BMP", b"II*\0": "TIFF"}
"""First bytes of pictures."""
CONTAINERS = (b"RIFF", b"\x1aE\xdf\xa3", b"OggS", b"FLV", b"\0\0\1\xba", b"\0\0\1\xb3", b"0&\xb2u")
"""First bytes of containers of video: AVI, WebM and Matroska, Ogg, FLV, MPEG, ASF."""
BOXES = (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot")
"""What follows a length at the beginning of an MP4 or QuickTime file."""
FRAME_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp")
FOLDER_RATE = 25.0
"""Frames per second of a folder of pictures, which does not say."""
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
    """What of a video is looked at.

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
        self.rate, self.length = FOLDER_RATE, None
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
        """Learn the frame's size from the first one."""
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


class FileVideo(Video):
    """A video file.

    Raises:
        DataError: it is no video, broken, or of frames too large.
    """

    def __init__(self, path: Path, look: Look) -> None:
        super().__init__(str(path), look)
        _check_container(path)
        self._path = path
        capture = self._open()
        good, first = capture.read()
        if not good:
            raise DataError(f"{path} holds no frame that can be read", "it may be cut or broken, export it again")
        if first.shape[0] * first.shape[1] > LARGEST_PIXELS:
            raise DataError(
                f"{path} has frames of {first.shape[1]} x {first.shape[0]} pixels", "make them smaller"
            )
        rate = capture.get(cv2.CAP_PROP_FPS)
        self.rate = (rate if 1 <= rate <= 1000 else FOLDER_RATE) / look.every
        count = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
        capture.release()
        self.length = count if count > 0 else self._count()  # recordings of browsers do not say
        self._prepare(first)

    def _open(self) -> cv2.VideoCapture:
        capture = cv2.VideoCapture(str(self._path), cv2.CAP_FFMPEG)
        if not capture.isOpened():
            raise DataError(
                f"{self._path} cannot be opened as a video",
                "it may be cut, broken or of an unknown codec: export it as mp4 (H.264) or avi (MJPEG)",
            )
        return capture

    def _count(self) -> int:
        capture, count = self._open(), 0
        while capture.grab():
            count += 1
        capture.release()
        return count

    def _pictures(self, start: int, wanted: set[int] | None) -> Iterator[tuple[int, np.ndarray]]:
        capture, number, last = self._open(), 0, max(wanted, default=0) if wanted is not None else None
        try:
            while (last is None or number <= last) and capture.grab():
                if self._takes(number, start, wanted):
                    good, picture = capture.retrieve()
                    if good:
                        yield number, picture
                number += 1
        finally:
            capture.release()


class FolderVideo(Video):
    """A folder of pictures, in the natural order of their names.

    Raises:
        DataError: it cannot be read or holds no picture.
    """

    def __init__(self, folder: Path, look: Look) -> None:
        super().__init__(str(folder), look)
        try:
            names = list_folder(folder).files
        except OSError as error:
            raise DataError(f"{folder} cannot be read ({error.strerror})", "check its rights") from None
        names = [name for name in names if name.lower().endswith(FRAME_SUFFIXES)]
        self._files = [folder / name for name in sorted(names, key=natural_key)]
        first = next((picture for path in self._files if (picture := _read_colours(path)) is not None), None)
        if first is None:
            raise DataError(f"{folder} holds no picture that can be read", "give PNG or JPG frames of a video")
        self.rate, self.length = FOLDER_RATE / look.every, len(self._files)
        self._shape = first.shape
        self._prepare(first)

    def _pictures(self, start: int, wanted: set[int] | None) -> Iterator[tuple[int, np.ndarray]]:
        for number, path in enumerate(self._files):
            if self._takes(number, start, wanted) and (picture := _read_colours(path)) is not None:
                if picture.shape != self._shape:
                    raise DataError(
                        f"{path} has another size than the first picture", "frames of a video have one"
                    )
                yield number, picture


class WebcamVideo(Video):
    """A camera of this computer.

    Args:
        number: of the camera, from 0 on.
        look: what of it is looked at.
        seconds: after which it is left.

    Raises:
        DataError: there is no such camera.
    """

    live = True

    def __init__(self, number: int, look: Look, seconds: float) -> None:
        super().__init__(f"camera {number}", look)
        self._capture = cv2.VideoCapture(number)
        good, first = self._capture.read() if self._capture.isOpened() else (False, None)
        if not good:
            raise DataError(f"there is no camera {number}, or another program uses it", "try 0, 1 or 2, or a file")
        rate = self._capture.get(cv2.CAP_PROP_FPS)
        rate = rate if 1 <= rate <= 1000 else FOLDER_RATE
        self.rate, self.length = rate / look.every, max(int(seconds * rate), 1)
        self._prepare(first)

    def _pictures(self, start: int, wanted: set[int] | None) -> Iterator[tuple[int, np.ndarray]]:
        try:
            for number in range(self.length or 0):
                good, picture = self._capture.read()
                if not good:  # it was unplugged; what was seen until then is kept
                    break
                if self._takes(number, start, wanted):
                    yield number, picture
        finally:
            self._capture.release()


def open_video(source: Path | str | int, look: Look | None = None, seconds: float = 60.0) -> Video:
    """Open a source of frames.

    Args:
        source: a video file, a folder of pictures, or the number of a webcam.
        look: what of it is looked at.
        seconds: for which a webcam is read.

    Raises:
        DataError: what is wrong with it, and the remedy.
    """
    look = look or Look()
    if isinstance(source, int) or (str(source).isdecimal() and not Path(source).exists()):
        return WebcamVideo(int(source), look, seconds)
    path = Path(source)
    if path.is_dir():
        return FolderVideo(path, look)
    if not path.is_file():
        raise DataError(
            f"{path} does not exist", "give a video file, a folder of frames or the number of a webcam"
        )
    return FileVideo(path, look)


def _check_container(path: Path) -> None:
    """Refuse what is no container of video, by its first bytes."""
    try:
        with path.open("rb") as file:
            start = file.read(16)
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror})", "check its rights") from None
    kind = next((name for mark, name in PICTURES.items() if start.startswith(mark)), None)
    if start.startswith(b"RIFF") and start[8:12] == b"WEBP":
        kind = "WebP"
    if kind is not None:
        raise DataError(f"{path} is a picture ({kind}), not a video", "give the video, or a folder of its frames")
    if not start.startswith(CONTAINERS) and start[4:8] not in BOXES:
        raise DataError(f"{path} is no video that is known here", "give mp4, mov, avi, webm or mkv")


def _read_colours(path: Path) -> np.ndarray | None:
    """(H, W, 3) uint8 BGR of a picture file; None if it is damaged or too large."""
    try:
        if path.stat().st_size > LARGEST_FILE:
            return None
        with Image.open(path, formats=("PNG", "JPEG", "BMP")) as image:
            if image.width * image.height > LARGEST_PIXELS:
                return None
        return cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_COLOR)
    except Exception:  # damaged files make Pillow and OpenCV raise nearly anything
        return None
