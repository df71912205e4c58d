"""The last evaluation of a run as a file: embeddings and who is looked for among whom."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np

from meshgait.arrays import Expected, npz_names, read_npz, write_npz
from meshgait.atomic import atomic_file
from meshgait.errors import DataError
from meshgait.evaluation.distances import Distance
from meshgait.evaluation.scoring import Task

COLUMNS = ("labels", "views", "conditions", "sequences", "gallery")
NAMES = ("subjects", "view_names")
WORDS = ("exclude", "scoring", "protocol", "distance")
PROBES = "probes/"
ARRAYS = {
    "embeddings": Expected("f", (3,)),
    **dict.fromkeys(("labels", "views", "sequences"), Expected("i", (1,))),
    "conditions": Expected("U", (1,)),
    "gallery": Expected("b", (1,)),
    **dict.fromkeys(NAMES, Expected("U", (1,))),
    **dict.fromkeys(WORDS, Expected("U", (0,))),
}
"""Arrays of a file besides the probes."""
REMEDY = "evaluate again"


@dataclass(frozen=True)
class EvaluationRecord:
    """What retrieval was scored on; it has the form of `meshgait.evaluation.scoring.Task`.

    Attributes:
        embeddings: (N, S, D) float16, of the sequences of gallery and probes.
        labels: (N,) int64 index into subjects.
        views: (N,) int64 index into view_names.
        conditions: (N,) names.
        sequences: (N,) int64, which sequence of the store each row is.
        gallery: (N,) bool.
        probes: for each condition (N,) bool.
        subjects: names of the persons.
        view_names: names of the views.
        exclude: pairs that do not count.
        scoring: how the protocol scores.
        protocol: its name.
        distance: how embeddings are compared.
    """

    embeddings: np.ndarray
    labels: np.ndarray
    views: np.ndarray
    conditions: np.ndarray
    sequences: np.ndarray
    gallery: np.ndarray
    probes: Mapping[str, np.ndarray]
    subjects: tuple[str, ...]
    view_names: tuple[str, ...]
    exclude: str
    scoring: str
    protocol: str
    distance: Distance = "euclidean"

    @property
    def persons(self) -> np.ndarray:
        """(N,) name of each sequence's person."""
        return np.array(self.subjects)[self.labels]

    @property
    def roles(self) -> np.ndarray:
        """(N,) what each sequence is in the protocol: "gallery", or the name of its probe condition."""
        names = np.full(len(self.labels), "gallery", dtype=object)
        for name, mask in self.probes.items():
            names[mask & ~self.gallery] = name
        return names.astype(str)

    def task(self) -> Task:
        """This record as what `meshgait.evaluation.scoring.evaluate` asks for."""
        return self

    def write(self, path: Path | str) -> None:
        """Write it whole (temporary name, then renamed); arrays only.

        Raises:
            OutputError: the file cannot be written.
        """
        arrays = {name: np.asarray(getattr(self, name)) for name in ("embeddings", *COLUMNS)}
        arrays |= {name: np.asarray(getattr(self, name), str) for name in (*NAMES, *WORDS)}
        arrays |= {PROBES + name: np.asarray(mask) for name, mask in self.probes.items()}
        arrays["embeddings"] = arrays["embeddings"].astype(np.float16)
        with atomic_file(path) as temporary, temporary.open("wb") as file:
            write_npz(file, arrays)

    @classmethod
    def read(cls, path: Path | str) -> EvaluationRecord:
        """Read what `write` wrote.

        Raises:
            DataError: no such file, damaged, or no evaluation.
        """
        path = Path(path)
        if not path.exists():
            raise DataError(f"{path} is not there", "`meshgait fit` of stage 2 writes it at each validation")
        probes = [name for name in npz_names(path, REMEDY) if name.startswith(PROBES)]
        arrays = read_npz(path, ARRAYS | dict.fromkeys(probes, Expected("b", (1,))), REMEDY)
        try:
            record = cls(
                embeddings=arrays["embeddings"],
                labels=arrays["labels"],
                views=arrays["views"],
                conditions=arrays["conditions"],
                sequences=arrays["sequences"],
                gallery=arrays["gallery"],
                probes={name[len(PROBES) :]: arrays[name] for name in arrays if name.startswith(PROBES)},
                subjects=tuple(map(str, arrays["subjects"].tolist())),
                view_names=tuple(map(str, arrays["view_names"].tolist())),
                exclude=str(arrays["exclude"]),
                scoring=str(arrays["scoring"]),
                protocol=str(arrays["protocol"]),
                distance=cast(Distance, str(arrays["distance"])),  # checked where embeddings are compared
            )
        except (KeyError, TypeError) as error:
            raise DataError(f"{path} cannot be read as an evaluation ({error})", REMEDY) from error
        record._check(path)
        return record

    def _check(self, path: Path) -> None:
        """Refuse columns that do not belong together."""
        count = len(self.embeddings) if self.embeddings.ndim == 3 else -1
        columns = [getattr(self, name) for name in COLUMNS] + list(self.probes.values())
        fits = all(column.shape == (count,) for column in columns) and bool(self.probes)
        for index, names in ((self.labels, self.subjects), (self.views, self.view_names)):
            fits = fits and index.dtype.kind == "i" and (not count or 0 <= index.min() <= index.max() < len(names))
        if not fits:
            raise DataError(f"{path} holds columns that do not belong together", REMEDY)
