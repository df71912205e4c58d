"""Frames of a webcam or a stream, which come once; Ctrl-C ends them and keeps the walk in view."""

from __future__ import annotations

import re
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import cv2
import numpy as np

from meshgait.errors import DataError
from meshgait.video.frames import USUAL_RATE, Look, Video

STREAM = re.compile(r"(rtsps?|rtmps?|https?|udp|srt)://", re.IGNORECASE)
"""How the address of a stream begins."""


class LiveVideo(Video):
    """A camera of this computer, or a stream of the network.

    Frames that were lost because the computer was busy are gaps in the numbers, where the source says the time.

    Args:
        source: number of the camera, from 0 on, or address of the stream.
        look: what of it is looked at.
        seconds: after which it is left; None: it has no end.

    Raises:
        DataError: there is no such camera or stream.
    """

    live = True

    def __init__(self, source: int | str, look: Look, seconds: float | None = None) -> None:
        name = f"camera {source}" if isinstance(source, int) else re.sub(r"//[^/@]*@", "//", source)
        super().__init__(name, look)
        self._stopped = False
        self._capture = cv2.VideoCapture(source)
        good, first = self._capture.read() if self._capture.isOpened() else (False, None)
        if not good and isinstance(source, int):
            raise DataError(f"there is no {name}, or another program uses it", "try 0, 1 or 2, or a file")
        if not good or first is None:
            raise DataError(f"{name} gives no pictures", "check the address, and that a player shows it")
        rate = self._capture.get(cv2.CAP_PROP_FPS)
        self._rate = rate if 1 <= rate <= 1000 else USUAL_RATE
        self.rate = self._rate / look.every
        self.length = None if seconds is None else max(int(seconds * self._rate), 1)
        self._prepare(first)

    def stop(self) -> None:
        """Make the current frame the last one."""
        self._stopped = True

    def _pictures(self, start: int, wanted: set[int] | None) -> Iterator[tuple[int, np.ndarray]]:
        number, taken, begun = -1, -1, self._capture.get(cv2.CAP_PROP_POS_MSEC)
        try:
            while not self._stopped:
                good, picture = self._read()
                number = max(number + 1, self._number_by_time(begun))
                if not good or picture is None or (self.length is not None and number >= self.length):
                    break  # where it was unplugged, what was seen until then is kept
                if number // self.look.every > taken:
                    taken = number // self.look.every
                    yield taken * self.look.every, picture
        finally:
            self._capture.release()

    def _read(self) -> tuple[bool, np.ndarray | None]:
        try:
            return self._capture.read()
        except KeyboardInterrupt:  # where `interrupt_ends` is not in use, as in a thread
            return False, None

    def _number_by_time(self, begun: float) -> int:
        """Number of the current frame by its time; 0 if the source has no times."""
        since = self._capture.get(cv2.CAP_PROP_POS_MSEC) - begun
        return round(since / 1000 * self._rate) - 1 if since > 0 else 0


def is_live(source: Path | str | int) -> bool:
    """Whether a source is the number of a webcam or the address of a stream."""
    if isinstance(source, int):
        return True
    return bool(STREAM.match(str(source))) or (str(source).isdecimal() and not Path(source).exists())


@contextmanager
def interrupt_ends(video: Video) -> Iterator[None]:
    """Make the first Ctrl-C end a live video after the current frame, so that an open walk is finished.

    A second one interrupts as usual, and so does the first one where the video is a file.
    """
    if not isinstance(video, LiveVideo) or threading.current_thread() is not threading.main_thread():
        yield
        return
    usual = signal.getsignal(signal.SIGINT)

    def end(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, usual)
        video.stop()

    signal.signal(signal.SIGINT, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, usual)
