"""A video in stretches, each with the frames that say what its background is and how its camera moves.

The video is read twice side by side: one reader, ahead, takes a few frames of each stretch; the other one goes
through all frames. A webcam gives its frames once only: the first ones are kept until they are learned from, and
each later stretch rests on the one before.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice, pairwise
from typing import NamedTuple

import numpy as np

from meshgait.video.frames import Frame, Video

STRETCH = 3000
"""Frames for which one background is learned."""
SAMPLES = 31
"""Frames from which it is learned."""
LIVE_STRETCH = 100
"""Frames of a webcam that are kept at most."""


class Stretch(NamedTuple):
    """A part of a video.

    Attributes:
        samples: frames spread over it.
        pairs: frames that follow each other.
        frames: all of it.
    """

    samples: list[np.ndarray]
    pairs: list[tuple[np.ndarray, np.ndarray]]
    frames: Iterator[Frame]


def stretches(video: Video, start: int = 0) -> Iterator[Stretch]:
    """The stretches of a video in their order; each must be gone through before the next is asked for.

    Args:
        video: of which they are.
        start: number of the first frame.
    """
    if video.live:
        yield from _live_stretches(video)
        return
    every, length = video.look.every, video.length or 0
    count = max(-(-length // (STRETCH * every)), 1)
    borders = np.linspace(0, length, count + 1).round().astype(int)
    borders[-1] = max(length, 1)
    spread = [_spread(int(a), int(b), every) for a, b in pairwise(borders)]
    first = next((k for k in range(count) if borders[k + 1] > start), count)
    wanted = {place + step for places in spread[first:] for place in places for step in (0, every)}
    ahead = iter(video.frames(0, wanted))
    frames = iter(video.frames(start))
    begun: Frame | None = None
    for k in range(first, count):
        places = spread[k]
        numbers = {place + step for place in places for step in (0, every)}
        pictures = {}
        # a file may hold fewer frames than it says
        for number, picture in islice(ahead, len(numbers)):
            pictures[number] = picture
        samples = [pictures[place] for place in places if place in pictures]
        pairs = [
            (pictures[place], pictures[place + every])
            for place in places
            if place in pictures and place + every in pictures
        ]
        if not samples:
            return
        last = int(borders[k + 1]) if k + 1 < count else None
        part = _Until(frames, last, begun)
        yield Stretch(samples, pairs, iter(part))
        begun = part.rest


def _live_stretches(video: Video) -> Iterator[Stretch]:
    """Each stretch of a webcam; all but the first are looked at with what the one before has taught."""
    frames = iter(video.frames())
    kept = list(islice(frames, LIVE_STRETCH))
    if not kept:
        return
    pictures = [frame.picture for frame in kept]
    pairs = list(zip(pictures[::5], pictures[1::5], strict=False))
    samples = pictures[:: max(len(pictures) // SAMPLES, 1)]
    yield Stretch(samples, pairs, iter(kept))
    while True:
        recent: list[np.ndarray] = []
        yield Stretch(samples, pairs, _tapped(frames, recent))
        if not recent:
            return
        samples = (samples + recent)[-SAMPLES:]


class _Until:
    """The frames of a stretch; the first frame after it is kept for the next one.

    Args:
        frames: of the video.
        stop: number of the first frame after the stretch; None: to the end.
        begun: first frame of the stretch, if it has been read already.
    """

    def __init__(self, frames: Iterator[Frame], stop: int | None, begun: Frame | None) -> None:
        self._frames, self._stop, self.rest = frames, stop, begun

    def __iter__(self) -> Iterator[Frame]:
        if self.rest is not None:
            first, self.rest = self.rest, None
            yield first
        for frame in self._frames:
            if self._stop is not None and frame.number >= self._stop:
                self.rest = frame
                return
            yield frame


def _tapped(frames: Iterator[Frame], recent: list[np.ndarray]) -> Iterator[Frame]:
    """The next frames of a webcam, of which some are kept."""
    for place, frame in enumerate(islice(frames, 10 * LIVE_STRETCH)):
        if place % (10 * LIVE_STRETCH // SAMPLES) == 0:
            recent.append(frame.picture)
        yield frame


def _spread(start: int, stop: int, every: int) -> list[int]:
    """Numbers of the frames of a stretch that are learned from."""
    last = max(stop - 1 - every, start)
    numbers = np.linspace(start, last, SAMPLES).round().astype(int) // every * every
    return sorted({int(number) for number in numbers if number >= 0})
