"""Opening numpy's files that may come from strangers: the one place that does.

A file is a claim: of shapes, of sizes, of what unpacks to what. Here each claim is held against the bytes that are
really there before anything of its size is allocated, and pickled objects are refused unread. Whatever is wrong
becomes one error that names the file, the array and the remedy.
"""

from __future__ import annotations

import math
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
KINDS = "biufUS"
"""Kinds of dtype that are read: booleans, integers, floats and strings."""
_VERSIONS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
    (3, 0): np.lib.format.read_array_header_2_0,
}


class ObjectArrayError(UnsafeFileError):
    """An array of Python objects, which would have to be unpickled.

    Attributes:
        name: of the array in its file; "" where a file holds one array.
    """

    def __init__(self, path: Path, name: str, remedy: str) -> None:
        where = f"{path}: {name}" if name else f"{path}"
        super().__init__(f"{where} holds Python objects, which are never loaded, for they may run code; {remedy}")
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
        ValueError: it is damaged, holds objects, or is shorter than its header says.
    """
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError):
        raise
    # numpy's parser of headers fails with nearly anything (TokenError, SyntaxError, OverflowError, ...)
    except Exception as error:
        raise ValueError(f"broken header ({type(error).__name__})") from None


def missing_bytes(path: Path) -> int:
    """Bytes that an .npy file is too short by; all of its size if it has no header."""
    size = path.stat().st_size
    with path.open("rb") as stream:
        try:
            shape, dtype = _header(stream)
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
        expected: what is read, by name, others are left unread; names alone are optional arrays of any kind; None:
            all that is there.
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
            raise error(f"{path} has the arrays {found}, not {', '.join(needed)}; {remedy}")
        return {
            name: _member(archive, members[name], path, name, array, remedy, error)
            for name, array in expected.items()
            if name in members
        }


def _opened(path: Path, remedy: str, error: type[MeshGaitError]) -> Path:
    """The path, if a file is there: a pipe would be waited for."""
    if not path.is_file():
        raise error(f"{path} {'is no file' if path.exists() else 'does not exist'}; {remedy}")
    return path


@contextmanager
def _reported(path: Path, remedy: str, error: type[MeshGaitError]) -> Iterator[None]:
    """Whatever zip, zlib and numpy raise at damaged files, as our errors."""
    try:
        yield
    except MeshGaitError:
        raise
    except Exception as reason:
        text = " ".join(str(reason).split())[:120] or type(reason).__name__
        raise error(
            f"{path} cannot be read: truncated or no {path.suffix or '.npz'} file ({text}); {remedy}"
        ) from None


def _members(archive: zipfile.ZipFile, size: int) -> dict[str, zipfile.ZipInfo]:
    """Arrays of an archive by their names, once its directory is consistent with the file's size (bytes)."""
    members: dict[str, zipfile.ZipInfo] = {}
    for info in archive.infolist():
        name = info.filename.removesuffix(".npy")
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
        raise error(f"{path}: {name} is no array; {remedy}")
    with archive.open(info) as stream:
        array = _read(stream, info.file_size, path, name, remedy)
    if array.dtype.kind not in expected.kinds or (expected.ranks and array.ndim not in expected.ranks):
        wanted = " or ".join(map(str, expected.ranks))
        raise error(
            f"{path}: {name} is {array.dtype} {array.shape}, not an array of "
            f"{_words(expected.kinds)}{f' with {wanted} dimensions' if wanted else ''}; {remedy}"
        )
    return array


def _words(kinds: str) -> str:
    names = dict(b="booleans", i="whole numbers", u="whole numbers", f="numbers", U="strings", S="bytes")
    return " or ".join(dict.fromkeys(names[kind] for kind in kinds))


def _header(stream: IO[bytes]) -> tuple[tuple[int, ...], np.dtype]:
    """Shape and dtype, as the header claims them."""
    version = np.lib.format.read_magic(stream)
    if version not in _VERSIONS:
        raise ValueError(f"unknown version {version}")
    shape, _, dtype = _VERSIONS[version](stream)
    return shape, dtype


def _read(stream: IO[bytes], size: int, path: Path, name: str, remedy: str) -> np.ndarray:
    """Array of a stream of ``size`` bytes."""
    shape, dtype = _header(stream)
    if dtype.hasobject:
        raise ObjectArrayError(path, name, remedy)
    if dtype.kind not in KINDS:
        raise ValueError(f"type {dtype} is not read")
    if not all(isinstance(length, int) and length >= 0 for length in shape) or len(shape) > 32:
        raise ValueError(f"impossible shape {shape}")
    needed, there = math.prod(shape) * dtype.itemsize, size - stream.tell()
    if needed > there:
        raise ValueError(f"{shape} {dtype} needs {needed} bytes, there are {there}")
    stream.seek(0)
    return np.lib.format.read_array(stream, allow_pickle=False)
