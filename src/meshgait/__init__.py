"""Mesh-Gait: who is walking, from silhouettes alone, by way of 3D heatmaps of the body.

    import meshgait

    model = meshgait.load()                              # comes with the package; or a checkpoint of your own
    embeddings = model.embed(["anna.npy", "ben.npy"])    # (2, strips, channels)
    body = model.reconstruct("anna.npy")                 # joints, markers, mesh of every frame

Names are loaded when they are first used: ``import meshgait`` alone is fast and imports no PyTorch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from meshgait.data.pack import pack
    from meshgait.data.packing import PackOptions
    from meshgait.data.store import Store
    from meshgait.gallery.gallery import Gallery
    from meshgait.models.meshgait import MeshGait
    from meshgait.models.size import NetworkSize
    from meshgait.protocol_evaluation import evaluate
    from meshgait.recogniser import Recogniser, Reconstruction
    from meshgait.synthetic.generate import generate as walkers
    from meshgait.synthetic.population import WalkerSettings
    from meshgait.video.extract import silhouettes

__version__ = "0.1.0"

_HOME = {
    "Gallery": "meshgait.gallery.gallery.Gallery",
    "MeshGait": "meshgait.models.meshgait.MeshGait",
    "NetworkSize": "meshgait.models.size.NetworkSize",
    "PackOptions": "meshgait.data.packing.PackOptions",
    "Recogniser": "meshgait.recogniser.Recogniser",
    "Reconstruction": "meshgait.recogniser.Reconstruction",
    "Store": "meshgait.data.store.Store",
    "WalkerSettings": "meshgait.synthetic.population.WalkerSettings",
    "evaluate": "meshgait.protocol_evaluation.evaluate",
    "pack": "meshgait.data.pack.pack",
    "silhouettes": "meshgait.video.extract.silhouettes",
    "walkers": "meshgait.synthetic.generate.generate",
}
"""Where each public name is defined."""

__all__ = ["Gallery", "MeshGait", "NetworkSize", "PackOptions", "Recogniser", "Reconstruction", "Store",
           "WalkerSettings", "__version__", "evaluate", "load", "pack", "silhouettes", "walkers"]  # fmt: skip


def load(source: str | Path | None = None, body: str | None = None, markers: str | None = None) -> Recogniser:
    """Load a trained network, by default the one that comes with the package: see `Recogniser.load`."""
    from meshgait.recogniser import Recogniser

    return Recogniser.load(source, body, markers)


def __getattr__(name: str) -> Any:  # noqa: ANN401
    if name not in _HOME:
        raise AttributeError(f"module 'meshgait' has no attribute {name!r}")
    module, _, attribute = _HOME[name].rpartition(".")
    return getattr(importlib.import_module(module), attribute)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
