"""Reading pickles of numpy arrays without running what is in them.

A pickle is a program: by its own rules it may call any function. Here the few names that numpy's arrays need are
answered by stand-ins of ours, and every other name is refused before it is looked up. numpy's own unpickling
code never sees the file either: arrays are built from their plain description (dtype, shape, bytes).

Admitted: lists, tuples and dicts of arrays of booleans, integers or floats, plain values and None; where asked
for, chumpy's arrays and SciPy's sparse matrices as `Inert` objects, which keep their state and compute nothing.
Pickle protocols 2 to 5, as numpy 1 and 2 write them, and Python 2's.
"""

from __future__ import annotations

import io
import math
import pickle
import pickletools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from meshgait.errors import DataError, UnsafeFileError

_PLAIN = (str, bytes, bool, int, float, type(None))
_REMEDY = "convert it to .npy or .npz where it comes from"


class _Admitted:
    """A name that a pickle may use: calls ``function``, and cannot be altered by the pickle."""

    __slots__ = ("function",)

    def __init__(self, function: Callable[..., Any]) -> None:
        object.__setattr__(self, "function", function)

    def __call__(self, *args: Any) -> Any:  # noqa: ANN401
        return self.function(*args)

    def __setattr__(self, name: str, value: object) -> None:
        raise UnsafeFileError("the pickle alters a function")

    def __setstate__(self, state: object) -> None:
        raise UnsafeFileError("the pickle alters a function")


class _Dtype:
    """Stand-in of numpy.dtype: simple types alone."""

    __slots__ = ("value",)

    def __init__(self, code: str, *_: object) -> None:
        text = code.decode("latin1") if isinstance(code, bytes) else str(code)
        if text[:1] == "O":
            raise UnsafeFileError("it holds an array of Python objects")
        if text[:1] not in set("biuf") or not text[1:].isdecimal():
            raise UnsafeFileError(
                f"it holds an array of type {text[:20]!r}; booleans, integers or floats are read"
            )
        self.value = np.dtype(text)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        # (version, byte order, subarray, names, fields, size, alignment, flags)
        if len(state) < 5 or any(part is not None for part in state[2:5]):
            raise UnsafeFileError("it holds an array of a structured type; booleans, integers or floats are read")
        order = state[1].decode("latin1") if isinstance(state[1], bytes) else state[1]
        if order in ("<", ">"):
            self.value = self.value.newbyteorder(order)


class _Array:
    """Stand-in of numpy.ndarray; ``value`` is the array once the pickle has described it."""

    __slots__ = ("loader", "value")

    def __init__(self, loader: _Rules) -> None:
        self.loader, self.value = loader, None

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        # (version, shape, dtype, column order, data)
        _, shape, dtype, by_columns, data = state
        self.value = self.loader.array(data, dtype, shape, "F" if by_columns else "C").value


class Inert:
    """Stand-in of an object of chumpy or of a sparse matrix of SciPy.

    Attributes:
        kind: name of its class.
        state: its attributes as they were pickled.
    """

    kind = ""

    def __init__(self, *_: object) -> None:
        self.state: dict[str, Any] = {}

    def __setstate__(self, state: object) -> None:
        self.state = state if isinstance(state, dict) else {}


SPARSE = ("csc", "csr", "coo")
"""Kinds of sparse matrices that are admitted, as SciPy's older ``..._matrix`` and its newer ``..._array``."""


def _inert(module: str, name: str) -> type[Inert] | None:
    """Class of stand-ins for a name of chumpy or of SciPy's sparse matrices."""
    kind, _, form = name.partition("_")
    sparse = module.split(".")[:2] == ["scipy", "sparse"] and kind in SPARSE and form in ("matrix", "array")
    if sparse or module.split(".")[0] == "chumpy":
        return type(name, (Inert,), {"kind": name})
    return None


