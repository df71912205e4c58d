"""Virtual markers: K vertices whose positions give the whole surface back, and the two decoders that do it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Literal, TypeVar

import numpy as np
import torch
from einops import einsum
from torch import Tensor

from meshgait.arrays import Expected, read_npz, write_npz
from meshgait.atomic import atomic_file
from meshgait.body import archetypes
from meshgait.body.archetypes import MILLIMETRES, Symmetry, mesh_error
from meshgait.body.poses import sample_meshes
from meshgait.body.smpl import BodyModel
from meshgait.errors import BodyModelError

DEFAULT = "assets/default_markers.npz"
GRID = 2.0**-14  # decoder weights are multiples of it: sums to one stay exact, files small, and round trips equal
HELD_OUT = 60
VERSION = 1

Decoder = Literal["simplex", "ridge"]
Array = TypeVar("Array", np.ndarray, Tensor)


@dataclass(frozen=True)
class MarkerSettings:
    """What markers depend on besides the body.

    Attributes:
        k: number of markers.
        seed: of the meshes they are learnt from.
        meshes: how many meshes.
        steps: optimiser steps of the archetypal analysis; 0 for published markers.
        noise_mm: marker noise (standard deviation per axis) that the ridge decoder is made for.
    """

    k: int = 64
    seed: int = 0
    meshes: int = 300
    steps: int = 900
    noise_mm: float = 5.0


@dataclass(frozen=True)
class Markers:
    """A marker set of one body model.

    Both decoders mix marker positions with weights that sum to one for each vertex and treat x, y and z alike,
    so the decoded mesh turns and moves with the markers. `simplex` weights are non-negative: a vertex lies
    between its markers, which keeps outliers local. `ridge` weights may be negative and are more exact.

    Attributes:
        indices: (K,) int64, the vertex each marker sits on; left markers first, then right, then midline.
        simplex: (K, V) float32, columns on the simplex.
        ridge: (K, V) float32, columns summing to 1.
        flip: (K,) int64 permutation that swaps left and right markers.
        body: hash of the body model.
        settings: how they were learnt.
        errors: mean mesh error in mm by name, on meshes not used for learning.
    """

    indices: np.ndarray
    simplex: np.ndarray
    ridge: np.ndarray
    flip: np.ndarray
    body: str
    settings: MarkerSettings
    errors: dict[str, float]

    @property
    def k(self) -> int:
        """Number of markers."""
        return len(self.indices)

    def pick(self, vertices: Array) -> Array:
        """Markers of meshes.

        Args:
            vertices: (..., V, 3).

        Returns:
            (..., K, 3).
        """
        return vertices[..., self.indices, :]

    def decode(self, markers: Array, decoder: Decoder = "ridge", weights: Array | None = None) -> Array:
        """Meshes of markers.

        Args:
            markers: (..., K, 3), numpy or torch, in any unit and frame.
            decoder: which of the two decoders.
            weights: (K, V) or (..., K, V) to be used instead, such as simplex weights adapted by confidence.

        Returns:
            (..., V, 3), in the markers' unit and frame.

        Raises:
            BodyModelError: another number of markers, or an unknown decoder.
        """
        if markers.shape[-2:] != (self.k, 3):
            raise BodyModelError(f"expected markers (..., {self.k}, 3), got {tuple(markers.shape)}")
        if weights is None:
            if decoder not in ("simplex", "ridge"):
                raise BodyModelError(f"no decoder {decoder!r}", "choose simplex or ridge")
            table = getattr(self, decoder)
            weights = torch.as_tensor(table, dtype=markers.dtype, device=markers.device) \
                if isinstance(markers, Tensor) else table  # fmt: skip
        lead = "..." if weights.ndim > 2 else ""
        return einsum(markers, weights, f"... k c, {lead} k v -> ... v c")

    def require(self, body: BodyModel) -> Markers:
        """These markers, if they are made for the body.

        Raises:
            BodyModelError: they are made for another body.
        """
        if self.body != body.hash:
            raise BodyModelError(
                f"markers were learnt for body {self.body}, not for {body.source} ({body.hash})",
                "learn them again by `meshgait markers --body FILE`",
            )
        return self

    @classmethod
    def default(cls) -> Markers:
        """The 64 markers of the default body, shipped with Mesh-Gait."""
        with resources.as_file(resources.files("meshgait.body") / DEFAULT) as path:
            return cls.load(path)

    @classmethod
    def load(cls, path: str | Path) -> Markers:
        """Reads a marker file.

        Raises:
            BodyModelError: no such file, or not a marker file of this version.
        """
        remedy = "write one by `meshgait markers --out FILE`"
        if not Path(path).is_file():
            raise BodyModelError(f"no marker file {path}", remedy)
        expected = {name: Expected("iu", (1,)) for name in ("indices", "flip")}
        expected |= {name: Expected("iuf", (2,)) for name in ("simplex", "ridge")}
        arrays = read_npz(path, expected | {"meta": Expected("U", (0,))}, remedy, BodyModelError)
        try:
            meta = json.loads(str(arrays["meta"]))
            if meta["version"] != VERSION:
                raise BodyModelError(
                    f"{path} is a marker file of version {meta['version']}, not {VERSION}", f"{remedy}"
                )
            settings = MarkerSettings(**meta["settings"])
            indices, flip = (arrays[name].astype(np.int64) for name in ("indices", "flip"))
            with np.errstate(over="ignore"):
                tables = (arrays[name].astype(np.float32) for name in ("simplex", "ridge"))
                simplex, ridge = (table * np.float32(GRID) for table in tables)
            if not np.isfinite(simplex).all() or not np.isfinite(ridge).all():
                raise ValueError("weights are not finite")
            if not simplex.shape == ridge.shape == (len(flip), simplex.shape[1]) or len(indices) != len(flip):
                raise ValueError("shapes do not fit")
            if indices.min() < 0 or indices.max() >= simplex.shape[1] or (np.sort(flip) != range(len(flip))).any():
                raise ValueError("indices are outside of the mesh, or flip is no order of the markers")
            return cls(indices, simplex, ridge, flip, meta["body"], settings, meta["errors"])
        except (ValueError, KeyError, TypeError, IndexError, RecursionError) as error:
            raise BodyModelError(f"{path} cannot be read as a marker file ({error})", remedy) from error

    def save(self, path: str | Path) -> None:
        """Writes the markers, under a temporary name until the file is whole.

        Raises:
            OutputError: the place cannot be written.
        """
        meta = {
            "version": VERSION,
            "body": self.body,
            "settings": dataclasses.asdict(self.settings),
            "errors": self.errors,
        }
        arrays: dict[str, np.ndarray] = {
            "indices": self.indices.astype(np.int32),
            "flip": self.flip.astype(np.int32),
            "simplex": np.rint(self.simplex / GRID).astype(np.int16),
            "ridge": np.rint(self.ridge / GRID).astype(np.int16),
            "meta": np.array(json.dumps(meta)),
        }
        with atomic_file(path, many_writers=True) as partial, partial.open("wb") as file:
            write_npz(file, arrays, compressed=True)


def learn(
    body: BodyModel,
    k: int = 64,
    seed: int = 0,
    progress: Callable[[int, int, float], None] | None = None,
    settings: MarkerSettings | None = None,
) -> Markers:
    """Learns markers for any body model; deterministic for a seed on one machine.

    Args:
        body: the body.
        k: number of markers.
        seed: of the random people and poses they are learnt from.
        progress: called with (step, steps, error in mm) while learning.
        settings: all settings at once, instead of `k` and `seed`.

    Returns:
        The markers, with errors measured on other people and poses.

    Raises:
        ConfigError: the body has too few vertices for K markers.
    """
    settings = settings or MarkerSettings(k=k, seed=seed)
    symmetry = Symmetry.of(body.arrays["v_template"], body.mirror, settings.k)
    features = archetypes.compress(sample_meshes(body, settings.meshes, settings.seed), body.mirror)
    mixture = archetypes.analyse(features, symmetry, settings.steps, progress)
    indices = archetypes.snap(features, features @ mixture, symmetry)
    simplex = archetypes.simplex_decoder(features, indices, symmetry)
    ridge = archetypes.ridge_decoder(features, indices, symmetry, settings.noise_mm)
    return assemble(body, indices, simplex, ridge, symmetry.markers, settings)


def assemble(
    body: BodyModel,
    indices: np.ndarray,
    simplex: np.ndarray,
    ridge: np.ndarray,
    flip: np.ndarray,
    settings: MarkerSettings,
) -> Markers:
    """Markers with their decoders, rounded as files keep them, and the errors of these.

    Args:
        body: the body.
        indices: (K,) vertex of each marker.
        simplex: (K, V) weights.
        ridge: (K, V) weights.
        flip: (K,) permutation that swaps left and right.
        settings: how the markers were found; its seed decides on the meshes that errors are measured on.
    """
    simplex, ridge = _on_grid(simplex), _on_grid(ridge)
    errors = {}
    for name, seed_, pose_noise in (("held_out", settings.seed + 1, 1.0), ("walking", settings.seed + 2, 0.0)):
        meshes = sample_meshes(body, HELD_OUT, seed_, pose_noise)
        for decoder, weights in (("simplex", simplex), ("ridge", ridge)):
            errors[f"{decoder}_{name}"] = round(mesh_error(meshes, indices, weights), 2)
            for noise in (10, 30) if name == "walking" else ():
                errors[f"{decoder}_noise{noise}"] = round(mesh_error(meshes, indices, weights, noise), 2)
    markers = Markers(indices, simplex, ridge, flip, body.hash, settings, errors)
    return dataclasses.replace(markers, errors={**errors, "mirror": round(_mirror_error(markers, body), 3)})


def _on_grid(weights: np.ndarray) -> np.ndarray:
    """Rounds weights (K, V) to the grid so that columns still sum to one, exactly."""
    steps = np.rint(weights / GRID)
    columns = np.arange(weights.shape[1])
    steps[np.abs(steps).argmax(0), columns] += round(1 / GRID) - steps.sum(0)
    return (steps.clip(-32768, 32767) * GRID).astype(np.float32)


def _mirror_error(markers: Markers, body: BodyModel) -> float:
    """Largest distance in mm between the mesh of mirrored markers and the mirrored mesh, over both decoders."""
    meshes = sample_meshes(body, 8, markers.settings.seed + 3)
    points, mirror = markers.pick(meshes), np.array([-1, 1, 1])
    worst = 0.0
    for decoder in ("simplex", "ridge"):
        there = markers.decode(points[:, markers.flip] * mirror, decoder)
        here = markers.decode(points, decoder)[:, body.mirror] * mirror
        worst = max(worst, float(np.linalg.norm(there - here, axis=-1).max()) * MILLIMETRES)
    return worst
