"""Packed store: the one on-disk form that training reads.

A store is a folder:

- ``silhouettes.npy``: (N, H, ceil(W / 8)) uint8, bits packed along the width (``bits`` = 1), or
  (N, H, W) uint8 grey (``bits`` = 8); the frames of all sequences one after the other;
- ``sequences.csv``: subject, condition, view, start, frames; one row a sequence;
- optional SMPL truth per frame, float32: ``poses.npy`` (N, 72) axis-angle, global orientation in the
  camera frame; ``betas.npy`` (N, 10); ``cameras.npy`` (N, 3) = s [px / m], tx, ty [px]; ``valid.npy`` (N,) bool;
- optional ``partition.json``: ``{"TRAIN_SET": [...], "TEST_SET": [...]}``;
- ``meta.json``: version, size, bits, counts, source, SHA-256 of each file.

Arrays are memory-mapped, so a whole data set lives in the page cache once for all workers, and opening
does not depend on its size. Nothing here is ever unpickled.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from io import FileIO
from pathlib import Path
from typing import Any

import numpy as np

from meshgait.checksum import sha256_of
from meshgait.data.appendable_array import AppendableArray, lock_writer, write_all, write_json, writing
from meshgait.data.memory_map import MappedArrays
from meshgait.data.storefiles import (
    GREY_BITS,
    REMEDY,
    SMPL_WIDTHS,
    VERSION,
    array_rows,
    check_names,
    index_row,
    read_meta,
    written_rows,
)
from meshgait.data.table import CSV_FIELDS, SequenceTable
from meshgait.errors import StoreError
from meshgait.lock import LOCK
from meshgait.text import shown
from meshgait.textfiles.reading import TextFile


class StoreWriter:
    """Write a store whole: everything goes to ``DEST.partial``, renamed to DEST by `finish`.

    A killed run can be resumed: with the same ``source`` (the settings that define the content) `done` says how
    many sequences are already safely written, and the caller goes on after them. As a context manager it
    releases the folder at the end, whole or not; until then no other process can write there.

    Args:
        dest: folder to make; must not exist.
        size: (H, W) of a silhouette.
        bits: 1 packs to bits (> 127 is figure), 8 keeps grey edges.
        smpl: whether each frame has poses, betas, cameras (and valid).
        source: JSON-able description of what is written; a partial store of another source is refused.

    Attributes:
        partial: the folder until it is whole; what else belongs into the store may be written there.
        done: sequences written, those of a killed run as well.
        frames: of these.
        last: the last of them (subject, condition, view), or None.

    Raises:
        StoreError: DEST exists, another process writes it, or a partial store of other settings is there.
        OutputError: the folder cannot be written, or the disk is full.
    """

    def __init__(
        self,
        dest: Path | str,
        size: tuple[int, int] = (64, 44),
        bits: int = 1,
        smpl: bool = False,
        source: dict[str, Any] | None = None,
    ) -> None:
        self.dest = Path(dest)
        self.partial = self.dest.with_name(self.dest.name + ".partial")
        self.size, self.bits, self.smpl = (size[0], size[1]), bits, smpl
        # through JSON and back, so that a resumed source compares equal (tuples become lists)
        self.source = json.loads(json.dumps(source or {}))
        self.done, self.frames = 0, 0
        self.last: tuple[str, str, str] | None = None
        head = {"version": VERSION, "size": list(self.size), "bits": bits, "smpl": smpl, "source": self.source}
        self._arrays = {
            name: AppendableArray(self.partial / f"{name}.npy", row, dtype)
            for name, (row, dtype) in array_rows(self.size, bits, smpl).items()
        }
        self._index: FileIO | None = None
        self._check_absent()
        with writing(self.partial):
            self.partial.mkdir(parents=True, exist_ok=True)
            self._lock = lock_writer(self.partial)
            try:
                self._check_absent()  # another process may have finished it in between
                self._open(head)
            except BaseException:
                self.close()
                raise

    def __enter__(self) -> StoreWriter:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _check_absent(self) -> None:
        if self.dest.exists():
            raise StoreError(f"{self.dest} already exists", "choose another folder or remove it")

    def _open(self, head: dict[str, Any]) -> None:
        """Begin the files, or cut them back to their last whole sequence."""
        head_path, index_path = self.partial / "head.json", self.partial / "sequences.csv"
        if not head_path.exists():
            for array in self._arrays.values():
                array.create()
            index_path.write_text(",".join(CSV_FIELDS) + "\n", encoding="utf-8")
            write_json(head_path, head)
        elif TextFile(head_path, f"remove {self.partial}", error=StoreError).json() != head:
            raise StoreError(
                f"{self.partial} was begun with other settings", "remove it, or repeat the command that began it"
            )
        whole = min(array.rows() for array in self._arrays.values())
        try:
            self.done, self.frames, self.last, end = written_rows(index_path, whole)
        except ValueError as error:
            raise StoreError(f"{index_path} is damaged ({shown(error)})", f"remove {self.partial}") from error
        os.truncate(index_path, end)
        self._index = index_path.open("ab", buffering=0)
        for array in self._arrays.values():
            array.open(self.frames)

    def add(
        self,
        subject: str,
        condition: str,
        view: str,
        silhouettes: np.ndarray,
        poses: np.ndarray | None = None,
        betas: np.ndarray | None = None,
        cameras: np.ndarray | None = None,
        valid: np.ndarray | None = None,
    ) -> None:
        """Append one sequence: silhouettes (T, H, W) uint8 0..255, SMPL arrays (T, .) if the store has them."""
        where, count = f"{subject}/{condition}/{view}", len(silhouettes)
        check_names(subject, condition, view)
        if silhouettes.shape[1:] != self.size or silhouettes.dtype != np.uint8:
            raise StoreError(
                f"{where}: silhouettes are {silhouettes.dtype} {silhouettes.shape}, "
                f"the store holds uint8 (T, {self.size[0]}, {self.size[1]})"
            )
        if not count:
            raise StoreError(f"{where}: no frames", "leave the sequence out")
        blocks = {"silhouettes": np.packbits(silhouettes > 127, axis=-1) if self.bits == 1 else silhouettes}
        if self.smpl:
            if poses is None or betas is None or cameras is None:
                raise StoreError(f"{where}: this store needs poses, betas and cameras")
            blocks |= {"poses": poses, "betas": betas, "cameras": cameras}
            blocks["valid"] = np.ones(count, bool) if valid is None else valid
        for name, array in self._arrays.items():  # all are checked before any is written
            blocks[name] = np.ascontiguousarray(blocks[name], dtype=array.dtype)
            if (shape := blocks[name].shape) != (count, *array.row):
                raise StoreError(f"{where}: {name} is {shape}, expected {(count, *array.row)}")
        with writing(self.partial):
            for name, array in self._arrays.items():
                array.append(blocks[name])
            # the index row comes last: a sequence counts only once its frames are there
            assert self._index is not None  # opened with the arrays
            write_all(self._index, index_row(subject, condition, view, self.frames, count))
        self.frames += count
        self.done += 1
        self.last = (subject, condition, view)

    def finish(self, partition: dict[str, Any] | None = None, extra: dict[str, Any] | None = None) -> None:
        """Turn the partial folder into the store; ``extra`` goes to meta.json under its own keys."""
        if not self.done:
            raise StoreError(f"{self.dest}: no sequence was added, so there is no store to write")
        with writing(self.partial):
            for array in self._arrays.values():
                array.finish(self.frames)
            if partition is not None:
                write_json(self.partial / "partition.json", partition)
            names = sorted(path.name for path in self.partial.iterdir() if path.suffix in {".npy", ".csv"})
            meta = {
                "version": VERSION,
                "size": list(self.size),
                "bits": self.bits,
                "sequences": self.done,
                "frames": self.frames,
                "source": self.source,
                **(extra or {}),
                "sha256": {name: sha256_of(self.partial / name) for name in names},
            }
            write_json(self.partial / "meta.json", meta)
            self.partial.rename(self.dest)
            # only now: a process that waits for the folder must not find one that looks new
            for name in ("head.json", LOCK):
                (self.dest / name).unlink()
        self.close()

    def close(self) -> None:
        """Close the files and release the folder; its content stays for a later run."""
        for array in self._arrays.values():
            array.close()
        if self._index is not None:
            self._index.close()
        self._lock.release()

    def discard(self) -> None:
        """Close and remove what was written so far."""
        self.close()
        shutil.rmtree(self.partial, ignore_errors=True)


class Store:
    """Read a packed store.

    Args:
        path: the store's folder.
        check_rows: refuse a table of sequences that names frames which are not there; without it, such sequences
            must not be read.

    Attributes:
        sequences: list of `meshgait.data.table.Sequence`, in the order of sequences.csv.
        size: (H, W) of a silhouette in pixels.
        has_smpl: whether poses, betas, cameras and valid are there.
        meta: content of meta.json.
        partition: content of partition.json, or None.

    Raises:
        StoreError: no store there, made by a newer version, or a file is damaged.
    """

    def __init__(self, path: Path | str, check_rows: bool = True) -> None:
        self.path, self._check_rows = Path(path), check_rows
        if not (self.path / "meta.json").is_file():
            hint = ""
            if self.path.with_name(self.path.name + ".partial").exists():
                hint = " (an unfinished one lies beside it: repeat the command that began it)"
            raise StoreError(
                f"{self.path} is no packed store: meta.json is missing{hint}",
                "make one with `meshgait walkers` or `meshgait pack`",
            )
        try:
            self._read()
        except (OSError, EOFError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise StoreError(f"{self.path} is damaged ({shown(error)})", REMEDY) from error

    def _read(self) -> None:
        meta = read_meta(self.path / "meta.json")
        self.meta: dict[str, Any] = meta.model_dump(exclude_unset=True)
        self.size: tuple[int, int] = (meta.size[0], meta.size[1])
        self.bits: int = meta.bits
        self.sequences = SequenceTable.read(self.path / "sequences.csv")
        frames, ends = self.sequences.frames, self.sequences.start + self.sequences.frames
        # each is compared first: a sum of numbers without bounds may wrap round to the right one
        if (frames > meta.frames).any() or frames.sum() != meta.frames:
            raise ValueError("sequences.csv and meta.json differ in the number of frames")
        if self._check_rows and ((frames == 0) | (ends > meta.frames)).any():
            raise ValueError("sequences.csv names frames that are not there; see `meshgait check`")
        self.has_smpl = (self.path / "poses.npy").is_file()
        partition = self.path / "partition.json"
        lists = TextFile(partition, REMEDY, error=StoreError)
        self.partition: dict[str, Any] | None = lists.json() if partition.is_file() else None
        self._arrays = MappedArrays(self.path, array_rows(self.size, self.bits, self.has_smpl), meta.frames)

    def __getstate__(self) -> dict[str, Any]:
        # workers map the files themselves instead of receiving copies of the arrays
        return {"path": self.path, "check_rows": self._check_rows}

    def __setstate__(self, state: dict[str, Any]) -> None:
        Store.__init__(self, **state)

    @property
    def hash(self) -> str:
        """16 hex digits that stand for the content (from the files' checksums)."""
        return hashlib.sha256(json.dumps(self.meta["sha256"], sort_keys=True).encode()).hexdigest()[:16]

    def spans(self, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """First rows and numbers of frames of sequences (B,)."""
        return self.sequences.start[indices], self.sequences.frames[indices]

    def rows(self, index: int, frames: np.ndarray | None = None) -> np.ndarray:
        """Rows of the arrays that hold ``frames`` (default: all) of sequence ``index``."""
        frames = np.arange(self.sequences.frames[index]) if frames is None else frames
        return self.sequences.start[index] + frames

    def silhouettes(self, index: int, frames: np.ndarray | None = None) -> np.ndarray:
        """Silhouettes (T, H, W) uint8 0..255 of one sequence, all frames or those named."""
        block = self.read(self.rows(index, frames))
        return block if self.bits == GREY_BITS else block * np.uint8(255)

    def read(self, rows: np.ndarray) -> np.ndarray:
        """Silhouettes in ``rows`` of any sequences, (N, H, W) uint8: 0 or 1 of packed bits, else grey 0..255."""
        block = self._arrays.read("silhouettes", rows)
        if self.bits == GREY_BITS:
            return block
        # one run of bits is unpacked much faster than row by row; the view leaves out what fills the last bytes
        bits = np.unpackbits(block.reshape(-1)).reshape(*block.shape[:-1], 8 * block.shape[-1])
        return bits[..., : self.size[1]]

    def smpl(self, index: int, frames: np.ndarray | None = None) -> dict[str, np.ndarray]:
        """SMPL truth of one sequence: poses (T, 72), betas (T, 10), cameras (T, 3), valid (T,)."""
        if not self.has_smpl:
            raise StoreError(
                f"{self.path} has no SMPL parameters", "take 3D supervision from walkers (`meshgait walkers`)"
            )
        return self.truth(self.rows(index, frames))

    def truth(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """The same of rows (N,) of any sequences."""
        return {name: self._arrays.read(name, rows) for name in (*SMPL_WIDTHS, "valid")}
