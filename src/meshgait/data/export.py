"""The packed store -> OpenGait's tree of pickles, so that nobody is locked in."""

from __future__ import annotations

import json
import os
import pickle
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from meshgait.data.appendable_array import lock_writer, write_json, writing
from meshgait.data.store import Store
from meshgait.data.table import Sequence
from meshgait.errors import DataError, StoreError
from meshgait.lock import LOCK
from meshgait.progress import Progress

BEGUN, TREE, PARTITION = "store.json", "tree", "partition.json"
LONGEST = 255
"""Bytes of a name that file systems take."""


def export_opengait(source: Path | str, dest: Path | str, progress: bool = True) -> int:
    """Write DEST/subject/condition/view/VIEW.pkl, silhouettes uint8 (T, H, H), padded at both sides to squares.

    Where the store has valid SMPL truth there are two files, ``sils-VIEW.pkl`` and ``smpls-VIEW.pkl``: rows
    (T, 85) = camera, pose, betas, the camera in the silhouette frame; a row of zeros is no truth. A store's
    partition becomes DEST/partition.json. Everything goes to ``DEST.partial/tree``, renamed when it is whole; the
    same call resumes a stopped run.

    Args:
        source: the packed store, which is only read.
        dest: folder to make; must not exist.
        progress: show how far it is.

    Returns:
        Sequences written.

    Raises:
        StoreError: SOURCE is no store, DEST exists, is being written, or was begun from another store.
        DataError: a name that cannot be a folder's, or names that the file system does not tell apart.
        OutputError: DEST cannot be written, or the disk is full.
    """
    store, dest = Store(source), Path(dest)
    partial = dest.with_name(dest.name + ".partial")
    _check_names(store)
    if os.path.lexists(dest):
        raise StoreError(f"{dest} already exists", "choose another folder or remove it")
    with writing(partial):
        partial.mkdir(parents=True, exist_ok=True)
        lock = lock_writer(partial)
        try:
            _check_begun(partial, store)
            tree = partial / TREE  # apart from the files that say how far it is: a subject may be called like them
            tree.mkdir(exist_ok=True)
            with Progress("exporting", len(store.sequences), "sequences", show=progress) as report:
                for index, sequence in enumerate(store.sequences):
                    _write(tree / sequence.subject / sequence.condition / sequence.view, store, index, sequence)
                    report.advance()
            _check_whole(tree, store)
            if store.partition is not None:
                write_json(tree / PARTITION, store.partition)
            tree.rename(dest)
            for name in (BEGUN, LOCK):
                (partial / name).unlink()
            partial.rmdir()
        finally:
            lock.release()
    return len(store.sequences)


def _check_begun(partial: Path, store: Store) -> None:
    """Resume a stopped export of the same store only."""
    begun = partial / BEGUN
    if not begun.exists():
        write_json(begun, {"store": store.hash})
    elif json.loads(begun.read_text()) != {"store": store.hash}:
        raise StoreError(
            f"{partial} was begun from another store", "remove it, or repeat the command that began it"
        )


def _check_names(store: Store) -> None:
    seen = set()
    for sequence in store.sequences:
        for name in sequence[:3]:
            # the longest file of a sequence is its view's
            length = len(os.fsencode(f"smpls-{name}.pkl.tmp"))
            if name in ("", ".", "..") or set(name) & set("/\\\0") or length > LONGEST:
                raise DataError(f"{store.path} has a sequence named {name!r}, which no folder can be", "rename it")
        if sequence.subject == PARTITION:
            raise DataError(
                f"{store.path} has a subject named {PARTITION}, which is the list of subjects", "rename it"
            )
        if sequence[:3] in seen:
            raise DataError(
                f"{store.path} has two sequences {'/'.join(sequence[:3])}, which OpenGait's tree cannot hold",
                "rename one",
            )
        seen.add(sequence[:3])


def _check_whole(tree: Path, store: Store) -> None:
    """Each sequence has a folder of its own: some file systems take A for a, or leave dots out at the end."""
    folders = sum(1 for _, _, files in os.walk(tree) if any(name.endswith(".pkl") for name in files))
    if folders < len(store.sequences):
        raise DataError(
            f"{tree} has {folders} folders for {len(store.sequences)} sequences: the file system takes some of "
            "their names for the same (capitals, accents, dots at the end)",
            "rename them, or export to another disk",
        )


def _write(folder: Path, store: Store, index: int, sequence: Sequence) -> None:
    files = dict(_files(store, index, sequence))
    if all((folder / name).exists() for name in files):  # by a stopped run; each file is whole or absent
        return
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in files.items():
        temporary = folder / f"{name}.tmp"
        with temporary.open("wb") as file:
            pickle.dump(array, file, protocol=4)
        temporary.replace(folder / name)


def _files(store: Store, index: int, sequence: Sequence) -> Iterator[tuple[str, np.ndarray]]:
    """Name and content of each pickle of a sequence."""
    silhouettes = _squares(store.silhouettes(index))
    truth = store.smpl(index) if store.has_smpl else None
    if truth is None or not truth["valid"].any():
        yield f"{sequence.view}.pkl", silhouettes
        return
    rows = np.concatenate([truth[name] for name in ("cameras", "poses", "betas")], axis=1)
    yield f"sils-{sequence.view}.pkl", silhouettes
    yield f"smpls-{sequence.view}.pkl", np.where(truth["valid"][:, None], rows, np.float32(0))


def _squares(silhouettes: np.ndarray) -> np.ndarray:
    """(T, H, W) -> (T, H, H), black columns at both sides; what is wider stays."""
    spare = max(silhouettes.shape[1] - silhouettes.shape[2], 0)
    return np.pad(silhouettes, ((0, 0), (0, 0), (spare // 2, spare - spare // 2)))
