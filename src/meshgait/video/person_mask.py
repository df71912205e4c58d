"""Segmenter FILE.onnx or FILE.tflite: any network that gives a mask of persons.

The network takes one picture. How its input is made and what its output means is said by FILE.yaml beside it; what
is not said has the default of `Description`. A network that wants one person in the middle of its picture
(`closeup`) is shown each figure that `subtract` finds, and each that is expected from the frame before.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from scipy.special import expit

from meshgait.errors import ConfigError
from meshgait.messages import note
from meshgait.textfiles.reading import Schema, TextFile
from meshgait.video.figures import Box, Figure
from meshgait.video.grouping import groups
from meshgait.video.mask_networks import open_network
from meshgait.video.outline import bridged
from meshgait.video.subtraction import Subtraction

LEAST_ROWS = 12
SAME = 0.3
"""Share of a figure that lies where another one is expected, from which on the two are one person."""
TWICE = 0.5
"""Share of the smaller of two masks that both have, from which on they are of one person."""
REACH = 0.12
"""Heights by which a person's mask may leave the box in which the person was found."""
BLAZEPOSE_CARD = (
    '{} is a pose network of MediaPipe (BlazePose), whose model card says: "Any form of surveillance or identity '
    'recognition is explicitly out of scope and not enabled by this technology"; whether you use it is your choice'
)


class Description(Schema):
    """Settings of a network.

    Attributes:
        size: [height, width] of its input, where the file leaves it open.
        rgb: whether colours come as red, green, blue; else blue, green, red.
        mean: of each channel, taken off; brightness goes from 0 to 1.
        deviation: of each channel, by which is divided.
        output: number of the output that is the mask, from 0 on; by default the first one that is a picture, of
            one channel if there is one.
        channel: of the output that is the person.
        sigmoid: the output is a logit.
        threshold: from which on a pixel is a person.
        closeup: side of the square around each person that the network sees, in heights of the person; 0: it sees
            the whole frame.
    """

    size: list[int] = [256, 256]  # noqa: RUF012
    rgb: bool = True
    mean: list[float] = [0.0, 0.0, 0.0]  # noqa: RUF012
    deviation: list[float] = [1.0, 1.0, 1.0]  # noqa: RUF012
    output: int | None = None
    channel: int = 0
    sigmoid: bool = False
    threshold: float = 0.5
    closeup: float = 0.0


class PersonMask:
    """A network given by its ONNX file; see the module.

    Args:
        path: of the ONNX or TFLite file.

    Raises:
        ConfigError: it cannot be used, or what runs it is missing.
    """

    def __init__(self, path: Path) -> None:
        self.name, self._path = path.name, path
        beside = path.with_suffix(".yaml")
        known = TextFile(beside, "see the documentation of --segmenter", "description of a network", ConfigError)
        described = known.yaml(Description) if beside.exists() else Description()
        if len(described.size) != 2 or min(described.size) < 1 or not 0 <= described.closeup <= 10:
            raise ConfigError(f"{beside}: size is [height, width], closeup from 0 to 10", known.remedy)
        self._network = open_network(path, (described.size[0], described.size[1]))
        if self._network.pose:
            note(BLAZEPOSE_CARD.format(path))
            usual = Description(sigmoid=True, closeup=1.25)
            described = usual.model_copy(update=described.model_dump(exclude_unset=True))
        self._use = described
        self.needs_still_camera = described.closeup > 0
        self._finder = Subtraction() if described.closeup > 0 else None

    def learn(self, samples: Sequence[np.ndarray]) -> None:
        """The network has learned already; what finds people for a close-up has not."""
        if self._finder is not None:
            self._finder.learn(samples)

    def figures(self, picture: np.ndarray, expected: Sequence[Box] = ()) -> list[Figure]:
        """Figures in a frame; see `meshgait.video.figures.Segmenter`."""
        if self._finder is not None:
            new = self._finder.boxes(picture, expected)
            new = [box for box in new if all(box.shared(other) < SAME * box.area for other in expected)]
            return _different([self._close(picture, box) for box in [*expected, *new]])
        small = cv2.resize(picture, self._network.size[::-1], interpolation=cv2.INTER_AREA)
        size = picture.shape[1::-1]
        mask = cv2.resize(self._likely(small), size, interpolation=cv2.INTER_LINEAR) > self._use.threshold
        found = []
        for group in groups(mask, LEAST_ROWS, expected):
            box = [round(side) for side in group.box]
            part = (slice(box[1], box[3]), slice(box[0], box[2]))
            own, pieces = bridged(mask[part] & np.isin(group.labels[part], group.parts), group.box.height)
            found.append(Figure.cut(own, box[0], box[1], pieces))
        return [figure for figure in found if figure is not None]

    def _close(self, picture: np.ndarray, box: Box) -> Figure | None:
        """The person in the middle of a close-up."""
        (height, width), side = self._network.size, self._use.closeup * max(box.width, box.height)
        scale, middle = min(height, width) / side, box.centre
        place = np.array(
            [[scale, 0, width / 2 - scale * middle[0]], [0, scale, height / 2 - scale * middle[1]]], np.float64
        )
        likely = self._likely(cv2.warpAffine(picture, place, (width, height), flags=cv2.INTER_LINEAR))
        near = box.grown(REACH * box.height)
        left, top = max(int(near.left), 0), max(int(near.top), 0)
        columns = min(int(near.right), picture.shape[1]) - left
        rows = min(int(near.bottom), picture.shape[0]) - top
        if columns < 1 or rows < 1:
            return None
        there = place @ np.array([[1, 0, left], [0, 1, top], [0, 0, 1]], np.float64)
        there *= np.array([[likely.shape[1] / width], [likely.shape[0] / height]])
        how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        mask = cv2.warpAffine(likely, there, (columns, rows), flags=how) > self._use.threshold
        seen = np.flatnonzero(mask.any(axis=1))
        if len(seen) < LEAST_ROWS:
            return None
        own, pieces = bridged(mask, float(seen[-1] - seen[0] + 1))
        return Figure.cut(own, left, top, pieces)

    def _likely(self, picture: np.ndarray) -> np.ndarray:
        """Probability of a person (h, w) float32 in a picture of the network's size."""
        use = self._use
        small = picture.astype(np.float32) / 255
        ordered = small[..., ::-1] if use.rgb else small
        values = (ordered - np.asarray(use.mean, np.float32)) / np.asarray(use.deviation, np.float32)
        given = self._network.run(np.ascontiguousarray(values, np.float32), use.output)
        if not -len(given) <= use.channel < len(given):
            raise ConfigError(
                f"{self._path} gives {len(given)} channels", f"channel {use.channel} is not among them"
            )
        chosen = given[use.channel]
        return expit(chosen) if use.sigmoid else chosen


def _different(figures: Sequence[Figure | None]) -> list[Figure]:
    """Figures without those that show one that came before once more."""
    found: list[Figure] = []
    for figure in figures:
        if figure is not None and all(_shared(figure, other) < TWICE for other in found):
            found.append(figure)
    return found


def _shared(a: Figure, b: Figure) -> float:
    """Share of the smaller figure's pixels that the other one has too."""
    left, top = max(a.left, b.left), max(a.top, b.top)
    right, bottom = min(a.box.right, b.box.right), min(a.box.bottom, b.box.bottom)
    if right <= left or bottom <= top:
        return 0.0
    parts = (
        one.mask[top - one.top : int(bottom) - one.top, left - one.left : int(right) - one.left] for one in (a, b)
    )
    return np.count_nonzero(np.logical_and(*parts)) / min(np.count_nonzero(one.mask) for one in (a, b))
