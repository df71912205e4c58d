"""Opening a source of frames: a video file, a folder of pictures, a webcam or a stream.

The first bytes of a file decide what it is, not its name. FFmpeg would also follow play lists and scripts to
other files and to the network: only containers that hold their pictures themselves are opened.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from meshgait.data.folders import list_folder, natural_key
from meshgait.data.pictures import LARGEST_FILE, LARGEST_PIXELS
from meshgait.errors import DataError
from meshgait.video.frames import USUAL_RATE, Look, Video
from meshgait.video.live import LiveVideo, is_live

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
        self.rate = (rate if 1 <= rate <= 1000 else USUAL_RATE) / look.every
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
        self.rate, self.length = USUAL_RATE / look.every, len(self._files)
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


def open_video(source: Path | str | int, look: Look | None = None, seconds: float | None = 60.0) -> Video:
    """Open a source of frames.

    Args:
        source: a video file, a folder of pictures, the number of a webcam, or the address of a stream.
        look: what of it is looked at.
        seconds: for which a webcam or stream is read; None: until it ends.

    Raises:
        DataError: what is wrong with it, and the remedy.
    """
    look = look or Look()
    if is_live(source):
        text = str(source)
        return LiveVideo(int(text) if text.isdecimal() else text, look, seconds)
    path = Path(str(source))
    if path.is_dir():
        return FolderVideo(path, look)
    if not path.is_file():
        raise DataError(
            f"{path} does not exist", "give a video file, a folder of frames, the number of a webcam or an address"
        )
    return FileVideo(path, look)


def _check_container(path: Path) -> None:
    """Refuse files that are not containers of video, by their first bytes."""
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
    except Exception:  # Pillow and OpenCV raise many kinds of errors for damaged files
        return None
