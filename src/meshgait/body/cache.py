"""Markers of any body, learnt once: shipped, from the cache folder, or learnt now."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from pathlib import Path

from meshgait.body.markers import VERSION, Markers, MarkerSettings, learn
from meshgait.body.smpl import BodyModel
from meshgait.errors import BodyModelError, OutputError


def cache_folder() -> Path | None:
    """Where learnt markers are kept: `$XDG_CACHE_HOME/meshgait`, by default `~/.cache/meshgait`; None: nowhere."""
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "meshgait"
    except RuntimeError:  # a user without a home, as in many containers
        return None


def cache_path(body: BodyModel, settings: MarkerSettings) -> Path | None:
    """The cache file of a body's markers with given settings; None where there is no place for it."""
    if (folder := cache_folder()) is None:
        return None
    text = "-".join(f"{name}{value:g}" for name, value in dataclasses.asdict(settings).items())
    return folder / f"markers-v{VERSION}-{body.hash}-{text}.npz"


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
        force: learn them even if they are known.

    Returns:
        The markers and where they come from: "shipped", "learnt" or the cache file's path.

    Raises:
        ConfigError: the body has too few vertices for K markers.
    """
    settings = MarkerSettings(k=k, seed=seed)
    path = cache_path(body, settings)
    if not force:
        shipped = Markers.default()
        if shipped.body == body.hash and shipped.settings == settings:
            return shipped, "shipped"
        try:
            if path is not None and path.is_file():
                return Markers.load(path).require(body), str(path)
        except (BodyModelError, OSError):
            pass  # a cache file that is damaged or cannot be read is learnt and written again
    markers = learn(body, settings=settings, progress=progress)
    if path is None:
        return markers, "learnt"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        markers.save(path)
    except (OSError, OutputError):
        pass  # a cache that cannot be written only costs time
    return markers, "learnt"
