"""What reading PNG silhouettes by `meshgait.data.png` saves, beside OpenCV's own decoder.

    python benchmarks/png_reading.py data/walkers [--frames 20000]

takes silhouettes of a store, as they are and at random places and heights of frames of 240 x 320 (as CASIA-B has
them), encodes them by OpenCV, and decodes them by us (with libdeflate, and with Python's zlib alone) and by OpenCV
behind the same check of the file's checksums. One thread; processor time, the best of three rounds.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from meshgait.data import inflate
from meshgait.data.pictures import decode_picture
from meshgait.data.png import read_chunks
from meshgait.data.store import Store

RAW = (240, 320)


def main() -> None:
    """Make the files, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("store", type=Path, help="of `meshgait walkers`")
    parser.add_argument("--frames", type=int, default=20_000)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    store, rng = Store(arguments.store), np.random.default_rng(0)
    rows = rng.integers(store.meta["frames"], size=arguments.frames)
    silhouettes = store.read(np.sort(rows)) * np.uint8(255 if store.bits == 1 else 1)
    for name, frames in (("as stored", silhouettes), ("240 x 320", [_raw(frame, rng) for frame in silhouettes])):
        files = [cv2.imencode(".png", frame)[1].tobytes() for frame in frames]
        ways = {"ours, libdeflate": decode_picture, "ours, zlib": _by_zlib, "OpenCV": _by_opencv}
        if inflate._library is None:
            del ways["ours, libdeflate"]
        spent = {way: min(_seconds(decode, files) for _ in range(3)) for way, decode in ways.items()}
        for way, seconds in spent.items():
            saved = (spent["OpenCV"] - seconds) / len(files) * 1e6 / 60
            print(f"{name}, {way}: {seconds / len(files) * 1e6:.0f} us a frame, "
                  f"{saved:.1f} minutes saved a million frames")  # fmt: skip


def _raw(silhouette: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    height = int(rng.integers(90, 150))
    figure = cv2.resize(silhouette, (height * silhouette.shape[1] // silhouette.shape[0], height))
    frame = np.zeros(RAW, np.uint8)
    y, x = (int(rng.integers(0, whole - part)) for whole, part in zip(RAW, figure.shape, strict=True))
    frame[y : y + figure.shape[0], x : x + figure.shape[1]] = (figure > 127) * np.uint8(255)
    return frame


def _by_zlib(content: bytes) -> object:
    library, inflate._library = inflate._library, None
    try:
        return decode_picture(content)
    finally:
        inflate._library = library


def _by_opencv(content: bytes) -> object:
    if read_chunks(content) is None:
        return None
    return cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_GRAYSCALE)


def _seconds(decode: Callable[[bytes], object], files: list[bytes]) -> float:
    begun = time.process_time()
    for content in files:
        decode(content)
    return time.process_time() - begun


if __name__ == "__main__":
    main()
