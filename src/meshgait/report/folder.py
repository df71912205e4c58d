"""What a run folder holds, read for a report. Files that are not there are noted, damaged ones are refused."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from meshgait.arrays import Expected, read_npz
from meshgait.errors import ConfigError, DataError
from meshgait.evaluation.record import EvaluationRecord
from meshgait.run_folder import RunFolder, measured, read_history, read_metrics, read_settings

PICTURE = re.compile(r"(?P<kind>[a-z]+)-(?P<step>\d+)\.(png|gif)")


class Curve(NamedTuple):
    """Values (n,) of a figure at training steps (n,)."""

    steps: np.ndarray
    values: np.ndarray


class Meshes(NamedTuple):
    """Reconstructed frames of held-out walkers.

    Attributes:
        vertices: (n, V, 3) predicted, metres, y up.
        true_vertices: (n, V, 3), or None.
        faces: (F, 3).
        names: of the n sequences.
        silhouettes: (n, H, W) uint8.
    """

    vertices: np.ndarray
    true_vertices: np.ndarray | None
    faces: np.ndarray
    names: tuple[str, ...]
    silhouettes: np.ndarray


@dataclass(frozen=True)
class Run:
    """A run as a report shows it.

    Attributes:
        name: of the folder; with as much of its path as tells it from the others.
        path: of the folder.
        metrics: content of metrics.json; empty where there is none.
        settings: dotted name to value, as text; empty without config.yaml.
        history: logged figures by name.
        record: the last evaluation, or None.
        meshes: of a few frames, or None.
        pictures: the latest of each kind.
        missing: what is not there, in sentences.
    """

    name: str
    path: Path
    metrics: dict[str, Any]
    settings: dict[str, str]
    history: dict[str, Curve]
    record: EvaluationRecord | None
    meshes: Meshes | None
    pictures: dict[str, Path]
    missing: tuple[str, ...]

    @property
    def figures(self) -> dict[str, float]:
        """Final figures by name."""
        return self.metrics.get("figures", {})

    @property
    def recognises(self) -> bool:
        """Whether it is of stage 2, as far as the folder tells."""
        return "val/rank1" in self.figures or self.record is not None


def read_runs(paths: Sequence[Path]) -> list[Run]:
    """Read runs; names are made different by their folders' folders where need be.

    Raises:
        DataError: a folder is no run, or a file in it is damaged.
        ConfigError: a run is named twice.
    """
    whole = [path.resolve() for path in paths]
    if twice := [str(path) for path, full in zip(paths, whole, strict=True) if whole.count(full) > 1]:
        raise ConfigError(f"{twice[0]} is named more than once", "name each run once")
    depth = 1
    parts = [(path if path.is_dir() else path.with_suffix("")).parts for path in whole]
    while len({part[-depth:] for part in parts}) < len(parts):
        depth += 1
    return [read_run(path, "/".join(part[-depth:])) for path, part in zip(paths, parts, strict=True)]


def read_run(path: Path, name: str | None = None) -> Run:
    """Read one run.

    Args:
        path: its folder, or a metrics file in it (such as metrics-usf.json of a test).
        name: what to call it; the folder's name by default.

    Raises:
        DataError: the folder is no run, or a file in it is damaged.
    """
    run = RunFolder(path if path.is_dir() else path.parent)
    tests = run.tests if path.is_dir() else []
    marks = (run.config, run.metrics(), run.history, run.evaluation())  # a folder with none of these is no run
    if not path.exists():
        raise DataError(f"{path} is not there", "name the folder of a run, such as runs/finetune")
    if path.is_dir() and not tests and not any(mark.is_file() for mark in marks):
        names = ", ".join(mark.name for mark in marks)
        raise DataError(f"{path} is no run: it holds none of {names}", "name a folder of `meshgait fit`")
    metrics = path if path.is_file() else run.metrics()
    if not metrics.is_file() and len(tests) == 1:
        metrics = tests[0]
    missing = []

    def where(file: Path, what: str) -> Path | None:
        if file.is_file():
            return file
        missing.append(f"{what} ({file.name} is not there)")
        return None

    config = where(run.config, "settings")
    if not metrics.is_file():
        missing.append(f"final figures: the run is not finished ({run.metrics().name} is not there)")
    content = measured(read_metrics(metrics)) if metrics.is_file() else {}
    if content.get("partial"):
        missing.append("figures of a whole evaluation: those shown are of a part of its batches")
    history = where(run.history, "training curves")
    settings = dict(_flat(read_settings(config), "")) if config else {}
    # stage 1 recognises nobody, and a network without its 3D branch has no body to show
    stage = str(content.get("stage") or settings.get("model.class_path", ""))
    record = meshes = None
    if "ReconstructStage" not in stage and (file := where(run.evaluation(), "CMC and DET")):
        record = EvaluationRecord.read(file)
        if not np.isfinite(record.embeddings).all():
            record = None
            missing.append("CMC and DET: embeddings are not finite, the model has diverged")
    if content.get("uses_3d", True) and (file := where(run.meshes, "meshes to turn")):
        meshes = _read_meshes(file)
    pictures = _pictures(run.pictures)
    if not pictures:
        missing.append("pictures (none in pictures/)")
    curves = _curves(read_history(history)) if history else {}
    folder = run.path.resolve().name
    name = name or (folder if path.is_dir() else f"{folder}/{path.stem}")
    return Run(name, run.path, content, settings, curves, record, meshes, pictures, tuple(missing))


def _flat(value: Any, name: str) -> list[tuple[str, str]]:  # noqa: ANN401
    """Dotted names; jsonargparse's `init_args` says nothing to a reader."""
    if isinstance(value, dict) and value:
        parts = [(str(key), inner) for key, inner in value.items()]
        return [
            row
            for key, inner in parts
            for row in _flat(inner, name if key == "init_args" else f"{name}.{key}".lstrip("."))
        ]
    return [(name, value if isinstance(value, str) else json.dumps(value, default=str))]


