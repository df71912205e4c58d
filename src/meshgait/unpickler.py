"""An unpickler that runs no code of the file: the names in a pickle become stand-ins.

There are stand-ins for the few names that numpy arrays need; every other name is refused before it is looked up.
numpy's own unpickling code is not used either: arrays are built from their dtype, shape and bytes.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from typing import Any, ClassVar, Literal, NoReturn

import numpy as np

from meshgait.arrays import check_shape
from meshgait.errors import DataError, UnsafeFileError
from meshgait.text import shown

PLAIN = (str, bytes, bool, int, float, type(None))
"""Types of plain values."""


class _Admitted:
    """A name that a pickle may use: it calls ``function``, and the pickle cannot change it."""

    __slots__ = ("function",)
    function: Callable[..., Any]

    def __init__(self, function: Callable[..., Any]) -> None:
        object.__setattr__(self, "function", function)

    def __call__(self, *args: Any) -> Any:  # noqa: ANN401
        return self.function(*args)

    def __setattr__(self, name: str, value: object) -> None:
        raise UnsafeFileError("the pickle alters a function")

    def __setstate__(self, state: object) -> None:
        raise UnsafeFileError("the pickle alters a function")


class _Dtype:
    """Stand-in for numpy.dtype: simple types only."""

    __slots__ = ("value",)

    def __init__(self, code: str, *_: object) -> None:
        text = code.decode("latin1") if isinstance(code, bytes) else code
        if not isinstance(text, str):
            raise UnsafeFileError("it holds an array of no type")
        if text[:1] == "O":
            raise UnsafeFileError("it holds an array of Python objects")
        if text[:1] not in set("biuf") or not text[1:].isdecimal():
            raise UnsafeFileError(
                f"it holds an array of type {shown(text[:20])!r}", "booleans, integers or floats are read"
            )
        self.value = np.dtype(text)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        # (version, byte order, subarray, names, fields, size, alignment, flags)
        if len(state) < 5 or any(part is not None for part in state[2:5]):
            raise UnsafeFileError(
                "it holds an array of a structured type", "booleans, integers or floats are read"
            )
        order = state[1].decode("latin1") if isinstance(state[1], bytes) else state[1]
        if order in ("<", ">"):
            self.value = self.value.newbyteorder("<" if order == "<" else ">")


class Array:
    """Stand-in for numpy.ndarray; ``value`` is the array after its state is set."""

    __slots__ = ("loader", "value")

    def __init__(self, loader: Unpickler) -> None:
        self.loader = loader
        self.value: np.ndarray | None = None

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        # (version, shape, dtype, column order, data)
        _, shape, dtype, by_columns, data = state
        self.value = self.loader.array(data, dtype, shape, "F" if by_columns else "C").value


class Inert:
    """Stand-in for an object of chumpy or a sparse matrix of SciPy.

    Attributes:
        kind: name of its class.
        state: its attributes as they were pickled.
    """

    __slots__ = ("kind", "state")

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.state: dict[str, Any] = {}

    def __setstate__(self, state: object) -> None:
        self.state = state if isinstance(state, dict) else {}


SPARSE = ("csc", "csr", "coo")
"""Kinds of sparse matrices that are admitted, as SciPy's older ``..._matrix`` and its newer ``..._array``."""


ARGUMENTS = 16
"""Of a call, at most."""
OPERATIONS = 1_000_000
"""Operations of a pickle at most, each of which may take 200 bytes; an array of any size needs about 30."""
LARGEST_KEY = 1 << 64
"""Largest whole number as a key of a dict."""


class _Counted(dict[int, "Operation"]):
    """Operations by their codes; counts the look-ups."""

    def __init__(self, operations: dict[int, Operation]) -> None:
        super().__init__(operations)
        self.left = OPERATIONS

    def __getitem__(self, code: int) -> Operation:
        self.left -= 1
        if self.left < 0:
            raise DataError(f"it has more than {OPERATIONS:,} parts, which no file of arrays needs")
        return super().__getitem__(code)


class _Class(_Admitted):
    """A class whose objects become `Inert`."""

    __slots__ = ()


