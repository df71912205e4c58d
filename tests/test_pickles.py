"""The restricted unpickler: arrays come back, nothing runs."""

import io
import os
import pickle
import struct
import subprocess
import tracemalloc

import numpy as np
import pytest

from meshgait.errors import DataError, UnsafeFileError
from meshgait.pickles import load_pickle, to_array

SILHOUETTES = np.random.default_rng(0).integers(0, 256, (5, 64, 44), dtype=np.uint8)


def _written(tmp_path, content):
    path = tmp_path / "file.pkl"
    path.write_bytes(content)
    return path


def _saved(tmp_path, value, protocol=4):
    return _written(tmp_path, pickle.dumps(value, protocol=protocol))


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
def test_arrays_of_every_protocol(tmp_path, protocol):
    loaded = load_pickle(_saved(tmp_path, SILHOUETTES, protocol))
    assert type(loaded) is np.ndarray
    assert loaded.dtype == np.uint8
    np.testing.assert_array_equal(loaded, SILHOUETTES)


@pytest.mark.parametrize("protocol", [2, 5])
@pytest.mark.parametrize("core", [b"numpy.core", b"numpy._core"])
def test_numpy_1_and_2_module_paths(tmp_path, protocol, core):
    content = pickle.dumps(SILHOUETTES, protocol)
    if protocol == 2:
        content = content.replace(b"numpy._core", core).replace(b"numpy.core", core)
    else:  # names have a length before them
        for found in (b"numpy._core.numeric", b"numpy.core.numeric"):
            wanted = core + b".numeric"
            content = content.replace(
                b"\x8c" + bytes([len(found)]) + found, b"\x8c" + bytes([len(wanted)]) + wanted
            )
        # the frame's length is now another: leave framing out
        content = content[:2] + content[11:] if content[2:3] == b"\x95" else content
    np.testing.assert_array_equal(load_pickle(_written(tmp_path, content)), SILHOUETTES)


@pytest.mark.parametrize(
    "array",
    [
        np.asfortranarray(SILHOUETTES),
        SILHOUETTES[:, ::2, ::-1],
        np.arange(6, dtype=">f4").reshape(2, 3),
        np.zeros((0, 64, 44), np.uint8),
        np.array([True, False]),
        np.random.default_rng(1).normal(size=(3, 85)),
        np.float16([1.5, -2]),
        np.arange(3, dtype=np.int64),
    ],
)
@pytest.mark.parametrize("protocol", [2, 5])
def test_layouts_and_types(tmp_path, array, protocol):
    loaded = load_pickle(_saved(tmp_path, array, protocol))
    assert loaded.dtype == array.dtype
    np.testing.assert_array_equal(loaded, array)


@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_plain_containers(tmp_path, protocol):
    value = {"sil": [SILHOUETTES, SILHOUETTES], "n": (1, 2.5, None, True), "k": np.float32(3), "b": b"x", "s": "é"}
    loaded = load_pickle(_saved(tmp_path, value, protocol))
    np.testing.assert_array_equal(loaded["sil"][1], SILHOUETTES)
    assert (loaded["n"], loaded["k"], loaded["b"], loaded["s"]) == ((1, 2.5, None, True), 3, b"x", "é")
    assert isinstance(loaded["k"], np.float32)


def test_python_2_pickle(tmp_path):
    # protocol 2 of Python 2: the bytes of the array and the byte order are text (SHORT_BINSTRING)
    content = (
        b"\x80\x02cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
        b"(K\x01K\x02K\x02\x86cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xff"
        b"K\x00tb\x89U\x04\x00\x01\xff\x80tb."
    )
    loaded = load_pickle(_written(tmp_path, content))
    np.testing.assert_array_equal(loaded, [[0, 1], [255, 128]])


class _Evil:
    """Runs a command when it is unpickled by the ordinary rules."""

    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_commands_are_not_run(tmp_path, protocol):
    marker = tmp_path / "ran"
    value = {"sil": SILHOUETTES, "x": _Evil(os.system, f"touch {marker}")}
    path = _saved(tmp_path, value, protocol)
    with pytest.raises(UnsafeFileError, match=r"(posix|nt|os)\.system.*nothing of it was run"):
        load_pickle(path)
    assert not marker.exists()
    pickle.loads(path.read_bytes())  # the ordinary rules do run it
    assert marker.exists()


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (_Evil(eval, "1"), r"__builtin__\.eval|builtins\.eval"),
        (_Evil(getattr, SILHOUETTES, "tofile"), r"__builtin__\.getattr|builtins\.getattr"),
        (_Evil(subprocess.Popen, "true"), r"subprocess\.Popen|commands\.Popen"),
        (_Evil(np.load, "x.npy"), r"numpy\.load"),
        (np.load, r"numpy\.load"),
        (_Evil(np.ndarray, (3,)), r"numpy\.ndarray"),
        (_Evil(bytes, 10**12), r"bytes\(\) of something|builtins\.bytes"),
        ({1, 2}, r"__builtin__\.set|a set"),
        (np.array([1, "a"], dtype=object), "Python objects"),
        (np.array([(1, 2.0)], dtype=[("a", "u1"), ("b", "f4")]), "type 'V5'"),
        (np.array(["a", "b"]), "type 'U1'"),
        (np.ma.masked_array([1], [0]), "numpy.ma"),
    ],
)
@pytest.mark.parametrize("protocol", [2, 5])
def test_everything_else_is_refused_by_name(tmp_path, value, name, protocol):
    with pytest.raises(UnsafeFileError, match=name):
        load_pickle(_saved(tmp_path, value, protocol))


