"""Silhouettes of videos: how exact and how fast, beside OpenCV's background subtraction.

    python benchmarks/video.py [--kth FOLDER] [--segmenter FILE] [--json OUT]

Films of rendered walkers with exact masks, encoded as mp4: ``subtract``, the default of `meshgait silhouettes`,
beside OpenCV's MOG2 and KNN with their shadows taken off, a median filter, and closing. IoU is that of everything
in a frame; a frame is in pieces where it has more parts of at least 3 % of the truth than the truth has.
``subtract`` joins pieces and drops far ones, so none are left: the last line says how many frames were in
pieces before. Speed is that of the whole way from the file to walks, in processor time on one core, at 480 lines.

With a folder of KTH's videos and learned masks, walks are compared with those in the cropped frame as well. Frames
that are not given (no walk was found there) do not count in the IoU, and stand beside it.

``--segmenter`` measures another one in the same ways, and on KTH's clips beside ``subtract``: IoU where both give
a mask, in pixels of the frame.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from meshgait.data.silhouettes import normalise
from meshgait.synthetic.film import Film, backdrop, shoot, walking_actor, write_video
from meshgait.video.extract import silhouettes
from meshgait.video.figures import Segmenter
from meshgait.video.results import Walk
from meshgait.video.segmenters import make_segmenter
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
    parser.add_argument("--segmenter", help="another one: torchvision, FILE.onnx or FILE.tflite")
    parser.add_argument("--json", type=Path, help="file for the figures")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    figures: dict[str, object] = {}
    others = {Path(arguments.segmenter).name: make_segmenter(arguments.segmenter)} if arguments.segmenter else {}
    with tempfile.TemporaryDirectory() as folder:
        figures["films"] = exactness(Path(folder), arguments.films, others)
        figures["speed"] = speed(Path(folder), others)
    if arguments.kth:
        figures["kth"] = beside_learned(arguments.kth, others)
        figures["kth, beside subtract"] = {
            name: beside_subtract(arguments.kth, name, segmenter) for name, segmenter in others.items()
        }
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1) + "\n")


def exactness(folder: Path, count: int, others: dict[str, Segmenter]) -> dict[str, dict[str, float]]:
    """IoU with the truth and share of frames in pieces, per method."""
    methods = METHODS | {
        name: segmented(lambda segmenter=segmenter: segmenter) for name, segmenter in others.items()
    }
    rows: dict[str, list[tuple[float, float]]] = {name: [] for name in methods}
    joined = []
    for seed in range(count):
        film = two_in_turn((240, 320), seed)
        write_video(folder / "film.mp4", film.frames)
        frames, truth = read(folder / "film.mp4"), film.masks.any(axis=0)
        for name, method in methods.items():
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


def speed(folder: Path, others: dict[str, Segmenter]) -> dict[str, float]:
    """Milliseconds of processor time a frame at 480 lines, by method and number of walkers in view at once."""
    result = {}
    for count in (1, 2, 4):
        places = np.linspace(0, 500, count, endpoint=False) + 60
        actors = [walking_actor(n, 100, (x, 430 - 15 * n), 220) for n, x in enumerate(places)]
        path, frames = folder / "fast.mp4", shoot(actors, backdrop((480, 854), 300), 100).frames
        write_video(path, frames)
        runs: dict[str, Callable[[], object]] = {
            name: partial(silhouettes, path, segmenter)
            for name, segmenter in {"subtract": Subtraction(), **others}.items()
        }
        runs |= {f"{name}, masks alone": partial(METHODS[name], read(path)) for name in ("MOG2", "KNN")}
        for name, run in runs.items():
            clock = time.process_time()
            run()
            each = 1000 * (time.process_time() - clock) / len(frames)
            result[f"{count} walkers, {name}"] = each
            print(f"480 lines, {count} walkers, {name}: {each:.1f} ms a frame, {1000 / each:.1f} frames/s")
    return result


def beside_learned(folder: Path, others: dict[str, Segmenter]) -> dict[str, dict[str, float]]:
    """IoU with learned masks in the cropped frame, and share of frames that are not given, per method."""
    rows: dict[str, list[tuple[float, float]]] = {name: [] for name in ("subtract", *others, "MOG2", "KNN")}
    for clip, firsts in KTH_FIRST.items():
        path = folder / "videos" / f"kth-{clip}.avi"
        with np.load(folder / "kth" / f"{clip[3:]}.npz") as learned:
            own = np.flatnonzero(learned["person"] == clip[:2])
            bits = np.unpackbits(learned["packed"], axis=-1)[..., :44] > 0
            spans = [(int(learned["start"][k]), int(learned["frames"][k])) for k in own]
        truth = {first + k: bits[at + k] for first, (at, n) in zip(firsts, spans, strict=True) for k in range(n)}
        for name, segmenter in {"subtract": Subtraction(), **others}.items():
            found = silhouettes(path, segmenter).walks
            given = {int(t): m for walk in found for t, m in zip(walk.frames, walk.masks, strict=True)}
            rows[name].append(compared(given, truth))
        frames = read(path)
        for name in ("MOG2", "KNN"):
            rows[name].append(compared(dict(enumerate(map(largest, METHODS[name](frames)))), truth))
    result = means(rows, "missing")
    print("KTH, six clips beside learned masks, cropped: IoU of frames given, frames not given")
    for name, row in result.items():
        print(f"  {name:10} {row['iou']:.3f} {row['missing']:6.1%}")
    return result


def beside_subtract(folder: Path, name: str, other: Segmenter) -> dict[str, dict[str, float]]:
    """Of all clips: walks and frames given, share of these in pieces, speed of both, and their IoU."""
    segmenters, overlaps = {"subtract": Subtraction(), name: other}, []
    rows = {one: dict.fromkeys(("walks", "frames", "in_pieces", "seen", "seconds"), 0.0) for one in segmenters}
    for clip in KTH_FIRST:
        masks: dict[str, dict[int, np.ndarray]] = {}
        for one, segmenter in segmenters.items():
            clock = time.process_time()
            found = silhouettes(folder / "videos" / f"kth-{clip}.avi", segmenter)
            rows[one]["seconds"] += time.process_time() - clock
            rows[one]["seen"] += found.report.frames
            rows[one]["walks"] += len(found.walks)
            rows[one]["frames"] += sum(len(walk.frames) for walk in found.walks)
            rows[one]["in_pieces"] += sum(walk.in_pieces * len(walk.frames) for walk in found.walks)
            masks[one] = {number: mask for walk in found.walks for number, mask in whole(walk, found.report.size)}
        ours, theirs = masks["subtract"], masks[name]
        overlaps += [iou(ours[number], theirs[number]) for number in ours.keys() & theirs.keys()]
    for one, row in rows.items():
        row["in_pieces"] /= max(row["frames"], 1)
        row["frames/s"] = row.pop("seen") / row.pop("seconds")
        print(
            f"KTH, six clips, {one}: {row['walks']:.0f} walks, {row['frames']:.0f} frames, "
            f"{row['in_pieces']:.1%} in pieces before they are joined, {row['frames/s']:.0f} frames/s"
        )
    print(f"  IoU of the two: {np.mean(overlaps):.3f} in {len(overlaps)} frames that both give")
    return {**rows, "both": {"iou": float(np.mean(overlaps)), "frames": float(len(overlaps))}}


def whole(walk: Walk, size: tuple[int, int]) -> Iterator[tuple[int, np.ndarray]]:
    """Numbers and masks (H, W) bool of the frames of a walk."""
    for number, mask, (left, top) in zip(walk.frames, walk.masks, walk.corners, strict=True):
        frame = np.zeros(size, bool)
        frame[top : top + mask.shape[0], left : left + mask.shape[1]] = mask
        yield int(number), frame


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


def segmented(make: Callable[[], Segmenter]) -> Callable[[Frames], Frames]:
    """Masks of a segmenter, without tracking."""

    def masks(frames: Frames) -> Frames:
        segmenter, found = make(), []
        segmenter.learn([frames[k] for k in np.unique(np.linspace(0, len(frames) - 1, 31).astype(int))])
        for frame in frames:
            mask = np.zeros(frame.shape[:2], bool)
            for figure in segmenter.figures(frame):
                left, top, right, bottom = (int(side) for side in figure.box)
                mask[top:bottom, left:right] |= figure.mask
            found.append(mask)
        return found

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
    "subtract": segmented(Subtraction),
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
