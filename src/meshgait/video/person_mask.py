"""Segmenter FILE.onnx: any network that gives a mask of persons, run by ONNX Runtime.

The network takes one picture (1, 3, H, W) and gives (1, C, h, w), (1, h, w) or (h, w). How its input is made and
what its output means is said by FILE.yaml beside it; what is not said has the default of `Description`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from meshgait.errors import ConfigError
from meshgait.textfiles.reading import Schema, TextFile
from meshgait.video.figures import Box, Figure
from meshgait.video.grouping import groups
from meshgait.video.outline import bridged

LEAST_ROWS = 12


class Description(Schema):
    """Settings of a network.

    Attributes:
        size: [height, width] of its input, where the file leaves it open.
        rgb: whether colours come as red, green, blue; else blue, green, red.
        mean: of each channel, taken off; brightness goes from 0 to 1.
        deviation: of each channel, by which is divided.
        channel: of the output that is the person.
        sigmoid: the output is a logit.
        threshold: from which on a pixel is a person.
    """

    size: list[int] = [256, 256]  # noqa: RUF012
    rgb: bool = True
    mean: list[float] = [0.0, 0.0, 0.0]  # noqa: RUF012
    deviation: list[float] = [1.0, 1.0, 1.0]  # noqa: RUF012
    channel: int = 0
    sigmoid: bool = False
    threshold: float = 0.5


class PersonMask:
    """A network given by its ONNX file; see the module.

    Args:
        path: of the ONNX file.

    Raises:
        ConfigError: it cannot be used, or ONNX Runtime is missing.
    """

    needs_still_camera = False

    def __init__(self, path: Path) -> None:
        self.name = path.name
        self._path, self._session = path, _session(path)
        beside = path.with_suffix(".yaml")
        known = TextFile(beside, "see the documentation of --segmenter", "description of a network", ConfigError)
        self._use = known.yaml(Description) if beside.exists() else Description()
        entry = self._session.get_inputs()[0]
        if len(entry.shape) != 4 or entry.shape[1] not in (3, "3") or entry.type != "tensor(float)":
            raise ConfigError(f"{path} takes {entry.type} {entry.shape}", "give a network of float (1, 3, H, W)")
        sizes = zip(entry.shape[2:], self._use.size, strict=True)
        self._size = tuple(int(own) if isinstance(own, int) and own > 0 else told for own, told in sizes)
        self._input = entry.name

    def learn(self, samples: Sequence[np.ndarray]) -> None:
        """The network has learned already."""

    def figures(self, picture: np.ndarray, expected: Sequence[Box] = ()) -> list[Figure]:
        """Figures in a frame; see `meshgait.video.figures.Segmenter`."""
        size = picture.shape[1::-1]
        mask = cv2.resize(self._likely(picture), size, interpolation=cv2.INTER_LINEAR) > self._use.threshold
        found = []
        for group in groups(mask, LEAST_ROWS, expected):
            box = [round(side) for side in group.box]
            part = (slice(box[1], box[3]), slice(box[0], box[2]))
            own, pieces = bridged(mask[part] & np.isin(group.labels[part], group.parts), group.box.height)
            found.append(Figure.cut(own, box[0], box[1], pieces))
        return [figure for figure in found if figure is not None]

    def _likely(self, picture: np.ndarray) -> np.ndarray:
        """Probability of a person (h, w) float32."""
        use = self._use
        small = cv2.resize(picture, self._size[::-1], interpolation=cv2.INTER_AREA).astype(np.float32) / 255
        ordered = small[..., ::-1] if use.rgb else small
        values = (ordered - np.asarray(use.mean, np.float32)) / np.asarray(use.deviation, np.float32)
        given = self._session.run(None, {self._input: np.moveaxis(values, -1, 0)[None].astype(np.float32)})[0]
        given = given.reshape(-1, *given.shape[-2:])
        if not -len(given) <= use.channel < len(given):
            raise ConfigError(
                f"{self._path} gives {len(given)} channels", f"channel {use.channel} is not among them"
            )
        chosen = given[use.channel].astype(np.float32)
        return 1 / (1 + np.exp(-chosen)) if use.sigmoid else chosen


def _session(path: Path) -> Any:  # noqa: ANN401
    if not path.is_file():
        raise ConfigError(f"{path} does not exist", "give an ONNX file, or subtract")
    try:
        import onnxruntime
    except ImportError:
        raise ConfigError("--segmenter FILE.onnx needs ONNX Runtime", "pip install onnxruntime") from None
    try:
        return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    except Exception as error:  # it raises classes of its own, without a common base
        raise ConfigError(f"{path} is no network that ONNX Runtime reads ({error})", "export it again") from None
