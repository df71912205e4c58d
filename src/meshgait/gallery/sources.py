"""Walkers and their passes from any source that a user names: video, folder, file or store."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
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
from meshgait.video.writing import REPORT

if TYPE_CHECKING:
    from meshgait.recogniser import Walk
    from meshgait.video.results import Walk as VideoWalk

    Walks: TypeAlias = "Walk | Pass | Sequence[Walk | Pass]"

LISTED = 10
"""Walkers that an error names."""
STORE_FILES, VIDEO_FILES = ("meta.json", "sequences.csv"), (REPORT, "walker-*")
"""What lies in a packed store, and in a folder of `meshgait silhouettes`."""
VIDEO_SUFFIXES = (".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v")


@dataclass(frozen=True)
class Pass:
    """One walk of a person past the camera.

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
    """A walker in a source.

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
            A folder of `meshgait silhouettes`, or ``walker-001/pass-01`` in it: the walkers that were cut out.
            A folder of frames, .gif, .npy, .npz or .pkl: one walker with one pass. A packed store: each of its
            subjects with all sequences. ``STORE/SUBJECT/CONDITION/VIEW``, or the beginning of it, in which shell
            patterns may stand (``walkers/00*/nm-*``): the sequences of that name.

    Raises:
        DataError: there is nothing at the path, nothing in the store is called that, or no walk is in the video.
    """
    path = Path(source)
    store, parts = _within(path, STORE_FILES)
    if store is not None:
        return _from_store(store, parts)
    folder, parts = _within(path, VIDEO_FILES)
    if folder is not None:
        return _from_walk_folder(folder, parts)
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
        f"{place}: {shortened(printable(walker.label), 40)} ({counted(len(walker.passes), 'pass', 'passes')})"
        for place, walker in enumerate(walkers[:LISTED], 1)
    ]
    more = ", ..." if len(walkers) > LISTED else ""
    found = f"{source} shows {counted(len(walkers), 'walker')}: {', '.join(known)}{more}"
    raise DataError(f"{found}", "choose one with --walker N, or --walker all if they are one person")


def people_of(sources: Sequence[str], most: int | None = None) -> Mapping[str, list[Pass]]:
    """Walkers of sources by their labels, with at most ``most`` passes each, spread evenly."""
    found: dict[str, list[Pass]] = {}
    for source in sources:
        for walker in sequences_of(source):
            found.setdefault(walker.label, []).extend(walker.passes)
    for label, passes in found.items():
        if most is not None and len(passes) > max(most, 1):
            chosen = np.linspace(0, len(passes) - 1, max(most, 1)).round().astype(int)
            found[label] = [passes[place] for place in chosen]
    return found


def passes_of(walks: Walks, direction: str = "", view: str = "") -> list[Pass]:
    """Walks one by one, with direction and view where they do not say it themselves.

    Raises:
        DataError: there is none, or a direction or view cannot be.
    """
    if not isinstance(walks, Sequence) or isinstance(walks, str | Pass):
        walks = [walks]
    passes = [one if isinstance(one, Pass) else Pass(one) for one in walks]
    if not passes:
        raise DataError("no walk is given", "give silhouettes, or the path of a walk")
    direction, view = checked_direction(direction), checked_view(view)
    return [Pass(one.walk, one.direction or direction, one.view or view) for one in passes]


def counted(number: int, one: str, several: str = "") -> str:
    """A count with its noun, such as "3 walks"."""
    return f"{number:,} {one if number == 1 else several or one + 's'}"


def _within(path: Path, holds: Sequence[str]) -> tuple[Path | None, tuple[str, ...]]:
    """The folder that a path names or leads into, known by what it holds, and what of the path lies within it."""
    for folder in (path, *list(path.parents)[:3]):
        if all(any(folder.glob(name)) for name in holds):
            return folder, path.parts[len(folder.parts) :]
    return None, ()


def _from_video(path: Path) -> list[Walker]:
    """Walkers that are found in a video; who leaves the picture and comes back is another walker."""
    found = silhouettes(path)
    if not found.walks:
        said = ", ".join(
            f"frames {one['first']} to {one['last']}: {one['reason']}" for one in found.report.refused[:3]
        )
        raise DataError(
            f"{path} shows no walk{f' ({said})' if said else ''}",
            "see `meshgait silhouettes` for what was left out",
        )
    walks: dict[int, list[VideoWalk]] = {}
    for walk in found.walks:
        walks.setdefault(walk.walker, []).append(walk)
    return [walker_of_video(some) for some in walks.values()]


def walker_of_video(walks: Sequence[VideoWalk]) -> Walker:
    """Walks of one walker, as they were cut out of a video."""
    passes = tuple(Pass(walk.silhouettes(), _sideways(walk.direction)) for walk in walks)
    return Walker(_label(walks[0].walker, walks[0].frames[0], walks[-1].frames[-1]), passes)


def _label(walker: int, first: int, last: int) -> str:
    return f"walker {walker}, frames {first} to {last}"


def _sideways(direction: str) -> str:
    """A direction as galleries know it: left, right, or "" for any other."""
    return direction if direction in ("left", "right") else ""


def _from_walk_folder(path: Path, parts: tuple[str, ...]) -> list[Walker]:
    """Walkers of a folder of `meshgait silhouettes`."""
    folders: dict[str, list[Path]] = {}
    for folder in sorted(path.glob(os.sep.join((*parts, "*", "*", "*")[:3]))):
        if folder.is_dir():
            folders.setdefault(folder.parts[-3], []).append(folder)
    if not folders:
        raise DataError(f"{path} holds no walk {os.sep.join(parts)}", "name it as in its report")
    return [_walker_of_folders(some) for some in folders.values()]


def _walker_of_folders(folders: Sequence[Path]) -> Walker:
    numbers = [int(file.stem) for folder in folders for file in folder.glob("*.png") if file.stem.isdecimal()]
    name = folders[0].parts[-3].removeprefix("walker-")
    known = numbers and name.isdecimal()
    label = _label(int(name), min(numbers), max(numbers)) if known else str(folders[0].parent.parent)
    return Walker(label, tuple(Pass(folder, _sideways(folder.name)) for folder in folders))


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
