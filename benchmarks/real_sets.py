"""Real people to test on: USF HumanID and KTH, as they lie in a folder of `usf_humanid` and `kth`."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from meshgait.arrays import Expected, read_npz
from meshgait.data.silhouettes import normalise
from meshgait.data.usf import read_usf

FRAME = (64, 44)
KTH_PLACES = ("d1", "d2", "d3", "d4")


class RealWalk(NamedTuple):
    """One walk of a real person.

    Attributes:
        person: name.
        group: "Gal", "PrbA" .. "PrbG" of USF; "d1" .. "d4" of KTH.
        frames: (T, h, w) uint8, 255 = person.
        direction: 1 to the right, -1 to the left, 0 if the set does not say.
    """

    person: str
    group: str
    frames: np.ndarray
    direction: int = 0


def usf_walks(folder: Path) -> list[RealWalk]:
    """Half gait cycles of 10 frames (32, 22) of the people of the gallery.

    Raises:
        DataError: files are missing or not as published.
    """
    samples = read_usf(folder / "usf_humanid")
    return [RealWalk(s.subject, s.condition.split("-")[0], s.frames) for s in samples if int(s.subject)]


def kth_walks(folder: Path) -> list[RealWalk]:
    """Passes, frames (64, 44).

    Raises:
        DataError: files are missing or damaged.
    """
    expected = {
        "packed": Expected("u", (3,)), "start": Expected("iu", (1,)), "frames": Expected("iu", (1,)),
        "person": Expected("U", (1,)), "direction": Expected("iu", (1,)),
    }  # fmt: skip
    walks = []
    for place in KTH_PLACES:
        arrays = read_npz(folder / "kth" / f"{place}.npz", expected, "copy it again")
        frames = np.unpackbits(arrays["packed"], axis=-1)[..., : FRAME[1]] * np.uint8(255)
        columns = (arrays[name].tolist() for name in ("person", "start", "frames", "direction"))
        walks += [
            RealWalk(person, place, frames[start : start + count], direction)
            for person, start, count, direction in zip(*columns, strict=True)
        ]
    return walks


def enlarged(walk: RealWalk, crop: bool) -> RealWalk:
    """A walk with frames (64, 44): by the crop rule, or with the figure where it stands in the file."""
    if crop:
        found = [normalise(frame, FRAME)[0] for frame in walk.frames]
        frames = [frame for frame in found if frame is not None]
    else:
        frames = [cv2.resize(frame, FRAME[::-1], interpolation=cv2.INTER_CUBIC) for frame in walk.frames]
    return walk._replace(frames=np.stack(frames))


def mirrored(walk: RealWalk) -> RealWalk:
    """The same walk to the other side."""
    return walk._replace(frames=np.ascontiguousarray(walk.frames[..., ::-1]), direction=-walk.direction)
