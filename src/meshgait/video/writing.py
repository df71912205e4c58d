"""The folder of one video: PNG silhouettes, contact sheets, a report; each walk is there whole or not at all.

::

    OUT/walker-001/pass-01/right/000123.png   silhouettes, one a frame, numbered as in the video
    OUT/walker-001/pass-01/right.png          what they were cut out of, to look at
    OUT/contact-sheet.png                     all of these
    OUT/report.json                           what was found, what was left out and why
    OUT/progress.json                         while it is made: where to go on
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from meshgait.atomic import atomic_file, atomic_folder
from meshgait.errors import OutputError
from meshgait.textfiles.reading import Schema, TextFile
from meshgait.video.motion import CameraMotion
from meshgait.video.results import VideoReport, Walk

REPORT, PROGRESS, SHEET = "report.json", "progress.json", "contact-sheet.png"
MOST_STRIPS = 100
"""Walks on the contact sheet at most."""
ROWS, GAP = 128, 4
"""Height of a figure on a contact sheet, and the space around it, pixels."""
OUTLINE = (0, 160, 255)
"""Colour of the outline, BGR."""


class State(Schema):
    """State of an interrupted run: all walks before ``quiet`` are written.

    Attributes:
        settings: of the run.
        quiet: number of the frame to go on with.
        walkers: who walked so far.
        frames: looked at.
        specks: tracks of a few frames.
        pixels: motion of the camera in each stretch.
        still: whether it counted as standing still there.
        walks: summaries.
        refused: summaries.
    """

    settings: dict[str, Any]
    quiet: int
    walkers: int
    frames: int
    specks: int
    pixels: list[float]
    still: list[bool]
    walks: list[dict[str, Any]]
    refused: list[dict[str, Any]]


class WalkFolder:
    """Writes the walks of one video.

    Args:
        path: of the folder.
        settings: of the run, in plain types; an interrupted run goes on only where they are the same.
        overwrite: replace an earlier result.

    Attributes:
        state: of an interrupted run; None to begin.

    Raises:
        OutputError: something else is there, or it cannot be written.
    """

    def __init__(self, path: Path, settings: dict[str, Any], overwrite: bool = False) -> None:
        self.path, self.settings = path, settings
        self.state: State | None = None
        if not path.exists() or (path.is_dir() and not any(path.iterdir())):
            return
        ours = [name for name in (REPORT, PROGRESS) if (path / name).is_file()]
        if not ours:
            raise OutputError(f"{path} is no earlier result, so nothing is written there", "give another --out")
        if overwrite:
            _remove(path)
        elif REPORT in ours:
            raise OutputError(f"{path} exists", "give another --out, or --overwrite")
        else:
            remedy = "give --overwrite to begin again"
            state = TextFile(path / PROGRESS, remedy, "progress of this command", OutputError).json(State)
            if state.settings != settings:
                raise OutputError(f"{path} was begun with another video or other settings", remedy)
            self.state = state

    def write(self, walk: Walk) -> None:
        """Write the silhouettes of a walk, and the strip to look at.

        Raises:
            OutputError: the disk is full, or the folder cannot be written.
        """
        with atomic_folder(self.path / walk.folder) as folder:
            for number, image in zip(walk.frames, walk.silhouettes(), strict=True):
                (folder / f"{number:06d}.png").write_bytes(_png(image))
        with atomic_file(self._strip(walk.folder)) as file:
            file.write_bytes(_png(strip(walk)))

    def note(self, report: VideoReport, quiet: int, walkers: int) -> None:
        """Write the state from which an interrupted run continues."""
        content = {
            "settings": self.settings,
            "quiet": quiet,
            "walkers": walkers,
            "frames": report.frames,
            "specks": report.specks,
            "pixels": [motion.pixels for motion in report.camera],
            "still": [motion.still for motion in report.camera],
            "walks": report.walks,
            "refused": report.refused,
        }
        with atomic_file(self.path / PROGRESS) as file:
            file.write_text(json.dumps(content, indent=1) + "\n")

    def finish(self, report: VideoReport) -> None:
        """Write contact sheet and report."""
        self._draw_sheet([walk["folder"] for walk in report.walks[:MOST_STRIPS]])
        with atomic_file(self.path / REPORT) as file:
            file.write_text(json.dumps(report.summary(), indent=1) + "\n")
        (self.path / PROGRESS).unlink(missing_ok=True)

    def _strip(self, folder: str) -> Path:
        return self.path / f"{folder}.png"

    def _draw_sheet(self, folders: list[str]) -> None:
        read = (cv2.imread(str(self._strip(folder))) for folder in folders)
        strips = [picture for picture in read if picture is not None]
        if not strips:
            return
        width = max(picture.shape[1] for picture in strips)
        wide = [np.pad(picture, ((0, 0), (0, width - picture.shape[1]), (0, 0))) for picture in strips]
        with atomic_file(self.path / SHEET) as file:
            file.write_bytes(_png(np.concatenate(wide)))


def resume(report: VideoReport, state: State) -> None:
    """Continue a report where an interrupted run stopped."""
    report.frames, report.specks = state.frames, state.specks
    report.walks, report.refused = state.walks, state.refused
    # the interrupted stretch is measured again
    report.camera = [CameraMotion(*motion) for motion in zip(state.pixels, state.still, strict=True)][:-1]


def strip(walk: Walk) -> np.ndarray:
    """A few cut-outs of a walk side by side, outlined above, silhouettes below: (h, w, 3) uint8."""
    cells = []
    for shot in walk.snapshots:
        outlined = shot.picture.copy()
        edges, _ = cv2.findContours(shot.mask.astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(outlined, edges, -1, OUTLINE, 1)
        white = np.repeat(np.where(shot.mask, np.uint8(255), np.uint8(0))[..., None], 3, axis=2)
        gap = np.zeros((GAP, white.shape[1], 3), np.uint8)
        cells.append(np.pad(np.concatenate([outlined, gap, white]), ((GAP, GAP), (GAP, GAP), (0, 0))))
    text = f"{walk.folder}: {len(walk.frames)} frames from {walk.frames[0]}, {walk.height:.0f} px high"
    row = np.concatenate(cells, axis=1) if cells else np.zeros((2 * ROWS + 3 * GAP, 1, 3), np.uint8)
    row = np.pad(row, ((0, 0), (0, max(8 * len(text) - row.shape[1], 0)), (0, 0)))
    head = np.full((20, row.shape[1], 3), 40, np.uint8)
    cv2.putText(head, text, (GAP, 14), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (255, 255, 255), 1, cv2.LINE_AA)
    return np.concatenate([head, row])


def _png(image: np.ndarray) -> bytes:
    """A picture as PNG; by bytes, for OpenCV says nothing of a disk that is full."""
    return cv2.imencode(".png", image)[1].tobytes()


def _remove(path: Path) -> None:
    """Remove an earlier result, and nothing else that may lie there."""
    try:
        for folder in path.glob("walker-*"):
            shutil.rmtree(folder)
        for name in (REPORT, PROGRESS, SHEET):
            (path / name).unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"{path} cannot be cleared ({error.strerror})", "give another --out") from error
