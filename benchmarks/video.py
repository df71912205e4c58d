"""Silhouettes of videos: how exact and how fast, beside OpenCV's background subtraction.

    python benchmarks/video.py [--kth FOLDER] [--json OUT]

Films of rendered walkers with exact masks, encoded as mp4: ``subtract``, the default of `meshgait silhouettes`,
beside OpenCV's MOG2 and KNN with their shadows taken off, a median filter, and closing. IoU is that of everything
in a frame; a frame is in pieces where it has more parts of at least 3 % of the truth than the truth has.
``subtract`` joins pieces and drops far ones, so none are left: the last line says how many frames were in
pieces before. Speed is that of the whole way from the file to walks, in frames per second of processor time on
one core, at 480 lines.

With a folder of KTH's videos and learned masks, walks are compared with those in the cropped frame as well. Frames
that are not given (no walk was found there) do not count in the IoU, and stand beside it.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from meshgait.data.silhouettes import normalise
from meshgait.synthetic.film import Film, backdrop, shoot, walking_actor, write_video
from meshgait.video.extract import silhouettes
from meshgait.video.subtraction import Subtraction

Frames = list[np.ndarray]
LEAST, PART = 600, 0.03
KTH_FIRST = {
    "01-d1": (14, 166, 341, 493), "05-d1": (28, 157, 328, 476), "06-d1": (21, 140, 253, 367),
    "01-d4": (34, 183, 298, 469), "05-d4": (29, 163, 275, 426), "06-d4": (32, 157, 264, 404),
}  # fmt: skip
"""Frame of each clip at which the learned passes begin, found by the best overlap."""


def main() -> None:
    """Make the films, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--films", type=int, default=5, help="of different people and backgrounds")
    parser.add_argument("--kth", type=Path, help="folder that holds videos/ and kth/")
    parser.add_argument("--json", type=Path, help="file for the figures")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    figures: dict[str, object] = {}
    with tempfile.TemporaryDirectory() as folder:
        figures["films"] = exactness(Path(folder), arguments.films)
        figures["speed"] = speed(Path(folder))
    if arguments.kth:
        figures["kth"] = beside_learned(arguments.kth)
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1) + "\n")


def exactness(folder: Path, count: int) -> dict[str, dict[str, float]]:
    """IoU with the truth and share of frames in pieces, per method."""
    rows: dict[str, list[tuple[float, float]]] = {name: [] for name in METHODS}
    joined = []
    for seed in range(count):
        film = two_in_turn((240, 320), seed)
        write_video(folder / "film.mp4", film.frames)
        frames, truth = read(folder / "film.mp4"), film.masks.any(axis=0)
        for name, method in METHODS.items():
            masks = method(frames)
            seen = [k for k in range(len(frames)) if truth[k].sum() >= LEAST]
            rows[name].append(
                (
                    float(np.mean([iou(masks[k], truth[k]) for k in seen])),
                    float(np.mean([parts(masks[k], truth[k]) > max(parts(truth[k], truth[k]), 1) for k in seen])),
                )
            )
        joined += [walk.in_pieces for walk in silhouettes(folder / "film.mp4").walks]
    result = means(rows, "in_pieces")
    print(f"films with truth ({count}, 240 lines): IoU, frames in pieces")
    for name, row in result.items():
        print(f"  {name:10} {row['iou']:.3f} {row['in_pieces']:6.1%}")
    print(f"  subtract, before pieces are joined, in the walks given out: {np.mean(joined):.1%}")
    result["subtract"]["in_pieces_before"] = float(np.mean(joined))
    return result


def two_in_turn(size: tuple[int, int], seed: int) -> Film:
    """A film of two people who come from both sides, one after the other."""
    first = walking_actor(seed % 8, 80, (10, 215), 115 + 10 * (seed % 5), seed=seed)
    second = walking_actor((seed + 3) % 8, 80, (310, 225), 125, view=90, first=60, seed=seed + 10)
    noise, shadow = 3 + seed % 2 * 2, (0.6, 0.5, 0.7, 0.55, 0.65)[seed % 5]
    return shoot([first, second], backdrop(size, 150, seed=seed), 150, noise, shadow, seed=seed)


def speed(folder: Path) -> dict[str, float]:
    """Frames per second of processor time at 480 lines, by the number of walkers in view at once."""
    result = {}
    for count in (1, 2, 4):
        places = np.linspace(0, 500, count, endpoint=False) + 60
        actors = [walking_actor(n, 100, (x, 430 - 15 * n), 220) for n, x in enumerate(places)]
        write_video(folder / "fast.mp4", shoot(actors, backdrop((480, 854), 300), 100).frames)
        clock = time.process_time()
        found = silhouettes(folder / "fast.mp4")
        result[f"{count} walkers"] = found.report.frames / (time.process_time() - clock)
        walks = len(found.walks)
        frames = read(folder / "fast.mp4")
        for name in ("MOG2", "KNN"):
            clock = time.process_time()
            METHODS[name](frames)
            result[f"{count} walkers {name}"] = len(frames) / (time.process_time() - clock)
        words = ", ".join(f"{name} {result[f'{count} walkers {name}']:.0f}" for name in ("MOG2", "KNN"))
        rate = result[f"{count} walkers"]
        print(f"480 lines, {count} walkers: {rate:.1f} frames/s ({walks} walks); masks alone: {words}")
    return result


