"""Figures of single frames -> tracks of one person each.

Boxes of a frame are assigned to the tracks so that their overlap is greatest (Hungarian method). Where two people
pass each other, nobody can say from silhouettes who is who afterwards: both tracks end, and new ones begin when
they have parted. A track never swaps its person.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.optimize import linear_sum_assignment

from meshgait.video.figures import Box, Figure

PATIENCE = 5
"""Frames for which a figure may be missing."""
LONGEST = 1500
"""Frames of a track; a longer one is cut, so that memory stays bounded."""
REACH = 0.5
"""Heights by which a figure's centre may be away from where it is expected."""
GROWTH = 1.6
"""Factor by which a figure's height may change between two frames."""
SWALLOWED = 0.5
"""Share of a track's expected box that lies in a figure of another track: the two have met."""
TOUCH = 0.15
"""Share of a box that another figure's box may cover."""
OLD = 4
"""Frames from which on a track counts when it meets another one."""
KNOWN = 12
"""Frames from which on a track's height is known."""
PERSON = 0.6
"""Height of a person against that of the figure they are part of, at least; less is a head or a leg."""
ALONE, SLIM = 12, 0.75
"""Frames for which a joint figure is narrower than this share of its greatest width until it counts as one person:
the other one has left the view."""
SMOOTHING = 0.4
"""Share of the newest step in the speed of a track."""


@dataclass(frozen=True)
class Sighting:
    """A figure of a track in one frame; the mask is packed, eight pixels a byte.

    Attributes:
        number: of the frame.
        box: of the figure.
        packed: its mask.
        pieces: in which it was found.
        fault: why the frame is of no use, "" if it is.
    """

    number: int
    box: Box
    packed: np.ndarray
    pieces: int
    fault: str = ""

    @property
    def mask(self) -> np.ndarray:
        """(h, w) bool."""
        height, width = int(self.box.height), int(self.box.width)
        return np.unpackbits(self.packed, count=height * width).reshape(height, width).astype(bool)


@dataclass
class Track:
    """One person for as long as nobody else is met.

    Attributes:
        identity: number of the track, from 1 on.
        merged: it shows two people at once.
        sightings: frame by frame.
        end: why it ended.
        speed: pixels a frame to the right and down.
        widest: columns of the widest figure.
        alone: frames since it last was nearly as wide.
    """

    identity: int
    merged: bool = False
    sightings: list[Sighting] = field(default_factory=list)
    end: str = ""
    speed: np.ndarray = field(default_factory=lambda: np.zeros(2))
    widest: float = 0.0
    alone: int = 0

    def expected(self, number: int) -> Box:
        """Where the figure should be in a frame."""
        last = self.sightings[-1]
        return last.box.moved(*(self.speed * (number - last.number)))

    def add(self, sighting: Sighting) -> None:
        """Append a frame."""
        if self.sightings:
            last = self.sightings[-1]
            # the middle between the sides moves less than the sides do, which legs and arms shift
            step = np.subtract(sighting.box.centre, last.box.centre) / (sighting.number - last.number)
            self.speed = (1 - SMOOTHING) * self.speed + SMOOTHING * step if len(self.sightings) > 1 else step
        self.sightings.append(sighting)
        self.widest = max(self.widest, sighting.box.width)
        self.alone = self.alone + 1 if sighting.box.width < SLIM * self.widest else 0


