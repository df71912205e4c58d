"""Text files of a run folder: figures (metrics.json), history (history.jsonl), settings (config.yaml).

Each is checked once, when it is read; what comes out has the types that are said here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, model_validator

from meshgait.renamed_settings import renamed_settings
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
    """What a run learnt from."""

    path: Line
    hash: Line


class Metrics(Schema):
    """``metrics.json``: figures, and what they are of; a figure that is null could not be measured."""

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


def read_metrics(path: Path) -> Metrics:
    """What a run came to.

    Raises:
        DataError: the file is missing, or holds no figures of a run.
    """
    return TextFile(path, TRAIN, "figures of a run").json(Metrics)


def measured(metrics: Metrics) -> dict[str, Any]:
    """Content of the file as far as it goes, with those figures alone that could be measured."""
    figures = {name: value for name, value in metrics.figures.items() if value is not None}
    return metrics.model_dump(exclude_unset=True) | {"figures": figures}


def read_history(path: Path) -> list[tuple[int, dict[str, float | None]]]:
    """Step and figures of each line; a last line that is not whole is left out.

    Raises:
        DataError: a line is no record of figures.
    """
    rows = TextFile(path, "remove the line, or the file", "history of a run").json_lines(HistoryRow)
    return [(row.step, row.__pydantic_extra__) for row in rows]


def read_settings(path: Path) -> dict[str, Any]:
    """Content of ``config.yaml``, or of an experiment, by the names that settings have now.

    Raises:
        DataError: it is no YAML, or holds no settings by name.
    """
    return renamed_settings(TextFile(path, "restore it or remove it", "settings").yaml(dict[Any, Any]))[0]