def beside_learned(folder: Path) -> dict[str, dict[str, float]]:
    """IoU with learned masks in the cropped frame, and share of frames that are not given, per method."""
    rows: dict[str, list[tuple[float, float]]] = {"walks": [], "MOG2": [], "KNN": []}
    for clip, firsts in KTH_FIRST.items():
        path = folder / "videos" / f"kth-{clip}.avi"
        with np.load(folder / "kth" / f"{clip[3:]}.npz") as learned:
            own = np.flatnonzero(learned["person"] == clip[:2])
            bits = np.unpackbits(learned["packed"], axis=-1)[..., :44] > 0
            spans = [(int(learned["start"][k]), int(learned["frames"][k])) for k in own]
        truth = {first + k: bits[at + k] for first, (at, n) in zip(firsts, spans, strict=True) for k in range(n)}
        found = silhouettes(path).walks
        given = {int(t): m for walk in found for t, m in zip(walk.frames, walk.masks, strict=True)}
        rows["walks"].append(compared(given, truth))
        frames = read(path)
        for name in ("MOG2", "KNN"):
            rows[name].append(compared(dict(enumerate(map(largest, METHODS[name](frames)))), truth))
    result = means(rows, "missing")
    print("KTH, six clips beside learned masks, cropped: IoU of frames given, frames not given")
    for name, row in result.items():
        print(f"  {name:10} {row['iou']:.3f} {row['missing']:6.1%}")
    return result


def compared(given: dict[int, np.ndarray], truth: dict[int, np.ndarray]) -> tuple[float, float]:
    """Mean IoU of the frames given, and the share of the truth's frames that are not."""
    scores = []
    for number, mask in truth.items():
        image = np.pad(given[number].astype(np.uint8) * 255, ((0, 0), (40, 40))) if number in given else None
        crop = None if image is None else normalise(image)[0]
        if crop is not None:
            scores.append(iou(crop > 127, mask))
    return float(np.mean(scores)), 1 - len(scores) / len(truth)


def means(rows: dict[str, list[tuple[float, float]]], second: str) -> dict[str, dict[str, float]]:
    """Means of both figures of each method."""
    return {
        name: dict(zip(("iou", second), np.mean(row, axis=0).tolist(), strict=True)) for name, row in rows.items()
    }


def read(path: Path) -> Frames:
    """All frames of a video."""
    capture, frames = cv2.VideoCapture(str(path)), []
    while (got := capture.read())[0]:
        frames.append(got[1])
    return frames


def ours(frames: Frames) -> Frames:
    """Masks of `subtract`, without tracking."""
    segmenter, masks = Subtraction(), []
    segmenter.learn([frames[k] for k in np.unique(np.linspace(0, len(frames) - 1, 31).astype(int))])
    for frame in frames:
        mask = np.zeros(frame.shape[:2], bool)
        for figure in segmenter.figures(frame):
            left, top, right, bottom = (int(side) for side in figure.box)
            mask[top:bottom, left:right] |= figure.mask
        masks.append(mask)
    return masks


def opencv(make: Callable[[], cv2.BackgroundSubtractor]) -> Callable[[Frames], Frames]:
    """Masks of one of OpenCV's, which sees the video backwards first."""

    def masks(frames: Frames) -> Frames:
        subtractor, found = make(), []
        for frame in frames[::-1][:150]:
            subtractor.apply(frame)
        for frame in frames:
            mask = cv2.medianBlur((subtractor.apply(frame) == 255).astype(np.uint8), 5)
            found.append(cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8)) > 0)
        return found

    return masks


METHODS: dict[str, Callable[[Frames], Frames]] = {
    "subtract": ours,
    "MOG2": opencv(lambda: cv2.createBackgroundSubtractorMOG2(500, 16, True)),
    "KNN": opencv(lambda: cv2.createBackgroundSubtractorKNN(500, 400, True)),
}


def largest(mask: np.ndarray) -> np.ndarray:
    """The largest part of a mask."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    return labels == 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax()) if count > 1 else mask


def parts(mask: np.ndarray, truth: np.ndarray) -> int:
    """Parts of a mask that have 3 % of the truth's area or more."""
    stats = cv2.connectedComponentsWithStats(mask.astype(np.uint8))[2]
    return int((stats[1:, cv2.CC_STAT_AREA] >= PART * truth.sum()).sum())


def iou(a: np.ndarray, b: np.ndarray) -> float:
    """Intersection over union of two masks."""
    return float((a & b).sum() / max((a | b).sum(), 1))


if __name__ == "__main__":
    main()
