"""People of a gallery as one .npz file, to keep a copy, to move them, or to hand a person what is kept of them."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from meshgait.arrays import Expected, read_npz
from meshgait.atomic import atomic_file
from meshgait.errors import DataError, GalleryError
from meshgait.gallery.opened import MODEL, Opened, require_model
from meshgait.gallery.people import checked_name, parsed_date, vectors_of
from meshgait.gallery.records import Person
from meshgait.gallery.sources import counted
from meshgait.gallery.vectors import vector_id
from meshgait.text import printable

FORMAT = 1
REMEDY = "export it again with `meshgait gallery export`"
ARRAYS = {
    "format": Expected("iu", (0,)),
    "model": Expected("U", (0,)),
    "names": Expected("U", (1,)),
    "consents": Expected("U", (1,)),
    "consents_until": Expected("U", (1,)),
    "person": Expected("iu", (1,)),
    "embeddings": Expected("f", (4,)),
    "frames": Expected("iu", (1,)),
    "directions": Expected("U", (1,)),
    "views": Expected("U", (1,)),
    "enrolled": Expected("U", (1,)),
}
"""P people: names, consents and their ends ("" for none). N walks: number of the person among them, embeddings
(N, 2, S, D) of the walk and its mirror image, frames, direction, view, time. Silhouettes stay in the gallery."""


def export_people(opened: Opened, path: Path, names: Sequence[str] | None = None) -> int:
    """Write people to a file that its owner alone can read.

    Args:
        opened: the gallery.
        path: of the file, which is replaced if it is there.
        names: of the people; None: all.

    Returns:
        How many people.

    Raises:
        GalleryError: nobody is called so, or nobody is enrolled.
        OutputError: the file cannot be written.
    """
    database, people, vectors = opened.database, opened.people, opened.vectors
    with database.reading():
        chosen = people.all() if names is None else [people.get(name) for name in dict.fromkeys(names)]
        if not chosen:
            raise GalleryError(f"nobody is enrolled in {database.path}; there is nothing to export")
        place = {person.id: row for row, person in enumerate(chosen)}
        walks = people.walks(place)
        read = vectors.read(vectors_of(walks))
        model = database.fact(MODEL) or ""
    content: dict[str, Any] = {
        "format": FORMAT,
        "model": model,
        "names": np.array([person.name for person in chosen]),
        "consents": np.array([person.consent for person in chosen]),
        "consents_until": np.array([f"{person.consent_until or ''}" for person in chosen]),
        "person": np.array([place[walk.person] for walk in walks], np.int64),
        "embeddings": read.reshape(-1, 2, *read.shape[1:]),
        "frames": np.array([walk.frames for walk in walks], np.int64),
        "directions": np.array([walk.direction for walk in walks], str),
        "views": np.array([walk.view for walk in walks], str),
        "enrolled": np.array([walk.enrolled for walk in walks], str),
    }
    with atomic_file(path) as temporary:
        handle = os.open(temporary, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
        with os.fdopen(handle, "wb") as file:
            np.savez(file, **content)
    with database.writing():
        people.log("export", None, counted(len(chosen), "person", "people"))
    return len(chosen)


def import_people(open_gallery: Callable[[], Opened], path: Path, merge: bool = False) -> list[Person]:
    """Add the people of an exported file; all or, if something is wrong, none.

    Args:
        open_gallery: opens the gallery, which may be made by it; called once the file is read.
        path: of the file.
        merge: add walks to people who are enrolled under the same name, leaving out those that are there.

    Raises:
        DataError: the file is damaged or no export.
        GalleryError: it is of another model, or somebody is enrolled already and ``merge`` is False.
    """
    content = _read(path)
    opened = open_gallery()
    database, people, vectors = opened.database, opened.people, opened.vectors
    names = [checked_name(name) for name in content["names"].tolist()]
    with database.writing():
        require_model(database, str(content["model"]), note=True)
        numbers = []
        for place, name in enumerate(names):
            person = people.find(name)
            if person is not None and not merge:
                raise GalleryError(
                    f"{printable(name)} is enrolled in {database.path}; add the walks with --merge, or rename"
                )
            end = str(content["consents_until"][place])
            consent, until = str(content["consents"][place]), parsed_date(end) if end else None
            numbers.append(people.add(name, consent, until) if person is None else person.id)
        added = 0
        for row, place in enumerate(content["person"].tolist()):
            both = content["embeddings"][row]
            if merge and people.has_walk(both):
                continue
            about = (str(content[name][row]) for name in ("directions", "views", "enrolled"))
            walk = people.add_walk(numbers[place], both, int(content["frames"][row]), *about)
            vectors.add([vector_id(walk, False), vector_id(walk, True)], both)
            added += 1
        database.changed()
        people.log("import", None, f"{counted(len(names), 'person', 'people')}, {counted(added, 'walk')}")
        return [opened.people.get(name) for name in names]


def _read(path: Path) -> dict[str, np.ndarray]:
    content = read_npz(path, ARRAYS, REMEDY)
    if int(content["format"]) != FORMAT:
        raise DataError(f"{path} is of format {int(content['format'])}, this version reads {FORMAT}", REMEDY)
    people, walks = len(content["names"]), len(content["person"])
    lengths = {
        **dict.fromkeys(("consents", "consents_until"), people),
        **dict.fromkeys(("embeddings", "frames", "directions", "views", "enrolled"), walks),
    }
    wrong = [name for name, length in lengths.items() if len(content[name]) != length]
    person, shape = content["person"], content["embeddings"].shape
    if not wrong and walks and not (int(person.min()) >= 0 and int(person.max()) < people):
        wrong = ["person"]
    if not wrong and (shape[1] != 2 or 0 in shape[2:] or not np.isfinite(content["embeddings"]).all()):
        wrong = ["embeddings"]
    if not wrong and len(set(content["names"].tolist())) < people:
        wrong = ["names"]
    if not wrong and walks and not (1 <= int(content["frames"].min()) <= int(content["frames"].max()) < 2**31):
        wrong = ["frames"]
    if wrong:
        raise DataError(f"{path}: the array {wrong[0]} does not fit the others", REMEDY)
    return content | {"embeddings": content["embeddings"].astype(np.float32)}