def _is_inert(module: str, name: str) -> bool:
    """Whether a name is a class of chumpy or of SciPy's sparse matrices."""
    kind, _, form = name.partition("_")
    sparse = module.split(".")[:2] == ["scipy", "sparse"] and kind in SPARSE and form in ("matrix", "array")
    return sparse or module.split(".")[0] == "chumpy"


Operation = Callable[["Unpickler"], None]


def _refuse(what: str) -> NoReturn:
    raise UnsafeFileError(f"it asks for {what}")


class Unpickler(pickle._Unpickler):
    """Python's own unpickler, with the operations that arrays and plain containers need.

    The faster one, in C, cannot leave operations out: hashing a key of nested tuples may run for ever or end the
    process, and a bytearray is allocated before its bytes are found in the file.

    Args:
        content: bytes of the file; their number limits the arrays.
        inert: admit objects of chumpy and SciPy.
    """

    # attributes of Python's class that its type stubs lack
    stack: list[Any]
    append: Callable[[Any], None]
    read: Callable[[int], bytes]
    pop_mark: Callable[[], list[Any]]

    def __init__(self, content: bytes, inert: bool = False) -> None:
        # latin1, as Python 2 wrote the bytes of arrays as strings
        super().__init__(io.BytesIO(content), encoding="latin1")
        self.room = self.text_room = len(content)
        # each file's operations are counted
        self.dispatch = _Counted(self.dispatch)  # type: ignore[misc]
        admitted: dict[str, Callable[..., Any]] = {
            "numpy.ndarray": lambda *_: _refuse("numpy.ndarray as a function"),
            "numpy.dtype": _Dtype,
        }
        for core in ("numpy.core", "numpy._core"):
            admitted[f"{core}.multiarray._reconstruct"] = lambda *_: Array(self)
            admitted[f"{core}.multiarray.scalar"] = lambda dtype, data: self.array(data, dtype, ())
            admitted[f"{core}.numeric._frombuffer"] = self.array
        admitted["_codecs.encode"] = self._encode
        # protocol 2 writes empty bytes so; with a number as argument it would allocate as many
        admitted |= dict.fromkeys(("__builtin__.bytes", "builtins.bytes"), self._no_bytes)
        if inert:  # names in their states besides arrays
            for copyreg in ("copy_reg", "copyreg"):
                admitted[f"{copyreg}._reconstructor"] = self._reconstruct
            for builtins in ("__builtin__", "builtins"):
                admitted[f"{builtins}.object"] = lambda *_: _refuse("object as a function")
                # lists of outdated objects, and links to others: never read
                admitted[f"{builtins}.set"] = lambda *_: None
            admitted["collections.OrderedDict"] = lambda *_: {}  # its items are set one by one afterwards
        self.inert = inert
        self._admitted = {name: _Admitted(function) for name, function in admitted.items()}

    def find_class(self, module: str, name: str) -> _Admitted:
        """The stand-in for a name; other names are refused before anything is run."""
        found = self._admitted.get(f"{module}.{name}")
        if found is None and self.inert and _is_inert(module, name):
            found = _Class(lambda *_: Inert(name))
        return found or _refuse(shown(f"{module}.{name}"))

    def array(self, data: Any, dtype: _Dtype, shape: tuple[int, ...], order: Literal["C", "F"] = "C") -> Array:  # noqa: ANN401
        """Array from its bytes; their number must fit shape and dtype, and all arrays together the file."""
        raw = data.encode("latin1") if isinstance(data, str) else data
        shape = (shape,) if isinstance(shape, int) else shape
        if not isinstance(dtype, _Dtype) or not isinstance(raw, bytes | bytearray) or order not in ("C", "F"):
            raise UnsafeFileError("it describes an array in a way that numpy does not")
        if not isinstance(shape, tuple):
            raise DataError("an array has no shape")
        check_shape(shape, dtype.value, len(raw))
        # the same bytes may be referred to many times: the arrays may not become larger than the file
        self.room -= len(raw)
        if self.room < 0:
            raise DataError("its arrays claim more bytes than the file has")
        result = Array(self)
        result.value = np.frombuffer(raw, dtype.value).reshape(shape, order=order)
        return result

    def _encode(self, text: str, encoding: str = "latin1") -> bytes:
        # protocol 2 of Python 3 writes bytes so; other codecs could do more
        if encoding not in ("latin1", "latin-1") or not isinstance(text, str):
            raise UnsafeFileError("it asks for a codec other than latin1")
        self.text_room -= len(text)
        if self.text_room < 0:
            raise DataError("its texts claim more bytes than the file has")
        return text.encode("latin1")

    @staticmethod
    def _no_bytes(*args: object) -> bytes:
        return _refuse("bytes() of something") if args else b""

    @staticmethod
    def _reconstruct(kind: object, *_: object) -> Inert:
        # Python 2 writes objects so
        return kind() if isinstance(kind, _Class) else _refuse("an object of an unknown class")

    def _reduce(self) -> None:
        arguments = self.stack.pop()
        function = self.stack[-1]
        if not isinstance(function, _Admitted) or type(arguments) is not tuple or len(arguments) > ARGUMENTS:
            _refuse("a call of no function")
        self.stack[-1] = function(*arguments)

    def _new_object(self) -> None:
        self.stack.pop()  # its arguments, which are not needed
        kind = self.stack.pop()
        self.append(kind() if isinstance(kind, _Class) else _refuse("an object of an unknown class"))

    def _build(self) -> None:
        state = self.stack.pop()
        if not isinstance(self.stack[-1], Array | _Dtype | _Admitted | Inert):
            _refuse("the state of something that has none")
        self.stack[-1].__setstate__(state)

    def _bytearray(self) -> None:
        size = int.from_bytes(self.read(8), "little")
        content = self.read(size) if size <= self.text_room else b""
        if len(content) < size:
            raise EOFError
        self.append(bytearray(content))

    def _extend(self, items: list[Any]) -> None:
        if type(self.stack[-1]) is not list:
            raise DataError("it appends to something that is not a list")
        self.stack[-1].extend(items)

    def _set(self, items: list[Any]) -> None:
        if type(self.stack[-1]) is not dict:
            raise DataError("it sets items of something that is not a dict")
        # hashing other keys may take for ever
        if any(type(key) not in PLAIN or (type(key) is int and abs(key) > LARGEST_KEY) for key in items[::2]):
            raise DataError("a key of a dict is neither a string nor a number")
        self.stack[-1].update(zip(items[::2], items[1::2], strict=True))

    def _set_one(self) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self._set([key, value])

    def _dict(self) -> None:
        items = self.pop_mark()
        self.append({})
        self._set(items)

    def _no_set(self) -> None:
        self.append(None if self.inert else _refuse("a set"))

    def _frozen_set(self) -> None:
        self.pop_mark()
        self._no_set()

    # the type stubs expect the unpickler in C
    dispatch: ClassVar[dict[int, Any]] = {
        **pickle._Unpickler.dispatch,
        pickle.REDUCE[0]: _reduce,
        pickle.NEWOBJ[0]: _new_object,
        pickle.BUILD[0]: _build,
        pickle.BYTEARRAY8[0]: _bytearray,
        pickle.APPEND[0]: lambda self: self._extend([self.stack.pop()]),
        pickle.APPENDS[0]: lambda self: self._extend(self.pop_mark()),
        pickle.SETITEM[0]: _set_one,
        pickle.SETITEMS[0]: lambda self: self._set(self.pop_mark()),
        pickle.DICT[0]: _dict,
        pickle.EMPTY_SET[0]: _no_set,
        pickle.ADDITEMS[0]: lambda self: self.pop_mark(),
        pickle.FROZENSET[0]: _frozen_set,
        **dict.fromkeys(
            (pickle.PERSID[0], pickle.BINPERSID[0], pickle.NEXT_BUFFER[0]),
            lambda self: _refuse("an object outside the file"),
        ),
        **dict.fromkeys(
            (
                code[0]
                for code in (pickle.INST, pickle.OBJ, pickle.NEWOBJ_EX, pickle.EXT1, pickle.EXT2, pickle.EXT4)
            ),
            lambda self: _refuse("an object of an unknown class"),
        ),
    }
    """Operations by their codes."""
