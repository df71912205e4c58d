"""The recogniser as ONNX: silhouettes and mask in, embeddings out, for batches of any size and length."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from meshgait.errors import ConfigError, OutputError
from meshgait.extras import require

if TYPE_CHECKING:
    from onnx import FunctionProto, GraphProto

INPUTS, OUTPUT = ("silhouettes", "mask"), "embeddings"
TOLERANCE = 1e-4
CHECKED = ((1, 1), (1, 13), (3, 6))
"""(sequences, frames) of the batches on which both networks are compared; the traced batch has another size."""


class Inference(nn.Module):
    """(B, T, H, W) float in [0, 1] and (B, T) bool -> embeddings (B, S, C) alone."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, silhouettes: Tensor, mask: Tensor) -> Tensor:
        """Embeddings of sequences; at least one frame of each must be real."""
        return self.network(silhouettes, mask).embeddings


def write_onnx(network: nn.Module, frame: tuple[int, int], path: Path, about: dict[str, str]) -> float:
    """Trace the network, write the file, and compare its embeddings in onnxruntime with those of the network.

    Args:
        network: of a recogniser, in evaluation mode on the CPU.
        frame: (H, W) of its silhouettes.
        path: file to write.
        about: texts that go into the file.

    Returns:
        Largest difference of the embeddings that was found.

    Raises:
        ConfigError: the packages are missing, or this network has operations that ONNX lacks.
        OutputError: the file gives other embeddings than the network.
    """
    require("onnx", "an ONNX file")
    if getattr(network, "transform", None) is not None:
        raise ConfigError("this network reads SMPL parameters, which ONNX is not given here", "leave --onnx out")
    import onnx

    inference = Inference(network).eval()
    batch, time = torch.export.Dim("batch"), torch.export.Dim("time")
    try:
        with _quiet():
            program = torch.onnx.export(
                inference,
                random_walks(2, 10, frame),  # the tracer treats sizes of 0 and 1 specially
                input_names=INPUTS,
                output_names=[OUTPUT],
                dynamic_shapes={name: {0: batch, 1: time} for name in INPUTS},
                dynamo=True,
                verbose=False,
            )
            assert program is not None  # which dynamo=True returns
            model = program.model_proto
    except Exception as error:  # the exporter raises errors of many classes
        reason = " ".join(str(error.__cause__ or error).split())[:160]
        raise ConfigError(
            f"torch {torch.__version__} cannot trace this network to ONNX ({reason})",
            "take the torch of constraints.txt, or leave --onnx out",
        ) from error
    _strip(model.graph)
    for function in model.functions:
        _strip(function)
    onnx.helper.set_model_props(model, about)
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)
    worst = difference(inference, frame, path)
    if not worst <= TOLERANCE:
        raise OutputError(
            f"the ONNX network gives embeddings that differ by {worst:.1e} from the network's, more than "
            f"{TOLERANCE:.0e}",
            "take the onnxruntime of constraints.txt, or leave --onnx out",
        )
    return worst


def difference(inference: nn.Module, frame: tuple[int, int], path: Path) -> float:
    """Largest difference between the embeddings of a network and its file, relative to the largest embedding or 1.

    Args:
        inference: the network.
        frame: (H, W) of its silhouettes.
        path: the file.
    """
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    worst = 0.0
    for sequences, frames in CHECKED:
        walks = random_walks(sequences, frames, frame)
        with torch.no_grad():
            expected = inference(*walks)
        feed = {name: value.numpy() for name, value in zip(INPUTS, walks, strict=True)}
        found = torch.from_numpy(session.run([OUTPUT], feed)[0])
        worst = max(worst, float((found - expected).abs().max() / expected.abs().max().clamp(min=1)))
    return worst


def random_walks(sequences: int, frames: int, frame: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Noise (B, T, H, W) and a mask (B, T); each sequence but the first is shorter than the previous one."""
    generator = torch.Generator().manual_seed(frames)
    silhouettes = torch.rand(sequences, frames, *frame, generator=generator)
    lengths = torch.tensor([max(1, frames - place) for place in range(sequences)])
    return silhouettes, torch.arange(frames) < lengths[:, None]


def _strip(graph: GraphProto | FunctionProto) -> None:
    """Remove the exporter's metadata of each node: lines of source code, with paths of this machine."""
    for node in graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    for value in getattr(graph, "value_info", ()):
        del value.metadata_props[:]
    del graph.metadata_props[:]


@contextmanager
def _quiet() -> Iterator[None]:
    """Hide messages of the exporter about packages that are not needed."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