class Tracker:
    """Follows figures through the frames of a video.

    Args:
        size: (H, W) of the frames.
        every: difference between the numbers of two frames.
        least_height: rows below which a figure is too small.
        count: tracks that there were before.

    Attributes:
        active: tracks that go on.
        count: tracks so far.
    """

    def __init__(self, size: tuple[int, int], every: int = 1, least_height: float = 0.0, count: int = 0) -> None:
        self.active: list[Track] = []
        self._size, self._every, self._least = size, every, least_height
        self.count = count
        self._joint: set[int] = set()

    def expected(self, number: int) -> list[Box]:
        """Where the figures should be in a frame whose height is known by now, as tall as they usually are."""
        known = [track for track in self.active if len(track.sightings) >= KNOWN and not track.merged]
        return [_grown_up(track.expected(number), track.sightings[-2 * KNOWN :]) for track in known]

    def step(self, number: int, figures: Sequence[Figure]) -> list[Track]:
        """Take the figures of the next frame.

        Args:
            number: of the frame.
            figures: in it.

        Returns:
            Tracks that have ended.
        """
        boxes = [figure.box for figure in figures]
        faults = self._faults(figures)
        ended = self._meetings(number, boxes)
        pairs = self._assign(number, boxes)
        for row, column in pairs.items():
            self.active[row].add(_sighting(number, figures[column], faults[column]))
        for column in sorted(set(range(len(figures))) - set(pairs.values())):
            self.count += 1
            track = Track(self.count, merged=column in self._joint)
            track.add(_sighting(number, figures[column], faults[column]))
            self.active.append(track)
        return ended + self._retire(number)

    def finish(self) -> list[Track]:
        """End all tracks."""
        for track in self.active:
            track.end = track.end or "the video ended"
        ended, self.active = self.active, []
        return ended

    def _faults(self, figures: Sequence[Figure]) -> list[str]:
        height, width = self._size
        boxes = [figure.box for figure in figures]
        result = []
        for i, box in enumerate(boxes):
            others = max((box.shared(other) / box.area for j, other in enumerate(boxes) if j != i), default=0.0)
            if box.left <= 1 or box.top <= 1 or box.right >= width - 1 or box.bottom >= height - 1:
                result.append("cut by the border")
            elif others > TOUCH:
                result.append("overlapped by another figure")
            elif box.height < self._least:
                result.append("too small")
            else:
                result.append("")
        return result

    def _meetings(self, number: int, boxes: Sequence[Box]) -> list[Track]:
        """End the tracks that have met in one figure, and the joint figures that have parted."""
        self._joint = set()
        ended: list[Track] = []
        for column, box in enumerate(boxes):
            met = [track for track in self.active if self._lies_in(track, number, box, boxes)]
            if len(met) < 2:
                continue
            people = [track for track in met if track.sightings[-1].box.height > PERSON * box.height]
            if len(people) > 1:
                self._joint.add(column)
                ended += [track for track in people if track not in ended]
            # what is lower was a part of the same figure
            ended += [track for track in met if track not in people and track not in ended and people]
        for track in self.active:
            if track not in ended and self._parts(track, number, boxes):
                track.merged = True
                ended.append(track)
            elif track not in ended and track.merged and track.alone >= ALONE:
                ended.append(track)
        for track in ended:
            track.end = "met another figure" if not track.merged else "parted"
        self.active = [track for track in self.active if track not in ended]
        return ended

    def _lies_in(self, track: Track, number: int, box: Box, boxes: Sequence[Box]) -> bool:
        """Whether a track's figure should be in a box, and fits no other one better."""
        place = track.expected(number)
        if len(track.sightings) < OLD or place.shared(box) <= SWALLOWED * place.area:
            return False
        # of two figures that stand beside each other each is mostly in its own box
        return not any(other is not box and place.iou(other) > place.iou(box) for other in boxes)

    def _parts(self, track: Track, number: int, boxes: Sequence[Box]) -> bool:
        """Whether two people come out of one figure."""
        if len(track.sightings) < OLD:
            return False
        place, height = track.expected(number), track.sightings[-1].box.height
        own = [box for box in boxes if place.shared(box) > 0.6 * box.area and box.height > PERSON * height]
        return len(own) > 1

    def _assign(self, number: int, boxes: Sequence[Box]) -> dict[int, int]:
        """Which figure goes to which track: place of the track -> place of the figure."""
        if not self.active or not boxes:
            return {}
        costs = np.full((len(self.active), len(boxes)), 1e3)
        for row, track in enumerate(self.active):
            place = track.expected(number)
            for column, box in enumerate(boxes):
                if column in self._joint:
                    continue
                size = max(place.height, place.width)
                away = float(np.hypot(*np.subtract(box.centre, place.centre))) / size
                change = max(box.height, place.height) / max(min(box.height, place.height), 1.0)
                if away < REACH and change < GROWTH:
                    costs[row, column] = 1 - place.iou(box) + 0.5 * away
        rows, columns = linear_sum_assignment(costs)
        return {int(r): int(c) for r, c in zip(rows, columns, strict=True) if costs[r, c] < 1e3}

    def _retire(self, number: int) -> list[Track]:
        ended = []
        for track in self.active:
            if number - track.sightings[-1].number >= PATIENCE * self._every:
                track.end = "left the view"
            elif len(track.sightings) >= LONGEST:
                track.end = "goes on as the next walker"
            if track.end:
                ended.append(track)
        self.active = [track for track in self.active if not track.end]
        return ended


def _grown_up(box: Box, recent: Sequence[Sighting]) -> Box:
    """A box from the ground up to the height that a figure usually has: its head may be lost for a while."""
    usual = float(np.quantile([sighting.box.height for sighting in recent], 0.7))
    return Box(box.left, min(box.top, box.bottom - usual), box.right, box.bottom)


def _sighting(number: int, figure: Figure, fault: str) -> Sighting:
    return Sighting(number, figure.box, np.packbits(figure.mask), figure.pieces, fault)
