"""Optional parts of the package, and the packages that each needs: `pip install 'meshgait[NAME]'`."""

from __future__ import annotations

import importlib

from meshgait.errors import ConfigError

EXTRAS = {
    "hub": ("huggingface_hub",),
    "onnx": ("onnx", "onnxscript", "onnxruntime"),
    "masks": ("torchvision",),
    "qdrant": ("qdrant_client",),
    "report": ("plotly",),
    "serve": ("starlette", "uvicorn"),
    "sweeps": ("optuna", "sqlalchemy"),
    "tflite": ("ai_edge_litert",),
}
"""Packages of each part by the names under which they are imported."""


def require(extra: str, what: str) -> None:
    """Check before any work whether the packages of an optional part are installed.

    Args:
        extra: one of `EXTRAS`.
        what: needs them, for the message, such as "a sweep".

    Raises:
        ConfigError: a package is missing; the message says how to install it.
    """
    for package in EXTRAS[extra]:
        try:
            importlib.import_module(package)
        except ImportError as error:
            raise ConfigError(
                f"{what} needs {package}, which is not installed", f"`pip install 'meshgait[{extra}]'`"
            ) from error
