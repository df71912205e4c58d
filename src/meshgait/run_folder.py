"""Run folders: where their files are, and how metrics, history and settings are written and read.

A file may come from anybody. It is checked when it is read, and the result has the types given here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, model_validator

from meshgait.atomic import atomic_file
from meshgait.errors import DataError
from meshgait.renamed_settings import renamed_metrics, renamed_settings
from meshgait.textfiles.json_text import finite
from meshgait.textfiles.reading import Line, Schema, TextFile

Count = Annotated[int, Field(ge=0)]
TRAIN = "train the run again"


class Cells(Schema):
    """Rank-1 by views of probe and gallery; null where it could not be measured."""

    probe_views: list[Line]
    gallery_views: list[Line]
    rank1: list[list[float | None]]

    @model_validator(mode="after")
    def _fits(self) -> Cells:
        shape = [len(self.gallery_views)] * len(self.probe_views)
        if [len(row) for row in self.rank1] != shape:
            raise ValueError("the cells do not fit their views")
        return self


class TrainingData(Schema):
    """Data that a run was trained on."""

    path: Line
    hash: Line


class Metrics(Schema):
    """``metrics.json``: metrics, and what they belong to; null where a value could not be measured."""

    figures: dict[Line, float | None]
    stage: Line | None = None
    uses_3d: bool = True
    protocol: Line = ""
    data: TrainingData | None = None
    parameters: Count = 0
    step: Count = 0
    devices: Count = 1
    precision: Line = ""
    seed: int | None = None
    version: Line = ""
    git: Line | None = None
    machine: Line = ""
    seconds: Annotated[float, Field(ge=0)] | None = None
    cells: dict[Line, Cells] = Field(default={})
    errors: dict[Line, float | Line] = Field(default={})


class HistoryRow(Schema):
    """A line of ``history.jsonl``: the step and what was logged at it; null where it was not finite."""

    __pydantic_extra__: dict[Line, float | None] = Field(init=False)
    step: Count


@dataclass(frozen=True)
class RunFolder:
    """Paths of the files of a run; the files need not exist.

    Args:
        path: of the folder (``trainer.default_root_dir``).
    """

    path: Path

    def metrics(self, protocol: str | None = None) -> Path:
        """Metrics of the fit, or of a test by a protocol; those of the fit are written when it is complete."""
        return self.path / (f"metrics-{protocol}.json" if protocol else "metrics.json")

    def evaluation(self, protocol: str | None = None) -> Path:
        """Embeddings of the last validation, or of a test by a protocol (`EvaluationRecord`)."""
        return self.path / (f"evaluation-{protocol}.npz" if protocol else "evaluation.npz")

    @property
    def tests(self) -> list[Path]:
        """Existing metrics files of tests."""
        return sorted(self.path.glob("metrics-*.json"))

    @property
    def finished(self) -> bool:
        """Whether its fit is complete."""
        return self.metrics().is_file()

    @property
    def history(self) -> Path:
        """Logged metrics, one JSON object per line."""
        return self.path / "history.jsonl"

    @property
    def config(self) -> Path:
        """The resolved configuration."""
        return self.path / "config.yaml"

    @property
    def embeddings(self) -> Path:
        """Embeddings of a store, by `meshgait predict`."""
        return self.path / "embeddings.npz"

    @property
    def meshes(self) -> Path:
        """Meshes of a few frames."""
        return self.path / "mesh.npz"

    @property
    def pictures(self) -> Path:
        """Folder of the pictures."""
        return self.path / "pictures"

    @property
    def checkpoints(self) -> Path:
        """Folder of the checkpoints."""
        return self.path / "checkpoints"

    @property
    def last_checkpoint(self) -> Path:
        """The checkpoint from which a training resumes."""
        return self.checkpoints / "last.ckpt"

    def write_metrics(self, content: Mapping[str, Any], protocol: str | None = None) -> None:
        """Write metrics, and what they belong to; a value that is not finite becomes null.

        Raises:
            OutputError: the file cannot be written.
        """
        text = json.dumps(finite(dict(content)), indent=1, allow_nan=False) + "\n"
        with atomic_file(self.metrics(protocol)) as file:
            file.write_text(text, encoding="utf-8")

    def write_config(self, text: str) -> None:
        """Write the resolved configuration.

        Raises:
            OutputError: the file cannot be written.
        """
        with atomic_file(self.config) as file:
            file.write_text(text, encoding="utf-8")


def read_metrics(path: Path) -> Metrics:
    """Read a metrics file.

    Raises:
        DataError: the file is missing, or holds no metrics of a run.
    """
    metrics = TextFile(path, TRAIN, "metrics of a run").json(Metrics)
    return metrics.model_copy(update={"figures": renamed_metrics(metrics.figures)})


def measured(metrics: Metrics) -> dict[str, Any]:
    """The keys that the file has, without metrics that could not be measured."""
    figures = {name: value for name, value in metrics.figures.items() if value is not None}
    return metrics.model_dump(exclude_unset=True) | {"figures": figures}


def read_finished(path: Path) -> dict[str, Any]:
    """Metrics of a finished run and what they belong to, with the run's ``name``.

    Args:
        path: run folder, or a metrics file in one.

    Raises:
        DataError: there is none, or it is no such file.
    """
    file = RunFolder(path).metrics() if path.is_dir() else path
    if not file.is_file():
        raise DataError(f"{path} is not a finished run: {file} is missing", "train it with `meshgait fit`")
    content = measured(read_metrics(file))
    if missing := sorted({"uses_3d", "data", "protocol", "machine", "seconds"} - content.keys()):
        raise DataError(f"{file} holds no metrics of a run ({', '.join(missing)} missing)", TRAIN)
    name = path.name if path.is_dir() else f"{path.parent.name}/{path.stem}"
    return content | {"name": f"{name}, partial" if content.get("partial") else name}


def read_history(path: Path) -> list[tuple[int, dict[str, float | None]]]:
    """Step and metrics of each line; an incomplete last line is left out.

    Raises:
        DataError: a line is not a record of metrics.
    """
    rows = TextFile(path, "remove the line, or the file", "history of a run").json_lines(HistoryRow)
    return [(row.step, renamed_metrics(row.__pydantic_extra__)) for row in rows]


def read_settings(path: Path) -> dict[str, Any]:
    """Content of ``config.yaml``, or of an experiment, with the new names of settings.

    Raises:
        DataError: it is not YAML, or has no settings by name.
    """
    return renamed_settings(TextFile(path, "restore it or remove it", "settings").yaml(dict[Any, Any]))[0]
