"""Segmenters by name."""

from __future__ import annotations

from pathlib import Path

from meshgait.errors import ConfigError
from meshgait.video.figures import Segmenter
from meshgait.video.subtraction import Subtraction


def make_segmenter(name: str, fetch: bool = False) -> Segmenter:
    """The segmenter of a name.

    Args:
        name: "subtract", "torchvision", or the path of an .onnx or .tflite file.
        fetch: let torchvision fetch its weights.

    Raises:
        ConfigError: there is none of that name, or what it needs is missing.
    """
    if name == "subtract":
        return Subtraction()
    if name == "torchvision":
        from meshgait.video.mask_rcnn import MaskRCNN  # imports torch, hence only now

        return MaskRCNN(fetch)
    if name.lower().endswith((".onnx", ".tflite")):
        from meshgait.video.person_mask import PersonMask

        return PersonMask(Path(name))
    raise ConfigError(
        f"segmenter {name!r} is unknown", "give subtract, torchvision or the path of an .onnx or .tflite file"
    )
