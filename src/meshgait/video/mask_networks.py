"""Networks in a file that give masks: ONNX by ONNX Runtime, TFLite by LiteRT, both asked in the same way."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import numpy as np

from meshgait.errors import ConfigError
from meshgait.extras import require

BLAZEPOSE_OUTPUTS = {(1, 195), (1, 117)}
"""Shapes by which MediaPipe's pose networks are known: 39 points of five numbers, and 39 of three."""


class MaskNetwork(Protocol):
    """A network of one picture.

    Attributes:
        size: (H, W) of its input.
        pose: whether it is a pose network of MediaPipe (BlazePose).
    """

    size: tuple[int, int]
    pose: bool

    def run(self, picture: np.ndarray, output: int | None) -> np.ndarray:
        """Channels (C, h, w) float32 of an output, for a picture (H, W, 3) float32.

        Args:
            picture: what the network takes.
            output: number of the output; None: the first one that is a picture, of one channel if there is one.

        Raises:
            ConfigError: there is no such output, or it is no picture.
        """


def open_network(path: Path, size: tuple[int, int]) -> MaskNetwork:
    """Open the file of a network.

    Args:
        path: of an .onnx or .tflite file.
        size: (H, W) of its input where the file leaves it open.

    Raises:
        ConfigError: it cannot be used, or what runs it is not installed.
    """
    if not path.is_file():
        raise ConfigError(f"{path} does not exist", "give an .onnx or .tflite file, or subtract")
    return TfliteNetwork(path, size) if path.suffix.lower() == ".tflite" else OnnxNetwork(path, size)


class OnnxNetwork:
    """A network of ONNX Runtime: float (1, 3, H, W) -> (1, C, h, w), (1, h, w) or (h, w)."""

    def __init__(self, path: Path, size: tuple[int, int]) -> None:
        try:
            import onnxruntime
        except ImportError:
            raise ConfigError("--segmenter FILE.onnx needs ONNX Runtime", "pip install onnxruntime") from None
        try:
            self._session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        except Exception as error:  # it raises classes of its own, without a common base
            raise _no_network(path, "ONNX Runtime", error) from None
        entry = self._session.get_inputs()[0]
        if len(entry.shape) != 4 or entry.shape[1] not in (3, "3") or entry.type != "tensor(float)":
            raise ConfigError(f"{path} takes {entry.type} {entry.shape}", "give a network of float (1, 3, H, W)")
        self.size = _size(entry.shape[2:], size)
        self.pose = {tuple(one.shape) for one in self._session.get_outputs()} >= BLAZEPOSE_OUTPUTS
        self._path, self._input = path, entry.name

    def run(self, picture: np.ndarray, output: int | None) -> np.ndarray:
        """See `MaskNetwork`."""
        given = self._session.run(None, {self._input: np.moveaxis(picture, -1, 0)[None]})
        return _picture(self._path, [one.astype(np.float32) for one in given], output, last=False)