def test_admitted_names_cannot_be_altered_or_abused(tmp_path):
    state = b"N}U\x08functionNs\x86b."  # BUILD with the slots {"function": None}
    for content in (
        b"\x80\x02cnumpy\ndtype\n" + state,
        b"\x80\x02cnumpy.core.multiarray\n_reconstruct\n" + state,
        b"\x80\x02c_codecs\nencode\nX\x01\x00\x00\x00aX\x06\x00\x00\x00base64\x86R.",
        # a structured type given as the state of a harmless one
        b"\x80\x02cnumpy\ndtype\nX\x02\x00\x00\x00u1\x85R(K\x03X\x01\x00\x00\x00|NX\x01\x00\x00\x00a\x85}tb.",
    ):
        with pytest.raises(UnsafeFileError):
            load_pickle(_written(tmp_path, content))
    np.testing.assert_array_equal(load_pickle(_saved(tmp_path, SILHOUETTES)), SILHOUETTES)


def test_truncated_and_foreign_files(tmp_path):
    content = pickle.dumps(SILHOUETTES)
    for cut in (0, 1, 5, 60, len(content) // 2, len(content) - 1):
        with pytest.raises(DataError, match=r"file\.pkl is (truncated or no pickle|damaged)"):
            load_pickle(_written(tmp_path, content[:cut]))
    for foreign in (b"\x89PNG\r\n\x1a\n" + bytes(50), b"hello", bytes(range(255, 0, -1))):
        with pytest.raises(DataError, match=r"no pickle|damaged"):
            load_pickle(_written(tmp_path, foreign))
    with pytest.raises(DataError, match="cannot be read"):
        load_pickle(tmp_path / "none.pkl")


def test_memory_bombs(tmp_path):
    # a memo of 2**31 entries, a bytearray of 2**40 bytes, the same bytes as a thousand arrays, an impossible shape
    memo = b"\x80\x02K\x01r" + struct.pack("<I", 2**31 - 1) + b"."
    array = b"\x80\x05\x96" + struct.pack("<Q", 2**40) + b"."
    tracemalloc.start()
    assert load_pickle(_written(tmp_path, memo)) == 1
    with pytest.raises(DataError):
        load_pickle(_written(tmp_path, array))
    assert tracemalloc.get_traced_memory()[1] < 1e6
    tracemalloc.stop()
    many = io.BytesIO()
    many.write(b"\x80\x02B" + struct.pack("<I", 1000) + bytes(1000) + b"q\x00")
    many.write(b"cnumpy\ndtype\nX\x02\x00\x00\x00u1\x85Rq\x01](")
    many.write(b"cnumpy.core.numeric\n_frombuffer\n(h\x00h\x01M\xe8\x03\x85X\x01\x00\x00\x00CtR" * 1000)
    many.write(b"e.")
    with pytest.raises(DataError, match="claim more bytes"):
        load_pickle(_written(tmp_path, many.getvalue()))
    shape = pickle.dumps(SILHOUETTES, 4).replace(b"K\x05K@K,", b"K\xffK@K,")
    with pytest.raises(DataError, match="comes with"):
        load_pickle(_written(tmp_path, shape))


def test_shared_and_endless_containers(tmp_path):
    doubled, times = [1], 0
    while times < 30:  # 2**30 items if every mention is walked through, as np.asarray does
        doubled, times = [doubled, doubled], times + 1
    with pytest.raises(DataError, match="names the same content so often"):
        load_pickle(_saved(tmp_path, doubled))
    with pytest.raises(DataError, match="names the same content so often"):
        load_pickle(_saved(tmp_path, [np.zeros((100, 100))] * 1000))
    frames = load_pickle(_saved(tmp_path, [np.zeros((100, 100))] * 50))
    assert len({id(frame) for frame in frames}) == 1
    endless = []
    endless.append(endless)
    with pytest.raises(DataError, match="nested too deeply"):
        load_pickle(_saved(tmp_path, endless))


def _tuples(depth, wide=True):
    """Operations that leave tuples in each other on the stack: () in ((), ()) in ((), ()), ((), ()), ..."""
    return b")" + (b"q\x00h\x00\x86" if wide else b"\x85") * depth


NUMBERS = b"cnumpy.core.numeric\n_frombuffer\n(C\x01acnumpy\ndtype\nU\x02u1\x85R"


@pytest.mark.parametrize(
    "content",
    {
        "a key that takes 2**60 steps to hash": b"}" + _tuples(60) + b"Ns.",
        "a key whose hash ends the process": b"}" + _tuples(100_000, wide=False) + b"Ns.",
        "keys of a dict of a mark": b"(" + _tuples(60) + b"Nd.",
        "a shape that takes 2**60 letters to print": NUMBERS + _tuples(60) + b"U\x01CtR.",
        "a dtype that does": b"cnumpy\ndtype\n" + _tuples(60) + b"\x85R.",
        "a codec that does": b"c_codecs\nencode\nX\x01\x00\x00\x00a" + _tuples(60) + b"\x86R.",
        "an order that does": NUMBERS + b"K\x01" + _tuples(60) + b"tR.",
        "rows of nothing": NUMBERS.replace(b"C\x01a", b"C\x00") + b"J\xff\xff\xff\x7fK\x00\x86U\x01CtR.",
        "a text made bytes again and again": b"c_codecs\nencode\nq\x00X\x50\xc3\x00\x00"
        + b"a" * 50_000
        + b"\x85q\x01("
        + b"h\x00h\x01R" * 1000
        + b"l.",
        "a bytearray after Python 2's text": b"S'\xff'\n0\x96" + struct.pack("<Q", 3 * 10**9) + b".",
        "many arguments": b"c_codecs\nencode\n(" + b"N" * 1000 + b"tR.",
        "a call of no tuple": b"c_codecs\nencode\n]R.",
        "a call of a list": b"])R.",
        "items of a list": b"]K\x00K\x01s.",
        "appends to a dict": b"}K\x00a.",
        "the state of a text": b"U\x01a}b.",
        "an object of numpy's": b"cnumpy\ndtype\n)\x81.",
        "control characters": b"c\x1b[31mos\nsystem\n.",
        "an object outside the file": b"Pname\n.",
        "a class by its name": b"(inumpy\ndtype\n.",
        "a number of the registry": b"\x82\x01.",
        "nothing on the stack": b"R.",
        "lists in lists": b"]" * 5000 + b"a" * 4999 + b".",
        "whole numbers of a million digits": b"I" + b"9" * 1_000_000 + b"\n.",
    }.items(),
    ids=lambda item: item[0],
)
@pytest.mark.parametrize("inert", [False, True])
def test_operations_that_are_misused(tmp_path, content, inert):
    """Neither a traceback nor a hang, and no more memory than the file's size explains."""
    path = _written(tmp_path, b"\x80\x02" + content[1])
    tracemalloc.start()
    with pytest.raises(DataError) as caught:
        load_pickle(path, inert)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert str(caught.value).isprintable() and len(str(caught.value)) < 500
    assert peak < 2e6 + 200 * len(content[1])


def test_lists_become_arrays(tmp_path):
    np.testing.assert_array_equal(to_array([[1, 2.5], np.array([3, 4])]), [[1, 2.5], [3, 4]])
    assert to_array(np.float32(3)).shape == ()
    # numpy would pad each text to the longest
    for value in (["a" * 1000, "b"], "a", {"a": 1}, [1, [2, 3]], [None], [2**80], [b"a"]):
        with pytest.raises(ValueError):
            to_array(value)


@pytest.mark.parametrize("seed", range(4))
def test_damaged_bytes(tmp_path, seed):
    """Any byte may be anything: an error of ours or arrays."""
    rng = np.random.default_rng(seed)
    value = {"sil": SILHOUETTES[:1, :8], "a": [1.5, (np.float32(2), None)], "b": np.arange(4.0), "é": b"x" * 20}
    whole = pickle.dumps(value, (0, 2, 4, 5)[seed])
    tracemalloc.start()
    for _ in range(150):
        content = bytearray(whole)
        for place in rng.integers(0, len(whole), rng.integers(1, 6)):
            content[place] = rng.integers(0, 256)
        try:
            load_pickle(_written(tmp_path, content), inert=True)
        except DataError as error:
            assert str(error).isprintable()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5e6


LONG = b"\x8b" + struct.pack("<i", 100) + b"\x7f" * 100


@pytest.mark.parametrize(
    "content",
    [b"(" + b"]" * 6000 + b"l.", b"(" * 6000 + b"l.", b"N" + b"\x94" * 6000 + b".", b"}" + LONG + b"Ns."],
    ids=["lists", "marks", "memo", "a long number as key"],
)
def test_parts_are_counted(tmp_path, monkeypatch, content):
    """Each byte may make 200 bytes of memory, so that no more of them are followed than files of arrays have."""
    monkeypatch.setattr("meshgait.unpickler.OPERATIONS", 5000)
    with pytest.raises(DataError, match=r"more than 5,000 parts|key of a dict"):
        load_pickle(_written(tmp_path, b"\x80\x04" + content))
