"""Reading and writing numpy files; the only place that opens them.

A file may come from anybody, and its header may be wrong. The claimed shapes and sizes are compared with the bytes
that are there before memory is allocated, and pickled objects are refused unread. Every fault becomes one error
that names the file, the array and the remedy.
"""

from __future__ import annotations

import itertools
import math
import os
import sys
import warnings
import zipfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np

from meshgait.errors import DataError, MeshGaitError, UnsafeFileError

DEFLATE_RATIO = 1032
"""Bytes that a byte of a deflate stream can unpack to at most (RFC 1951: 258 bytes for two bits)."""
# files of Python 2 are read as well as others
warnings.filterwarnings("ignore", "Reading `.npy` or `.npz` file required additional header parsing", UserWarning)

KINDS = "biufUS"
"""Kinds of dtype that are read: booleans, integers, floats and strings."""
LONGEST_HEADER = 1 << 16
"""Bytes of a header; numpy itself reads 10,000."""
DIMENSIONS, EMPTY_ROWS = 32, 1 << 20
"""Dimensions of an array at most, and rows without content at most."""
_VERSIONS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
    (3, 0): np.lib.format.read_array_header_2_0,
}


class ObjectArrayError(UnsafeFileError):
    """An array of Python objects, which only unpickling could read.

    Attributes:
        name: of the array in its file; "" where a file holds one array.
    """

    def __init__(self, path: Path, name: str, remedy: str) -> None:
        where = f"{path}: {name}" if name else f"{path}"
        super().__init__(f"{where} holds Python objects, which are never loaded, for they may run code", remedy)
        self.name = name


@dataclass(frozen=True)
class Expected:
    """What an array must be.

    Attributes:
        kinds: of its dtype, as in ``dtype.kind``.
        ranks: numbers of dimensions; empty: any.
        optional: whether it may be missing.
    """

    kinds: str = KINDS
    ranks: tuple[int, ...] = ()
    optional: bool = False


def read_npy(path: Path | str, remedy: str = "copy or save it again") -> np.ndarray:
    """Read an .npy file.

    Args:
        path: of the file.
        remedy: what to do about a file that cannot be read.

    Raises:
        DataError: it is missing, damaged, or claims more than it holds.
        UnsafeFileError: it holds Python objects.
    """
    path = Path(path)
    with _reported(path, remedy, DataError), _opened(path, remedy, DataError).open("rb") as stream:
        return _read(stream, path.stat().st_size, path, "", remedy)


def map_npy(path: Path | str) -> np.ndarray:
    """Map an .npy file into memory, to be read only.

    Raises:
        OSError: the file is missing or cannot be read.
        ValueError: it is damaged, holds objects, or is of another size than its header says.
    """
    try:
        with open(path, "rb") as stream:
            shape, by_columns, dtype = _claims(
                stream, os.fstat(stream.fileno()).st_size, Path(path), "", "remove it"
            )
            if not shape:
                raise ValueError("it holds one number and no rows")
            return np.memmap(stream, dtype, "r", stream.tell(), shape, "F" if by_columns else "C")
    except (OSError, ValueError):
        raise
    # numpy's header parser raises many kinds of errors (TokenError, SyntaxError, OverflowError, ...)
    except Exception as error:
        raise ValueError(_text(error)) from None


def missing_bytes(path: Path) -> int:
    """Bytes that an .npy file is too short by; all of its size if it has no header."""
    size = path.stat().st_size
    with path.open("rb") as stream:
        try:
            shape, _, dtype = _header(stream)
        except Exception:  # as above
            return max(1, size)
        return max(0, stream.tell() + math.prod(shape) * dtype.itemsize - size)


def npz_names(
    path: Path | str, remedy: str = "copy or save it again", error: type[MeshGaitError] = DataError
) -> list[str]:
    """Names of the arrays in an .npz file.

    Raises:
        DataError: as `read_npz`.
    """
    path = Path(path)
    with _reported(path, remedy, error), zipfile.ZipFile(_opened(path, remedy, error)) as archive:
        return list(_members(archive, path.stat().st_size))


def read_npz(
    path: Path | str,
    expected: Mapping[str, Expected] | Collection[str] | None = None,
    remedy: str = "copy or save it again",
    error: type[MeshGaitError] = DataError,
) -> dict[str, np.ndarray]:
    """Read arrays of an .npz file.

    Args:
        path: of the file.
        expected: arrays to read, by name; others are not read. A sequence of names means optional arrays of any
            kind; None reads all arrays.
        remedy: what to do about a file that cannot be read.
        error: class of the error for such a file.

    Raises:
        DataError: (or ``error``) the file is missing, damaged, claims more than it holds, lacks an array, or an
            array is of another kind or rank.
        UnsafeFileError: an array that is to be read holds Python objects.
    """
    path = Path(path)
    with _reported(path, remedy, error), zipfile.ZipFile(_opened(path, remedy, error)) as archive:
        members = _members(archive, path.stat().st_size)
        if expected is None:
            expected = list(members)
        if not isinstance(expected, Mapping):
            expected = {name: Expected(optional=True) for name in expected}
        needed = [name for name, array in expected.items() if not array.optional and name not in members]
        if needed:
            found = ", ".join(list(members)[:10]) or "(none)"
            raise error(f"{path} has the arrays {found}, not {', '.join(needed)}", remedy)
        return {
            name: _member(archive, members[name], path, name, array, remedy, error)
            for name, array in expected.items()
            if name in members
        }


def write_npz(file: IO[bytes], arrays: Mapping[str, np.ndarray], compressed: bool = False) -> None:
    """Write arrays by name to an open file (to a path numpy would append .npz)."""
    save = np.savez_compressed if compressed else np.savez
    # the stubs of numpy take every keyword for allow_pickle
    save(file, **arrays)  # type: ignore[arg-type]