class TfliteNetwork:
    """A network of LiteRT: (1, H, W, 3) -> (1, h, w, C), or channels first in both; floats or quantised."""

    def __init__(self, path: Path, size: tuple[int, int]) -> None:
        require("tflite", "--segmenter FILE.tflite")
        from ai_edge_litert.interpreter import Interpreter

        self._path = path
        try:
            self._network: Any = Interpreter(model_path=str(path), num_threads=1)
            self._last = self._prepare(size)
            self._outputs = self._network.get_output_details()
        except ConfigError:
            raise
        except Exception as error:  # broken files make it raise nearly anything
            raise _no_network(path, "LiteRT", error) from None
        self.pose = {tuple(one["shape"].tolist()) for one in self._outputs} >= BLAZEPOSE_OUTPUTS

    def _prepare(self, size: tuple[int, int]) -> bool:
        """Give the input a size; returns whether its channels come last."""
        inputs = self._network.get_input_details()
        shape = inputs[0]["shape_signature"].tolist()
        last = shape[-1] == 3
        if len(inputs) != 1 or len(shape) != 4 or shape[0] not in (1, -1) or (not last and shape[1] != 3):
            taken = " and ".join(f"{one['shape_signature'].tolist()}" for one in inputs)
            raise ConfigError(
                f"{self._path} takes {taken}", "give a network of one picture, (1, H, W, 3) or (1, 3, H, W)"
            )
        self.size = _size(shape[1:3] if last else shape[2:], size)
        if -1 in shape:
            chosen = [1, *self.size, 3] if last else [1, 3, *self.size]
            self._network.resize_tensor_input(inputs[0]["index"], chosen)
        self._network.allocate_tensors()
        self._input = self._network.get_input_details()[0]
        return last

    def run(self, picture: np.ndarray, output: int | None) -> np.ndarray:
        """See `MaskNetwork`."""
        values = picture if self._last else np.moveaxis(picture, -1, 0)
        self._network.set_tensor(self._input["index"], _quantised(values[None], self._input))
        try:
            self._network.invoke()
        except RuntimeError as error:
            raise _no_network(self._path, "LiteRT", error) from None
        given = [_real(self._network.get_tensor(one["index"]), one) for one in self._outputs]
        return _picture(self._path, given, output, self._last)


def _no_network(path: Path, runtime: str, error: Exception) -> ConfigError:
    reason = " ".join(str(error).split())
    return ConfigError(f"{path} is no network that {runtime} reads ({reason})", "export it again")


def _size(own: list[Any], described: tuple[int, int]) -> tuple[int, int]:
    """(H, W) of an input: what the file says, and where it leaves a side open, what is described."""
    height, width = (
        side if isinstance(side, int) and side > 0 else other for side, other in zip(own, described, strict=True)
    )
    return height, width


def _quantised(values: np.ndarray, tensor: dict[str, Any]) -> np.ndarray:
    """Values as a tensor of LiteRT holds them."""
    if np.issubdtype(tensor["dtype"], np.floating):
        return np.ascontiguousarray(values, tensor["dtype"])
    scale, zero = tensor["quantization"]
    limits = np.iinfo(tensor["dtype"])
    return np.clip(np.round(values / (scale or 1.0) + zero), limits.min, limits.max).astype(tensor["dtype"])


def _real(values: np.ndarray, tensor: dict[str, Any]) -> np.ndarray:
    """Values that a tensor of LiteRT stands for, float32."""
    if np.issubdtype(tensor["dtype"], np.floating):
        return values.astype(np.float32)
    scale, zero = tensor["quantization"]
    return (values.astype(np.float32) - zero) * (scale or 1.0)


def _picture(path: Path, given: list[np.ndarray], output: int | None, last: bool) -> np.ndarray:
    """Channels (C, h, w) of an output; ``last``: they come last in the network."""
    pictures = {number: _channels(values, last) for number, values in enumerate(given)}
    shapes = ", ".join(str(values.shape) for values in given)
    if output is None:
        fit = [channels for channels in pictures.values() if channels is not None]
        if not fit:
            raise ConfigError(f"{path} gives {shapes}, none of which is a mask", "give a network of masks")
        return next((channels for channels in fit if len(channels) == 1), fit[0])
    chosen = pictures.get(output)
    if chosen is None:
        raise ConfigError(f"{path} gives {shapes}", f"output {output} is no mask among them, counted from 0")
    return chosen


def _channels(values: np.ndarray, last: bool) -> np.ndarray | None:
    """An output as channels (C, h, w); None where it is no picture."""
    if values.ndim == 4 and last:
        values = np.moveaxis(values, -1, 1)
    pixels = values.shape[-2:] if values.ndim >= 2 else (0, 0)
    if values.ndim not in (2, 3, 4) or min(pixels) < 2 or (values.ndim == 4 and len(values) != 1):
        return None
    return values.reshape(-1, *pixels)
