"""Who is to be enrolled or identified: walkers and their passes, from whatever the user names."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from meshgait.data.readers import ReadReport, Silhouettes
from meshgait.data.store import Store
from meshgait.errors import DataError
from meshgait.gallery.people import checked_direction, checked_view
from meshgait.text import printable, shortened
from meshgait.video.extract import silhouettes

if TYPE_CHECKING:
    from meshgait.recogniser import Walk

    Walks: TypeAlias = "Walk | Pass | Sequence[Walk | Pass]"

LISTED = 10
"""Walkers that an error names."""
META = "meta.json"
VIDEO_SUFFIXES = (".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v")


@dataclass(frozen=True)
class Pass:
    """One time that somebody walks by.

    Attributes:
        walk: whatever the model reads (silhouettes, or their path), or a function that gives it when it is needed.
        direction: "left" or "right" in the picture; "" if it is not known.
        view: from where the camera sees the walker, in the user's terms; "" if it is not known.
    """

    walk: Walk | Callable[[], Walk]
    direction: str = ""
    view: str = ""


@dataclass(frozen=True)
class Walker:
    """Somebody in a source.

    Attributes:
        label: what the source calls this walker.
        passes: of the walker, at least one.
    """

    label: str
    passes: tuple[Pass, ...]


Source: TypeAlias = str | Path


def sequences_of(source: Source) -> list[Walker]:
    """Walkers of a source, each with the passes that belong together.

    Args:
        source: a video (.mp4, .avi, .mov, .mkv, .webm): each walker that is found in it by background subtraction.
            A folder of frames, .gif, .npy, .npz or .pkl: one walker with one pass. A packed store: each of its
            subjects with all sequences. ``STORE/SUBJECT/CONDITION/VIEW``, or the beginning of it, in which shell
            patterns may stand (``walkers/00*/nm-*``): the sequences of that name.

    Raises:
        DataError: there is nothing at the path, nothing in the store is called that, or no walk is in the video.
    """
    path = Path(source)
    store, parts = _store_of(path)
    if store is not None:
        return _from_store(store, parts)
    if path.suffix.lower() in VIDEO_SUFFIXES:
        return _from_video(path)
    return [Walker(path.name or str(path), (Pass(path),))]


def one_walker(walkers: Sequence[Walker], source: Source, number: int | Literal["all"] | None = None) -> Walker:
    """The only walker of a source, or that of a number.

    Args:
        walkers: of the source.
        source: for the message.
        number: from 1; "all": they are one person, who left the picture and came back.

    Raises:
        DataError: there are several, or fewer than ``number``; names them.
    """
    if number is None and len(walkers) == 1:
        return walkers[0]
    if number == "all":
        return Walker(walkers[0].label, tuple(one for walker in walkers for one in walker.passes))
    if number is not None and 1 <= number <= len(walkers):
        return walkers[number - 1]
    known = [
        f"{place} {shortened(printable(walker.label), 40)} ({counted(len(walker.passes), 'pass', 'passes')})"
        for place, walker in enumerate(walkers[:LISTED], 1)
    ]
    more = ", ..." if len(walkers) > LISTED else ""
    found = f"{source} shows {counted(len(walkers), 'walker')}: {', '.join(known)}{more}"
    raise DataError(f"{found}", "choose one with --walker N, or --walker all if they are one person")


def passes_of(walks: Walks, direction: str = "", view: str = "") -> list[Pass]:
    """Walks one by one, with direction and view where they do not say it themselves.

    Raises:
        DataError: there is none, or a direction or view cannot be.
    """
    several = isinstance(walks, Sequence) and not isinstance(walks, str | Pass)
    passes = [one if isinstance(one, Pass) else Pass(one) for one in (walks if several else [walks])]
    if not passes:
        raise DataError("no walk is given", "give silhouettes, or the path of a walk")
    direction, view = checked_direction(direction), checked_view(view)
    return [Pass(one.walk, one.direction or direction, one.view or view) for one in passes]


def counted(number: int, one: str, several: str = "") -> str:
    """A number of things in words."""
    return f"{number:,} {one if number == 1 else several or one + 's'}"


def _store_of(path: Path) -> tuple[Path | None, tuple[str, ...]]:
    """The packed store that a path names or leads into, and what of the path lies within it."""
    for store in (path, *list(path.parents)[:3]):
        if (store / META).is_file() and (store / "sequences.csv").is_file():
            return store, path.parts[len(store.parts) :]
    return None, ()


def _from_video(path: Path) -> list[Walker]:
    """Walkers that are found in a video; who leaves the picture and comes back is another walker."""
    found = silhouettes(path)
    if not found.walks:
        said = ", ".join(f"track {one['walker']}: {one['reason']}" for one in found.report.refused[:3])
        raise DataError(
            f"{path} shows no walk{f' ({said})' if said else ''}",
            "see `meshgait silhouettes` for what was left out",
        )
    passes: dict[int, list[Pass]] = {}
    for walk in found.walks:
        direction = walk.direction if walk.direction in ("left", "right") else ""
        passes.setdefault(walk.walker, []).append(Pass(walk.silhouettes(), direction))
    return [Walker(f"walker {number}", tuple(some)) for number, some in passes.items()]


def _from_store(path: Path, parts: tuple[str, ...]) -> list[Walker]:
    store = Store(path)
    patterns = (*parts, "*", "*", "*")[:3]
    passes: dict[str, list[Pass]] = {}
    for index, sequence in enumerate(store.sequences):
        if all(fnmatchcase(name, pattern) for name, pattern in zip(sequence[:3], patterns, strict=True)):
            walk = partial(_stored, store, index)
            passes.setdefault(sequence.subject, []).append(Pass(walk, view=sequence.view))
    if not passes:
        within = os.sep.join(parts)
        raise DataError(f"{path} holds no sequence {within}", "name it by subject/condition/view")
    return [Walker(subject, tuple(found)) for subject, found in passes.items()]


def _stored(store: Store, index: int) -> Silhouettes:
    """A sequence as the store has it: it is cropped already."""
    frames = store.silhouettes(index)
    source = f"{store.path}/{'/'.join(store.sequences[index][:3])}"
    return Silhouettes(frames, np.arange(len(frames)), ReadReport(source, len(frames), "packed", {}))
