"""Videos that were dropped on the page: walkers are cut out, the video is deleted, the walkers are forgotten.

Silhouettes and contact sheets are in memory alone. Videos lie in a folder that their owner alone can read, for as
long as they are looked at.
"""

from __future__ import annotations

import secrets
import tempfile
import threading
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import cv2

from meshgait.errors import MeshGaitError
from meshgait.gallery.records import Identification
from meshgait.gallery.sources import Walker, walker_of_video
from meshgait.video.extract import Extraction
from meshgait.video.reading import open_video
from meshgait.video.results import Walk
from meshgait.video.segmenters import make_segmenter
from meshgait.video.writing import strip

MOST_VIDEOS = 4
"""Videos that are remembered or looked at; the oldest one that is done makes room."""
MOST_WALKS = 40
"""Of a video."""
FORGET = 30 * 60
"""Seconds after which a video is forgotten."""


class TooManyError(Exception):
    """Several videos are being looked at already."""


@dataclass
class FoundWalker:
    """A walker of a video.

    Attributes:
        walker: with silhouettes.
        sheets: PNG pictures to look at, one for each pass.
        answer: who it is, once asked for.
        enrolled: name under which the walker was enrolled.
    """

    walker: Walker
    sheets: list[bytes]
    answer: Identification | None = None
    enrolled: str = ""


@dataclass
class LookedAt:
    """A video, and what was found in it.

    Attributes:
        id: in addresses.
        name: as the browser gave it.
        begun: time of the clock.
        done: whether it was looked at to the end.
        share: of it that was looked at.
        walkers: found.
        refused: what is no walk, and why.
        warnings: what else should be known.
        error: why it could not be looked at.
    """

    id: str
    name: str
    begun: float
    done: bool = False
    walkers: list[FoundWalker] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    error: str = ""
    extraction: Extraction | None = None

    @property
    def share(self) -> float:
        """Share that was looked at so far."""
        if self.extraction is None:
            return 0.0
        return min(self.extraction.report.frames / max(self.extraction.video.length or 1, 1), 1.0)


class Videos:
    """The videos of the page.

    Args:
        folder: for a new folder of the videos that are looked at.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="meshgait-serve-", dir=folder)
        self._known: dict[str, LookedAt] = {}
        self._lock, self._turn = threading.Lock(), threading.Lock()

    def close(self) -> None:
        """Delete what is left."""
        self._known.clear()
        self._folder.cleanup()

    async def receive(self, name: str, content: AsyncIterator[bytes]) -> LookedAt:
        """Take a video in, and begin to look at it; it is deleted afterwards.

        Raises:
            TooManyError: several are being looked at.
        """
        video = LookedAt(secrets.token_hex(8), name, time.monotonic())
        with self._lock:
            self._make_room()
            self._known[video.id] = video
        path = Path(self._folder.name) / video.id
        try:
            with path.open("wb") as file:
                async for piece in content:
                    file.write(piece)
        except BaseException:
            path.unlink(missing_ok=True)
            self.forget(video.id)
            raise
        threading.Thread(target=self._look, args=(video, path), daemon=True).start()
        return video

    def get(self, number: str) -> LookedAt | None:
        """The video of that id, if it is still remembered."""
        with self._lock:
            self._forget_old()
            return self._known.get(number)

    def forget(self, number: str) -> None:
        """Forget a video and its walkers."""
        with self._lock:
            self._known.pop(number, None)

    def forget_all(self) -> None:
        """Forget all videos that were looked at."""
        with self._lock:
            self._known = {id: video for id, video in self._known.items() if not video.done}

    def _forget_old(self) -> None:
        late = time.monotonic() - FORGET
        self._known = {id: video for id, video in self._known.items() if not video.done or video.begun > late}

    def _make_room(self) -> None:
        self._forget_old()
        while len(self._known) >= MOST_VIDEOS:
            oldest = next((id for id, video in self._known.items() if video.done), None)
            if oldest is None:
                raise TooManyError
            del self._known[oldest]

    def _look(self, video: LookedAt, path: Path) -> None:
        try:
            with self._turn:  # one at a time: each takes a whole core
                self._cut_out(video, path)
        except MeshGaitError as error:
            video.error = str(error).replace(str(path), video.name)
        except Exception as error:  # a thread has nobody else who would hear of it
            video.error = f"{video.name} could not be looked at ({type(error).__name__})"
        finally:
            path.unlink(missing_ok=True)
            video.done, video.extraction = True, None

    def _cut_out(self, video: LookedAt, path: Path) -> None:
        extraction = Extraction(open_video(path), make_segmenter("subtract"), show=False)
        video.extraction = extraction
        passes: dict[int, list[Walk]] = {}
        found = extraction.walks()
        for walk in islice(found, MOST_WALKS):
            passes.setdefault(walk.walker, []).append(walk)
        if next(found, None) is not None:
            video.warnings.append(f"the first {MOST_WALKS} walks are shown; cut the video to see others")
        video.walkers = [
            FoundWalker(walker_of_video(walks), list(map(_sheet, walks))) for walks in passes.values()
        ]
        video.refused = [
            f"frames {one['first']} to {one['last']}: {one['reason']}" for one in extraction.report.refused
        ]
        video.warnings += extraction.report.warnings


def _sheet(walk: Walk) -> bytes:
    return cv2.imencode(".png", strip(walk))[1].tobytes()
