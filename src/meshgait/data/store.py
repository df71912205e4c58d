"""Packed store: the one on-disk form that training reads.

A store is a folder:

- ``silhouettes.npy``: (N, H, ceil(W / 8)) uint8, bits packed along the width (``bits`` = 1), or
  (N, H, W) uint8 grey (``bits`` = 8); frames of all sequences one behind the other;
- ``sequences.csv``: subject, condition, view, start, frames; one row a sequence;
- optional SMPL truth per frame, float32: ``poses.npy`` (N, 72) axis-angle, global orientation in the
  camera frame; ``betas.npy`` (N, 10); ``cameras.npy`` (N, 3) = s [px / m], tx, ty [px]; ``valid.npy`` (N,) bool;
- optional ``partition.json``: ``{"TRAIN_SET": [...], "TEST_SET": [...]}``;
- ``meta.json``: version, size, bits, counts, source, SHA-256 of each file.

Arrays are memory-mapped, so a whole data set lives in the page cache once for all workers, and opening
does not depend on its size. Nothing here is ever unpickled.
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from meshgait.errors import OutputError, StoreError

VERSION = 1
SMPL_WIDTHS = {"poses": 72, "betas": 10, "cameras": 3}
HEADER_BYTES = 128  # of each .npy file; a multiple of 64 keeps the rows aligned
CSV_FIELDS = ("subject", "condition", "view", "start", "frames")


class Sequence(NamedTuple):
    """One walk: who, how (condition), seen from where (view), and its frames in the store."""

    subject: str
    condition: str
    view: str
    start: int
    frames: int


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _npy_header(shape: tuple[int, ...], dtype: str) -> bytes:
    """Header of a .npy file (format 1.0) of fixed length, so that it can be patched once the rows are counted."""
    text = repr({"descr": dtype, "fortran_order": False, "shape": shape})
    length = HEADER_BYTES - 10
    return b"\x93NUMPY\x01\x00" + length.to_bytes(2, "little") + text.ljust(length - 1).encode() + b"\n"


class StoreWriter:
    """Write a store whole: everything goes to ``DEST.partial``, renamed to DEST by `finish`.

    A killed run is taken up again: with the same ``source`` (the settings that define the content)
    `done` says how many sequences are already safely written; the caller goes on behind them.

    Args:
        dest: folder to make; must not exist.
        size: (H, W) of a silhouette.
        bits: 1 packs to bits (> 127 is figure), 8 keeps grey edges.
        smpl: whether each frame has poses, betas, cameras (and valid).
        source: JSON-able description of what is written; a partial store of another source is refused.

    Raises:
        StoreError: DEST exists, or a partial store of other settings is there.
        OutputError: the folder cannot be written.
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
        self.size, self.bits, self.smpl = tuple(size), bits, smpl
        # through JSON and back, so that a resumed source compares equal (tuples become lists)
        self.source = json.loads(json.dumps(source or {}))
        if self.dest.exists():
            raise StoreError(f"{self.dest} already exists; choose another folder or remove it")
        height, width = self.size
        self._row = (height, -(-width // 8) if bits == 1 else width)
        head = {
            "version": VERSION,
            "size": list(self.size),
            "bits": bits,
            "smpl": smpl,
            "source": self.source,
        }
        try:
            self.partial.mkdir(parents=True, exist_ok=True)
            self.done, self._frames = self._resume(head)
            self._files = {name: (self.partial / f"{name}.npy").open("r+b") for name in self._columns()}
            for file in self._files.values():
                file.seek(0, os.SEEK_END)
            self._index = (self.partial / "sequences.csv").open("a", newline="")
        except OSError as error:
            raise OutputError(f"cannot write {self.partial}: {error.strerror}; choose a folder you own") from error

    def _columns(self) -> dict[str, tuple[tuple[int, ...], str]]:
        """Row shape and dtype of each array of the store."""
        columns: dict[str, tuple[tuple[int, ...], str]] = {"silhouettes": (self._row, "|u1")}
        if self.smpl:
            columns |= {name: ((width,), "<f4") for name, width in SMPL_WIDTHS.items()}
            columns["valid"] = ((), "|b1")
        return columns

    def _resume(self, head: dict[str, Any]) -> tuple[int, int]:
        """Cut a partial store back to its last whole sequence; returns (sequences, frames) kept."""
        head_path, index_path = self.partial / "head.json", self.partial / "sequences.csv"
        if not head_path.exists():
            for name, column in self._columns().items():
                (self.partial / f"{name}.npy").write_bytes(_npy_header((0, *column[0]), column[1]))
            index_path.write_text(",".join(CSV_FIELDS) + "\n")
            _write_json(head_path, head)
            return 0, 0
        if json.loads(head_path.read_text()) != head:
            raise StoreError(
                f"{self.partial} was begun with other settings; remove it, or repeat the command that began it"
            )
        lines = index_path.read_text().splitlines(keepends=True)
        sizes = {name: (self.partial / f"{name}.npy").stat().st_size - HEADER_BYTES for name in self._columns()}
        whole = min(size // _nbytes(*self._columns()[name]) for name, size in sizes.items())
        kept, frames = 0, 0
        for row in csv.reader(line for line in lines[1:] if line.endswith("\n")):
            if int(row[3]) + int(row[4]) > whole:
                break
            kept, frames = kept + 1, int(row[3]) + int(row[4])
        index_path.write_text("".join(lines[: 1 + kept]))
        for name, column in self._columns().items():
            os.truncate(self.partial / f"{name}.npy", HEADER_BYTES + frames * _nbytes(*column))
        return kept, frames

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
        count = len(silhouettes)
        if silhouettes.shape[1:] != self.size or silhouettes.dtype != np.uint8:
            raise StoreError(
                f"{subject}/{condition}/{view}: silhouettes are {silhouettes.dtype} {silhouettes.shape}, "
                f"the store holds uint8 (T, {self.size[0]}, {self.size[1]})"
            )
        if not count:
            raise StoreError(f"{subject}/{condition}/{view}: no frames; leave the sequence out")
        arrays = {"silhouettes": np.packbits(silhouettes > 127, axis=-1) if self.bits == 1 else silhouettes}
        if self.smpl:
            if poses is None or betas is None or cameras is None:
                raise StoreError(f"{subject}/{condition}/{view}: this store needs poses, betas and cameras")
            arrays |= {"poses": poses, "betas": betas, "cameras": cameras}
            arrays["valid"] = np.ones(count, bool) if valid is None else valid
        for name, (row, dtype) in self._columns().items():  # all are checked before any is written
            arrays[name] = np.ascontiguousarray(arrays[name], dtype=dtype)
            if (shape := arrays[name].shape) != (count, *row):
                raise StoreError(f"{subject}/{condition}/{view}: {name} is {shape}, expected {(count, *row)}")
        for name, array in arrays.items():
            self._files[name].write(array.data)
            self._files[name].flush()
        # the index row comes last: a sequence counts only once its frames are there
        csv.writer(self._index, lineterminator="\n").writerow((subject, condition, view, self._frames, count))
        self._index.flush()
        self._frames += count
        self.done += 1

    def finish(self, partition: dict[str, Any] | None = None, extra: dict[str, Any] | None = None) -> None:
        """Turn the partial folder into the store; ``extra`` goes to meta.json under its own keys."""
        if not self.done:
            raise StoreError(f"{self.dest}: no sequence was added, so there is no store to write")
        for name, (row, dtype) in self._columns().items():
            self._files[name].seek(0)
            self._files[name].write(_npy_header((self._frames, *row), dtype))
        for file in (*self._files.values(), self._index):
            file.close()
        if partition is not None:
            _write_json(self.partial / "partition.json", partition)
        names = sorted(path.name for path in self.partial.iterdir() if path.suffix in {".npy", ".csv"})
        meta = {
            "version": VERSION,
            "size": list(self.size),
            "bits": self.bits,
            "sequences": self.done,
            "frames": self._frames,
            "source": self.source,
            **(extra or {}),
            "sha256": {name: _sha256(self.partial / name) for name in names},
        }
        _write_json(self.partial / "meta.json", meta)
        (self.partial / "head.json").unlink()
        self.partial.rename(self.dest)

    def discard(self) -> None:
        """Close and remove what was written so far."""
        for file in (*self._files.values(), self._index):
            file.close()
        shutil.rmtree(self.partial, ignore_errors=True)


def _nbytes(row: tuple[int, ...], dtype: str) -> int:
    return int(np.prod(row, dtype=np.int64)) * np.dtype(dtype).itemsize


def _write_json(path: Path, content: dict[str, Any]) -> None:
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text(json.dumps(content, indent=1) + "\n")
    temporary.replace(path)


class Store:
    """Read a packed store.

    Args:
        path: the store's folder.

    Attributes:
        sequences: list of `Sequence`, in the order of sequences.csv.
        size: (H, W) of a silhouette in pixels.
        has_smpl: whether poses, betas, cameras and valid are there.
        meta: content of meta.json.
        partition: content of partition.json, or None.

    Raises:
        StoreError: no store there, made by a newer version, or a file is damaged.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        if not (self.path / "meta.json").is_file():
            hint = ""
            if self.path.with_name(self.path.name + ".partial").exists():
                hint = " (an unfinished one lies beside it: repeat the command that began it)"
            raise StoreError(
                f"{self.path} is no packed store: meta.json is missing{hint}; make one with `meshgait walkers`"
            )
        try:
            self._read()
        except (OSError, EOFError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise StoreError(f"{self.path} is damaged ({error}); make the store anew") from error

    def _read(self) -> None:
        self.meta: dict[str, Any] = json.loads((self.path / "meta.json").read_text())
        if self.meta.get("version", 0) > VERSION:
            raise StoreError(
                f"{self.path} is of version {self.meta['version']}, this program reads up to {VERSION}; update it"
            )
        self.size: tuple[int, int] = tuple(self.meta["size"])
        self.bits: int = self.meta["bits"]
        with (self.path / "sequences.csv").open(newline="") as file:
            rows = list(csv.reader(file))[1:]
        self.sequences = [Sequence(s, c, v, int(start), int(n)) for s, c, v, start, n in rows]
        if sum(sequence.frames for sequence in self.sequences) != self.meta["frames"]:
            raise ValueError("sequences.csv and meta.json differ in the number of frames")
        self.has_smpl = (self.path / "poses.npy").is_file()
        partition = self.path / "partition.json"
        self.partition: dict[str, Any] | None = json.loads(partition.read_text()) if partition.is_file() else None
        names = ["silhouettes", *((*SMPL_WIDTHS, "valid") if self.has_smpl else ())]
        self._arrays = {name: self._open(name) for name in names}

    def _open(self, name: str) -> np.ndarray:
        array = np.load(self.path / f"{name}.npy", mmap_mode="r", allow_pickle=False)
        if len(array) != self.meta["frames"]:
            raise ValueError(f"{name}.npy holds {len(array)} frames, meta.json says {self.meta['frames']}")
        return array

    def __getstate__(self) -> dict[str, Any]:
        # workers map the files themselves instead of receiving copies of the arrays
        return {"path": self.path}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["path"])

    @property
    def hash(self) -> str:
        """16 hex digits that stand for the content (from the files' checksums)."""
        return hashlib.sha256(json.dumps(self.meta["sha256"], sort_keys=True).encode()).hexdigest()[:16]

    def rows(self, index: int, frames: np.ndarray | None = None) -> np.ndarray:
        """Rows of the arrays that hold ``frames`` (default: all) of sequence ``index``."""
        sequence = self.sequences[index]
        frames = np.arange(sequence.frames) if frames is None else frames
        return sequence.start + frames

    def silhouettes(self, index: int, frames: np.ndarray | None = None) -> np.ndarray:
        """Silhouettes (T, H, W) uint8 0..255 of one sequence, all frames or those named."""
        block = self._arrays["silhouettes"][self.rows(index, frames)]
        if self.bits == 8:
            return block
        return np.unpackbits(block, axis=-1, count=self.size[1]) * np.uint8(255)

    def smpl(self, index: int, frames: np.ndarray | None = None) -> dict[str, np.ndarray]:
        """SMPL truth of one sequence: poses (T, 72), betas (T, 10), cameras (T, 3), valid (T,)."""
        if not self.has_smpl:
            raise StoreError(
                f"{self.path} has no SMPL parameters; take 3D supervision from walkers (`meshgait walkers`)"
            )
        rows = self.rows(index, frames)
        return {name: self._arrays[name][rows] for name in (*SMPL_WIDTHS, "valid")}