def _opened(path: Path, remedy: str, error: type[MeshGaitError]) -> Path:
    """The path, if it is a regular file (reading a pipe would block)."""
    if not path.is_file():
        raise error(f"{path} {'is not a file' if path.exists() else 'does not exist'}", remedy)
    return path


@contextmanager
def _reported(path: Path, remedy: str, error: type[MeshGaitError], array: str = "") -> Iterator[None]:
    """Turn the errors that zip, zlib and numpy raise for damaged files into ours."""
    try:
        yield
    except MeshGaitError:
        raise
    except Exception as reason:
        kind = f"{path.suffix or '.npz'} file"
        raise error(
            f"{path}{array} cannot be read: truncated or no {kind} ({_text(reason)})", f"{remedy}"
        ) from None


def _text(error: Exception) -> str:
    """Message of an error: short, on one line, without control characters that a file may contain."""
    text = " ".join(str(error).split())[:120] or type(error).__name__
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def _members(archive: zipfile.ZipFile, size: int) -> dict[str, zipfile.ZipInfo]:
    """Arrays of an archive by name, after a check of its directory against the size of the file in bytes."""
    members: dict[str, zipfile.ZipInfo] = {}
    for info in archive.infolist():
        name = info.filename.removesuffix(".npy")
        if not name.isprintable():
            raise ValueError(f"{name!r} is not the name of an array")
        if name in members:
            raise ValueError(f"two arrays are called {name}")
        members[name] = info
        packed = info.compress_size
        largest = {zipfile.ZIP_STORED: packed, zipfile.ZIP_DEFLATED: DEFLATE_RATIO * packed}
        if info.compress_type not in largest or info.flag_bits & 1:
            raise ValueError(f"{name} is encrypted or compressed in a way that numpy does not use")
        if info.file_size > largest[info.compress_type]:
            raise ValueError(f"{name} claims {info.file_size} bytes in {packed}")
    if sum(info.compress_size for info in members.values()) > size:
        raise ValueError("its arrays overlap")
    return members


def _member(
    archive: zipfile.ZipFile,
    info: zipfile.ZipInfo,
    path: Path,
    name: str,
    expected: Expected,
    remedy: str,
    error: type[MeshGaitError],
) -> np.ndarray:
    if not info.filename.endswith(".npy"):
        raise error(f"{path}: {name} is not an array", remedy)
    with _reported(path, remedy, error, f": {name}"), archive.open(info) as stream:
        array = _read(stream, info.file_size, path, name, remedy)
    if array.dtype.kind not in expected.kinds or (expected.ranks and array.ndim not in expected.ranks):
        wanted = " or ".join(map(str, expected.ranks))
        raise error(
            f"{path}: {name} is {array.dtype} {array.shape}, not an array of "
            f"{_words(expected.kinds)}{f' with {wanted} dimensions' if wanted else ''}",
            f"{remedy}",
        )
    return array


def _words(kinds: str) -> str:
    names = dict(b="booleans", i="whole numbers", u="whole numbers", f="numbers", U="strings", S="bytes")
    return " or ".join(dict.fromkeys(names[kind] for kind in kinds))


def check_shape(shape: tuple[int, ...], dtype: np.dtype, there: int) -> None:
    """Check that an array is as large as the bytes that are there.

    Raises:
        DataError: it is not, or no array has that shape.
    """
    if len(shape) > DIMENSIONS or not all(type(length) is int and 0 <= length < 2**63 for length in shape):
        raise DataError("an array has an impossible shape")
    needed = math.prod(shape) * dtype.itemsize
    if needed != there:
        raise DataError(f"an array of {shape} {dtype} needs {needed} bytes and comes with {there}")
    # rows without content take no bytes, but a loop over them takes time
    rows = list(itertools.takewhile(bool, shape)) if 0 in shape or not dtype.itemsize else []
    if math.prod(rows) > EMPTY_ROWS:
        raise DataError(f"an array of {shape} {dtype} has nothing in it")


def _header(stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Shape, Fortran order and dtype, as the header claims them."""
    start = stream.read(12)
    # numpy would read the whole header before it finds it too long
    if start[6:7] > b"\1" and int.from_bytes(start[8:12], "little") > LONGEST_HEADER:
        raise ValueError("its header is too long")
    stream.seek(0)
    version = np.lib.format.read_magic(stream)
    if version not in _VERSIONS:
        raise ValueError(f"unknown version {version}")
    return _VERSIONS[version](stream)


def _claims(
    stream: IO[bytes], size: int, path: Path, name: str, remedy: str
) -> tuple[tuple[int, ...], bool, np.dtype]:
    """As `_header`, after a check that the stream of ``size`` bytes is as long as the header claims."""
    shape, by_columns, dtype = _header(stream)
    if dtype.hasobject:
        raise ObjectArrayError(path, name, remedy)
    if dtype.kind not in KINDS:
        raise ValueError(f"type {dtype} is not read")
    try:
        check_shape(shape, dtype, size - stream.tell())
    except DataError as error:
        raise ValueError(error) from None
    return shape, by_columns, dtype


def _read(stream: IO[bytes], size: int, path: Path, name: str, remedy: str) -> np.ndarray:
    """Array of a stream of ``size`` bytes."""
    _claims(stream, size, path, name, remedy)
    stream.seek(0)
    array = np.lib.format.read_array(stream, allow_pickle=False)
    if array.dtype.kind == "U":  # numpy does not check code points; Python would end in a SystemError
        codes = np.frombuffer(array.tobytes(), np.dtype(np.uint32).newbyteorder(array.dtype.byteorder))
        if codes.max(initial=0) > sys.maxunicode:
            raise ValueError("a text holds an invalid character")
    return array
