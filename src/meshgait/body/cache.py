"""Markers of any body, learnt once: shipped, from the cache folder, or learnt now."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from pathlib import Path

from meshgait.body.markers import VERSION, Markers, Settings, learn
from meshgait.body.smpl import BodyModel
from meshgait.errors import BodyModelError, OutputError


def cache_folder() -> Path:
    """Where learnt markers are kept: `$XDG_CACHE_HOME/meshgait`, by default `~/.cache/meshgait`."""
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "meshgait"


def cache_path(body: BodyModel, settings: Settings) -> Path:
    """The cache file of a body's markers with given settings."""
    text = "-".join(f"{name}{value:g}" for name, value in dataclasses.asdict(settings).items())
    return cache_folder() / f"markers-v{VERSION}-{body.hash}-{text}.npz"


def markers_for(
    body: BodyModel,
    k: int = 64,
    seed: int = 0,
    progress: Callable[[int, int, float], None] | None = None,
    force: bool = False,
) -> tuple[Markers, str]:
    """Markers of any body: shipped, cached or learnt now (and cached).

    Args:
        body: the body.
        k: number of markers.
        seed: see `learn`.
        progress: see `learn`.
        force: learn anew even if they are known.

    Returns:
        The markers and where they come from: "shipped", "learnt" or the cache file's path.

    Raises:
        ConfigError: the body has too few vertices for K markers.
    """
    settings = Settings(k=k, seed=seed)
    if not force:
        shipped = Markers.default()
        if shipped.body == body.hash and shipped.settings == settings:
            return shipped, "shipped"
        path = cache_path(body, settings)
        if path.is_file():
            try:
                return Markers.load(path).require(body), str(path)
            except BodyModelError:
                pass  # a damaged cache file is written anew
    markers = learn(body, settings=settings, progress=progress)
    try:
        cache_folder().mkdir(parents=True, exist_ok=True)
        markers.save(cache_path(body, settings))
    except (OSError, OutputError):
        pass  # a cache that cannot be written only costs time
    return markers, "learnt"
