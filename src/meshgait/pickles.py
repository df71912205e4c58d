"""Reading pickles of numpy arrays without running what is in them.

A pickle is a program that may call any function. `meshgait.unpickler` runs it with stand-ins; this module turns
the result into arrays, and refuses it if it would take far more memory than the file has bytes.

Admitted: lists, tuples and dicts of arrays of booleans, integers or floats, plain values and None; on request,
chumpy's arrays and SciPy's sparse matrices as `Inert` objects, which keep their state and compute nothing.
Protocols 0 to 5, as numpy 1 and 2 and Python 2 write them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from meshgait.errors import DataError, UnsafeFileError
from meshgait.text import shown
from meshgait.unpickler import PLAIN, Array, Inert, Unpickler

SHARING, FLOOR = 64, 1 << 24
"""A pickle may refer to the same content many times. Written out, it may have this many times the bytes of the
file, or 16 MB if that is more."""
DEPTH = 32
"""Depth of nested containers at most."""
_REMEDY = "convert it to .npy or .npz where it comes from"


def load_pickle(path: Path | str, inert: bool = False) -> Any:  # noqa: ANN401
    """Read a pickle of numpy arrays; arrays are read-only.

    Args:
        path: of the file.
        inert: admit objects of chumpy and SciPy's sparse matrices, as `Inert`.

    Raises:
        UnsafeFileError: the file asks for anything but arrays and plain containers; nothing of it was run.
        DataError: the file is missing, truncated, no pickle, or claims more than it holds.
    """
    path = Path(path)
    if path.exists() and not path.is_file():  # reading a pipe would block
        raise DataError(f"{path} cannot be read (it is not a file)", "check the path")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror})", "check the path and its rights") from None
    try:
        if not content.startswith(b"\x80") and content[-1:] != b".":
            raise EOFError
        found, size = _resolve(Unpickler(content, inert).load(), {})
        if size > max(FLOOR, SHARING * len(content)):
            raise DataError(f"it names the same content so often that it would take {size:.0e} bytes")
        return found
    except UnsafeFileError as error:
        raise UnsafeFileError(f"{path} is refused: {error}; nothing of it was run", _REMEDY) from None
    except DataError as error:
        raise DataError(f"{path} is damaged: {error}", f"copy it again or {_REMEDY}") from None
    except Exception as error:
        # a damaged pickle may raise any exception
        detail = shown(str(error)) if isinstance(error, ValueError) else type(error).__name__
        raise DataError(f"{path} is truncated or no pickle ({detail})", f"copy it again or {_REMEDY}") from None


def to_array(value: object) -> np.ndarray:
    """Array of what `load_pickle` returned: an array, a number, or nested lists of these.

    Raises:
        ValueError: the lists hold anything else, or are of unequal length.
    """
    if isinstance(value, str | bytes) or not _are_numbers(value):  # numpy would pad all strings to the longest
        raise ValueError(f"a {type(value).__name__} of something other than numbers")
    array = np.asarray(value)
    if array.dtype.kind not in "biuf":
        raise ValueError("numbers that are too large")
    return array


def _are_numbers(value: object) -> bool:
    if isinstance(value, list | tuple):
        return all(map(_are_numbers, value))
    return isinstance(value, bool | int | float | np.ndarray | np.generic)


def _resolve(loaded: Any, done: dict[int, tuple[Any, int]], depth: int = 0) -> tuple[Any, int]:  # noqa: ANN401
    """The content with arrays instead of their stand-ins, and its size in bytes when written out.

    Each container is converted once, as it may be referred to many times.
    """
    if id(loaded) in done:
        return done[id(loaded)]
    if depth > DEPTH:
        raise DataError("it is nested too deeply for a file of arrays")
    result: object
    if isinstance(loaded, Array):
        if loaded.value is None:
            raise DataError("an array has no content")
        # numpy scalars are arrays without a dimension
        result = loaded.value if loaded.value.ndim else loaded.value[()]
        size = loaded.value.nbytes
    elif type(loaded) in PLAIN:
        return loaded, len(loaded) if isinstance(loaded, str | bytes) else 8
    elif type(loaded) is bytearray:
        result, size = bytes(loaded), len(loaded)
    elif type(loaded) in (list, tuple):
        parts = [_resolve(item, done, depth + 1) for item in loaded]
        result, size = type(loaded)(part for part, _ in parts), 8 + sum(size for _, size in parts)
    elif type(loaded) is dict:
        values = {key: _resolve(value, done, depth + 1) for key, value in loaded.items()}
        result = {key: value for key, (value, _) in values.items()}
        size = 8 + sum(_resolve(key, done)[1] + size for key, (_, size) in values.items())
    elif isinstance(loaded, Inert):
        result = loaded
        done[id(loaded)] = loaded, 8  # it may contain itself
        loaded.state, size = _resolve(loaded.state, done, depth + 1)
    else:
        raise UnsafeFileError(f"it holds a {type(loaded).__name__}")
    done[id(loaded)] = result, size
    return result, size