class _Rules:
    """Of an unpickler whose every name is one of ours; ``size`` (bytes of the file) bounds the arrays."""

    def __init__(self, file: io.BytesIO, size: int, inert: bool = False) -> None:
        # latin1: Python 2 wrote the bytes of arrays as text
        super().__init__(file, encoding="latin1")
        self.room = size
        admitted = {"numpy.ndarray": lambda *_: self._refuse("numpy.ndarray as a function"), "numpy.dtype": _Dtype}
        for core in ("numpy.core", "numpy._core"):
            admitted[f"{core}.multiarray._reconstruct"] = lambda *_: _Array(self)
            admitted[f"{core}.multiarray.scalar"] = self._scalar
            admitted[f"{core}.numeric._frombuffer"] = self.array
        admitted["_codecs.encode"] = self._encode
        # how protocol 2 writes no bytes at all; with an argument it would make as many as it is told
        admitted |= dict.fromkeys(("__builtin__.bytes", "builtins.bytes"), self._no_bytes)
        if inert:  # what their state is made of besides arrays
            for copyreg in ("copy_reg", "copyreg"):
                admitted[f"{copyreg}._reconstructor"] = self._reconstruct
            for builtins in ("__builtin__", "builtins"):
                admitted[f"{builtins}.object"] = lambda *_: self._refuse("object as a function")
                admitted[f"{builtins}.set"] = lambda items=(): list(items)
            admitted["collections.OrderedDict"] = lambda items=(): dict(items)
        self.inert = inert
        self._admitted = {name: _Admitted(function) for name, function in admitted.items()}

    def find_class(self, module: str, name: str) -> _Admitted | type[Inert]:
        """Stand-in of a name, or refusal; called before anything could be run by that name."""
        found = self._admitted.get(f"{module}.{name}")
        if found is None and self.inert:
            found = _inert(module, name)
        return found if found is not None else self._refuse(f"{module}.{name}")

    def _reconstruct(self, kind: object, *_: object) -> Inert:
        # how Python 2 writes objects
        if not (isinstance(kind, type) and issubclass(kind, Inert)):
            self._refuse("an object of an unknown class")
        return kind()

    def persistent_load(self, pid: object) -> None:
        """References to outside the file are refused."""
        self._refuse("an object outside the file")

    def array(self, data: Any, dtype: _Dtype, shape: tuple[int, ...], order: str = "C") -> _Array:  # noqa: ANN401
        """Array from its bytes; as many as shape and dtype say, and all arrays no larger than the file."""
        raw = data.encode("latin1") if isinstance(data, str) else data
        shape = (shape,) if isinstance(shape, int) else shape
        if not isinstance(dtype, _Dtype) or not isinstance(raw, bytes | bytearray) or order not in ("C", "F"):
            raise UnsafeFileError("it describes an array in a way that numpy does not")
        if not all(isinstance(n, int) and n >= 0 for n in shape) or len(shape) > 8:
            raise DataError(f"an array has the impossible shape {shape}")
        if math.prod(shape) * dtype.value.itemsize != len(raw):
            raise DataError(f"an array of {shape} {dtype.value} comes with {len(raw)} bytes")
        # the same bytes may be named again and again: what is read is never larger than what was stored
        self.room -= len(raw)
        if self.room < 0:
            raise DataError("its arrays claim more bytes than the file has")
        result = _Array(self)
        result.value = np.frombuffer(raw, dtype.value).reshape(shape, order=order)
        return result

    def _scalar(self, dtype: _Dtype, data: Any) -> _Array:  # noqa: ANN401
        return self.array(data, dtype, ())

    @staticmethod
    def _encode(text: str, encoding: str = "latin1") -> bytes:
        # how protocol 2 of Python 3 writes bytes; real codecs can do more than that
        if encoding not in ("latin1", "latin-1"):
            raise UnsafeFileError(f"it asks for the codec {encoding!r}")
        return text.encode("latin1")

    def _no_bytes(self, *args: object) -> bytes:
        return self._refuse("bytes() of something") if args else b""

    @staticmethod
    def _refuse(name: str) -> Any:  # noqa: ANN401
        raise UnsafeFileError(f"it asks for {name}")


class _Unpickler(_Rules, pickle.Unpickler):
    """The fast unpickler."""


class _PlainUnpickler(_Rules, pickle._Unpickler):
    """Python's own, whose memo is no table that a file could make large."""


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
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}); check the path and its rights") from None
    try:
        try:
            _check_form(content)
            unpickler = _Unpickler
        except UnicodeDecodeError:  # text of Python 2 (protocols 0 and 1), which cannot be walked through
            unpickler = _PlainUnpickler
        loaded = unpickler(io.BytesIO(content), len(content), inert).load()
        return _resolve(loaded, {})
    except UnsafeFileError as error:
        raise UnsafeFileError(f"{path} is refused: {error}; nothing of it was run; {_REMEDY}") from None
    except DataError as error:
        raise DataError(f"{path} is damaged: {error}; copy it again or {_REMEDY}") from None
    except RecursionError:
        raise DataError(f"{path} is nested too deeply for a file of arrays; {_REMEDY}") from None
    except Exception as error:
        # a damaged pickle may fail in any of its operations, with any exception
        detail = str(error) or type(error).__name__
        raise DataError(f"{path} is truncated or no pickle ({detail}); copy it again or {_REMEDY}") from None


def _check_form(content: bytes) -> None:
    """Walk through the operations without running them: truncation, and numbers that would take memory."""
    for count, (operation, argument, _) in enumerate(pickletools.genops(content)):
        # the memo is a table as long as its greatest index
        if operation.name in ("PUT", "BINPUT", "LONG_BINPUT") and argument > count:
            raise DataError("its memo has an index beyond its operations")


def _resolve(loaded: Any, done: dict[int, Any]) -> Any:  # noqa: ANN401
    """Put arrays where their stand-ins are; each container once, as it may be named many times."""
    if id(loaded) in done:
        return done[id(loaded)]
    if isinstance(loaded, _Array):
        if loaded.value is None:
            raise DataError("an array has no content")
        # numpy scalars are arrays without a dimension
        result = loaded.value if loaded.value.ndim else loaded.value[()]
    elif type(loaded) in _PLAIN:
        return loaded
    elif type(loaded) is bytearray:
        return bytes(loaded)
    elif type(loaded) in (list, tuple):
        result = type(loaded)(_resolve(item, done) for item in loaded)
    elif type(loaded) is dict:
        result = {_resolve(key, done): _resolve(value, done) for key, value in loaded.items()}
    elif isinstance(loaded, Inert):
        result = loaded
        done[id(loaded)] = loaded  # it may hold itself
        # what is read of its state are arrays; sets say how chumpy would compute it
        kept = {key: value for key, value in loaded.state.items() if not isinstance(value, set | frozenset)}
        loaded.state = {key: _resolve(value, done) for key, value in kept.items()}
    else:
        raise UnsafeFileError(f"it holds a {type(loaded).__name__}")
    done[id(loaded)] = result
    return result