def _curves(rows: Sequence[tuple[int, dict[str, float | None]]]) -> dict[str, Curve]:
    """Figures by name."""
    found: dict[str, list[tuple[int, float]]] = {}
    for step, values in rows:
        for name, value in values.items():
            if value is not None:
                found.setdefault(name, []).append((step, value))
    return {name: Curve(*map(np.array, zip(*points, strict=True))) for name, points in found.items()}


def _read_meshes(path: Path) -> Meshes:
    expected = {
        "vertices": Expected("f", (3,)),
        "true_vertices": Expected("f", (3,), optional=True),
        "faces": Expected("iu", (2,)),
        "names": Expected("US", (1,)),
        "silhouettes": Expected("u", (3,)),
    }
    arrays = read_npz(path, expected, "remove it or train again")
    with np.errstate(over="ignore"):  # too large numbers become not finite, as those of a diverged model are
        vertices = arrays["vertices"].astype(np.float32)
        true = arrays["true_vertices"].astype(np.float32) if "true_vertices" in arrays else None
    meshes = Meshes(
        vertices,
        true,
        arrays["faces"].astype(np.int32),
        tuple(map(str, arrays["names"])),
        arrays["silhouettes"].astype(np.uint8),
    )
    count, shape = len(meshes.names), meshes.vertices.shape
    fits = len(shape) == 3 and shape[0] == count > 0 and shape[2] == 3 and meshes.silhouettes.shape[:1] == (count,)
    fits = fits and meshes.silhouettes.ndim == 3 and (true is None or true.shape == shape)
    fits = fits and meshes.faces.ndim == 2 and meshes.faces.shape[1] == 3 and len(meshes.faces) > 0
    if not fits or meshes.faces.min() < 0 or meshes.faces.max() >= shape[1]:
        raise DataError(f"{path} holds arrays that do not belong together", "remove it or train again")
    return meshes


def _pictures(folder: Path) -> dict[str, Path]:
    """The latest picture of each kind."""
    found: dict[str, tuple[int, Path]] = {}
    for path in sorted(folder.glob("*")) if folder.is_dir() else []:
        if match := PICTURE.fullmatch(path.name):
            found[match["kind"]] = max(found.get(match["kind"], (-1, path)), (int(match["step"]), path))
    return {kind: path for kind, (_, path) in found.items()}
