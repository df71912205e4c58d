"""A video -> walks: sampling, camera motion, segmentation, tracking and the choice of walks, frame by frame."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from meshgait.errors import DataError
from meshgait.progress import Progress
from meshgait.video.figures import Segmenter
from meshgait.video.frames import Look, Video
from meshgait.video.live import interrupt_ends
from meshgait.video.motion import camera_motion
from meshgait.video.reading import open_video
from meshgait.video.results import Refusal, Silhouettes, Snapshot, VideoReport, Walk, snapshot
from meshgait.video.segmenters import make_segmenter
from meshgait.video.stretches import Stretch, stretches
from meshgait.video.tracking import Sighting, Track, Tracker
from meshgait.video.walking import judge, passes

NOTED = 100
"""Frames at least between two notes of how far a run is."""
SHOWN, SHOWN_ROWS = 8, 128
"""Cut-outs of a track that are kept to look at, and their rows."""
SPECK = 10
"""Frames of a track below which it is not reported by itself."""
LEAST_HEIGHT = 40
"""Pixels of the video that a walker must be high."""
LIVE_LISTED = 1000
"""Walks, and things that are none, that the report of a webcam or stream names at most, the last ones."""


class Extraction:
    """Finds the walks of a video, one after the other.

    Args:
        video: where to look.
        segmenter: what cuts figures out.
        least_height: pixels of the video that a walker must be high.
        snapshots: keep a few cut-outs of each walk to look at.
        start: number of the frame to begin with.
        walkers: who walked before it.
        show: show progress.
        quietly: called now and then while nobody is in view, with the report, the number of the next frame and the
            number of walkers: a later run may go on from there.

    Attributes:
        report: what was seen so far.
        quiet: number of a frame before which all tracks have ended.
        walkers: who walked so far.
    """

    def __init__(
        self,
        video: Video,
        segmenter: Segmenter,
        least_height: float = LEAST_HEIGHT,
        snapshots: bool = True,
        start: int = 0,
        walkers: int = 0,
        show: bool = True,
        quietly: Callable[[VideoReport, int, int], None] | None = None,
    ) -> None:
        self.video, self.segmenter = video, segmenter
        self.report = VideoReport(video.name, segmenter.name, video.rate, video.size, video.scale)
        self.quiet, self.walkers = start, walkers
        self._tracker = Tracker(video.size, video.look.every, least_height * video.scale)
        self._shown: dict[int, list[Snapshot]] = defaultdict(list)
        self._snapshots, self._start, self._show = snapshots, start, show
        self._quietly, self._noted = quietly, start

    def walks(self) -> Iterator[Walk]:
        """The walks, each as soon as it is over.

        Raises:
            DataError: the camera moves all the time and the segmenter needs a still one.
        """
        done, total = self._start, self.video.length or 1
        show = self._show and self.video.length is not None
        with Progress(f"looking at {Path(self.video.name).name}", total, "frames", done, show) as progress:
            for stretch in stretches(self.video, self._start):
                self.report.camera.append(camera_motion(stretch.pairs))
                if self.segmenter.needs_still_camera and not self.report.camera[-1].still:
                    if self.video.live:
                        self._check_camera()  # else a moving webcam would be skipped for ever
                    yield from self._skip(stretch, progress)
                    continue
                self.segmenter.learn(stretch.samples)
                yield from self._follow(stretch, progress)
            yield from self._take(self._tracker.finish())
        self._check_camera()

    def _follow(self, stretch: Stretch, progress: Progress) -> Iterator[Walk]:
        for number, picture in stretch.frames:
            figures = self.segmenter.figures(picture, self._tracker.expected(number))
            ended = self._tracker.step(number, figures)
            if self._snapshots:
                self._keep(number, picture)
            self.report.frames += 1
            yield from self._take(ended)
            self._rest(number + 1)
            progress.reach(number + 1, f"{len(self.report.walks)} walks")

    def _skip(self, stretch: Stretch, progress: Progress) -> Iterator[Walk]:
        """Pass over a stretch in which the camera moves."""
        yield from self._take(self._tracker.finish())
        for number, _ in stretch.frames:
            self.report.frames += 1
            self._rest(number + 1)
            progress.reach(number + 1)

    def _rest(self, number: int) -> None:
        """Record that a later run may continue with a frame in which nobody is in view."""
        if self._tracker.active:
            return
        self.quiet = number
        if self._quietly is not None and number >= self._noted + NOTED:
            self._noted = number
            self._quietly(self.report, number, self.walkers)

    def _check_camera(self) -> None:
        moving = [motion for motion in self.report.camera if not motion.still]
        if not moving or not self.segmenter.needs_still_camera:
            return
        what = f"the camera moves ({max(motion.pixels for motion in moving):.1f} px a frame)"
        remedy = "put it on a stand, or give another --segmenter, which needs no still camera"
        if len(moving) == len(self.report.camera):
            raise DataError(f"{self.video.name}: {what}, and `{self.segmenter.name}` needs a still one", remedy)
        share = len(moving) / len(self.report.camera)
        self.report.warnings.append(f"{what} in {share:.0%} of the video, which was passed over; {remedy}")

    def _keep(self, number: int, picture: np.ndarray) -> None:
        """Keep cut-outs of the tracks, at growing distances in time."""
        for track in self._tracker.active:
            shown, last = self._shown[track.identity], track.sightings[-1]
            age = len(track.sightings) - 1
            apart = 2 ** max(int(np.log2(max(age, 1) / SHOWN)), 0) if age else 1
            if last.number != number or last.fault or age % max(apart, 3):
                continue
            box = last.box
            shown.append(snapshot(number, picture, last.mask, int(box.left), int(box.top), SHOWN_ROWS))
            if len(shown) > 2 * SHOWN:
                self._shown[track.identity] = shown[::2]

    def _take(self, tracks: list[Track]) -> Iterator[Walk]:
        """Walks of tracks that have ended."""
        for track in tracks:
            shown = self._shown.pop(track.identity, [])
            if len(track.sightings) < SPECK:
                self.report.specks += 1
                continue
            yield from self._judged(track, shown)

    def _judged(self, track: Track, shown: list[Snapshot]) -> Iterator[Walk]:
        dropped: dict[str, int] = defaultdict(int)
        for sighting in track.sightings:
            if sighting.fault:
                dropped[sighting.fault] += 1
        if track.merged:
            self._refuse(track.sightings, "several people who overlap")
            return
        parts = passes(track.sightings, self.video.rate, self.video.look.every)
        number = 0
        for part in parts:
            verdict = judge(part, self.video.rate, self.video.size[1])
            if not verdict.walk:
                if len(part) >= SPECK:
                    self._refuse(part, verdict.reason + _because(dropped, len(part)))
                continue
            number += 1
            self.walkers += number == 1
            numbers = np.array([sighting.number for sighting in part])
            walk = Walk(
                walker=self.walkers,
                number=number,
                direction=verdict.direction,
                frames=numbers,
                masks=[sighting.mask for sighting in part],
                corners=np.array([sighting.box[:2] for sighting in part], int),
                scale=self.video.scale,
                in_pieces=float(np.mean([sighting.pieces > 1 for sighting in part])),
                dropped=dict(dropped),
                snapshots=[shot for shot in shown if numbers[0] <= shot.number <= numbers[-1]][:SHOWN],
            )
            self._list(self.report.walks, walk.summary())
            yield walk
        if not any(len(part) >= SPECK for part in parts):
            reason = f"too few frames ({max(map(len, parts), default=0)})"
            self._refuse(track.sightings, reason + _because(dropped, 0))

    def _refuse(self, sightings: list[Sighting], reason: str) -> None:
        first, last = sightings[0].number, sightings[-1].number
        self._list(self.report.refused, Refusal(first, last, len(sightings), reason).summary())

    def _list(self, rows: list[dict[str, Any]], row: dict[str, Any]) -> None:
        """Add to the report, whose length is limited."""
        rows.append(row)
        if self.video.live:
            del rows[:-LIVE_LISTED]


def _because(dropped: dict[str, int], frames: int) -> str:
    """The main reason why frames were left out, if it was more frames than those that are left."""
    if sum(dropped.values()) <= frames:
        return ""
    reason = max(dropped, key=lambda name: dropped[name])
    return f"; {dropped[reason]} were {reason}"


def silhouettes(
    video: Path | str | int,
    segmenter: str | Segmenter = "subtract",
    look: Look | None = None,
    least_height: float = LEAST_HEIGHT,
    seconds: float | None = 60.0,
    progress: bool = False,
) -> Silhouettes:
    """Find, follow and cut out each walker of a video.

    Memory grows with the length of the walks, not with that of the video; the command writes each walk when it is
    over and keeps none. Ctrl-C ends a webcam or stream, and what was seen until then is returned.

    Args:
        video: a video file, a folder of its frames, the number of a webcam, or the address of a stream.
        segmenter: "subtract" (the camera stands still), "torchvision", the path of an .onnx or .tflite file, or
            an object of your own with the methods of `meshgait.video.figures.Segmenter`.
        look: which frames and which part of them are looked at.
        least_height: pixels that a walker must be high.
        seconds: for which a webcam or stream is read; None: until it ends.
        progress: show how far it is.

    Returns:
        The walks, and a report that says what else was seen and why it was left out.

    Raises:
        DataError: the video cannot be read, or its camera moves and the segmenter needs a still one.
        ConfigError: a setting is wrong, or a package is missing.
    """
    chosen = make_segmenter(segmenter) if isinstance(segmenter, str) else segmenter
    opened = open_video(video, look, seconds)
    extraction = Extraction(opened, chosen, least_height, show=progress)
    with interrupt_ends(opened):
        return Silhouettes(list(extraction.walks()), extraction.report)
