"""numpy's files from strangers: what is right is read, what is wrong is one error, and memory is bounded."""

import io
import struct
import tracemalloc
import zipfile
import zlib

import numpy as np
import pytest

from meshgait.arrays import Expected, ObjectArrayError, map_npy, missing_bytes, npz_names, read_npy, read_npz
from meshgait.errors import BodyModelError, DataError, MeshGaitError, UnsafeFileError

ARRAYS = {"a": np.arange(12.0).reshape(3, 4), "b": np.array(["x", "yz"]), "c": np.array(True)}


@pytest.fixture
def path(tmp_path):
    np.savez_compressed(tmp_path / "x.npz", **ARRAYS)
    return tmp_path / "x.npz"


def _npy(header, data=b"", version=1):
    text = header.encode("latin1") + b"\n"
    length = struct.pack("<H" if version == 1 else "<I", len(text))
    return b"\x93NUMPY" + bytes((version, 0)) + length + text + data


def _zip(path, members, **attributes):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return path


def test_what_numpy_writes_is_read(path, tmp_path):
    for name, array in read_npz(path).items():
        np.testing.assert_array_equal(array, ARRAYS[name])
    assert npz_names(path) == ["a", "b", "c"]
    assert list(read_npz(path, ["c", "none"])) == ["c"]
    assert read_npz(path, {"a": Expected("f", (1, 2)), "none": Expected(optional=True)}).keys() == {"a"}
    for order in ("C", "F"):
        np.save(tmp_path / "y.npy", np.asarray(ARRAYS["a"], order=order))
        np.testing.assert_array_equal(read_npy(tmp_path / "y.npy"), ARRAYS["a"])
        np.testing.assert_array_equal(map_npy(tmp_path / "y.npy"), ARRAYS["a"])
    assert missing_bytes(tmp_path / "y.npy") == 0
    (tmp_path / "y.npy").write_bytes((tmp_path / "y.npy").read_bytes()[:-5])
    assert missing_bytes(tmp_path / "y.npy") == 5
    with pytest.raises(ValueError, match="needs 96 bytes and comes with 91"):
        map_npy(tmp_path / "y.npy")
    np.save(tmp_path / "y.npy", np.float32(1))
    with pytest.raises(ValueError, match="no rows"):
        map_npy(tmp_path / "y.npy")


@pytest.mark.parametrize(
    ("expected", "message"),
    [
        ({"z": Expected()}, "has the arrays a, b, c, not z; do this"),
        ({"a": Expected("iu")}, r"a is float64 \(3, 4\), not an array of whole numbers; do this"),
        ({"a": Expected("f", (1, 3))}, "numbers with 1 or 3 dimensions; do this"),
        ({"b": Expected("f")}, "b is <U2"),
    ],
)
def test_what_is_expected(path, expected, message):
    with pytest.raises(BodyModelError, match=message):
        read_npz(path, expected, "do this", BodyModelError)


BOMB = "{'descr': '|u1', 'fortran_order': False, 'shape': (1000000000000,), }"
HEADERS = {
    "a trillion elements": BOMB,
    "no dict": "[1, 2]",
    "not closed": "{'descr': '|u1', 'shape': (3",
    "negative": BOMB.replace("1000000000000", "-3"),
    "a name": BOMB.replace("1000000000000", "name"),
    "not whole": BOMB.replace("1000000000000", "1e9"),
    "overflow": BOMB.replace("1000000000000", "9" * 400),
    "many dimensions": BOMB.replace("(1000000000000,)", f"{(1,) * 70}"),
    "no type": BOMB.replace("|u1", "|zz"),
    "dates": BOMB.replace("|u1", "<M8[s]"),
    "records": BOMB.replace("'|u1'", "[('a', '|u1')]"),
    "nested": "(" * 5000,
    "null": "\0" * 40,
    "less than it holds": BOMB.replace("1000000000000", "8"),
    "rows of nothing": BOMB.replace("(1000000000000,)", "(1000000000000, 0)"),
    "texts of no letters": BOMB.replace("|u1", "<U0"),
    "control characters": BOMB.replace("|u1", "\x1b[31m"),
}


@pytest.mark.parametrize("kind", HEADERS)
@pytest.mark.parametrize("form", ["npy", "npz"])
def test_headers_that_lie(tmp_path, kind, form):
    content, path = _npy(HEADERS[kind], bytes(9)), tmp_path / f"x.{form}"
    if form == "npy":
        path.write_bytes(content)
    else:
        _zip(path, [("a.npy", content)])
    with pytest.raises(DataError, match=rf"x\.{form}(: a)? cannot be read.*; do this") as caught:
        read_npy(path, "do this") if form == "npy" else read_npz(path, remedy="do this")
    assert str(caught.value).isprintable()
    if form == "npy":
        with pytest.raises((ValueError, OSError)):
            map_npy(path)


@pytest.mark.parametrize("shape", [(0, 64, 44), (6890, 3, 0), (0,), ()])
def test_empty_and_single_arrays_are_read(tmp_path, shape):
    np.savez(tmp_path / "x.npz", a=np.zeros(shape), b=np.array("").reshape(()))
    assert read_npz(tmp_path / "x.npz")["a"].shape == shape


def test_long_headers_are_not_unpacked(tmp_path):
    """Deflate makes a long header of a short file, and numpy reads it whole before it finds it too long."""
    content = b"\x93NUMPY\2\0" + struct.pack("<I", 30_000_000) + bytes(30_000_000)
    path = _zip(tmp_path / "x.npz", [("a.npy", content)])
    (tmp_path / "x.npy").write_bytes(content)
    del content
    tracemalloc.start()
    for read in (
        lambda: read_npz(path),
        lambda: read_npy(tmp_path / "x.npy"),
        lambda: map_npy(tmp_path / "x.npy"),
    ):
        with pytest.raises((DataError, ValueError), match="its header is too long"):
            read()
    assert tracemalloc.get_traced_memory()[1] < 2e6
    tracemalloc.stop()


def test_damage_of_an_array_is_seen(tmp_path):
    """Checksums are compared only at a member's end: a shape that stops before it would hide damage."""
    np.savez(tmp_path / "x.npz", a=np.arange(12.0))
    content = (tmp_path / "x.npz").read_bytes()
    (tmp_path / "x.npz").write_bytes(content.replace(b"(12,)", b"(11,)"))
    with pytest.raises(DataError, match="CRC"):
        read_npz(tmp_path / "x.npz")
    place = content.index(np.float64(7.0).tobytes())
    (tmp_path / "x.npz").write_bytes(content[:place] + b"\1" + content[place + 1 :])
    with pytest.raises(DataError, match="CRC"):
        read_npz(tmp_path / "x.npz")


def test_objects_are_never_loaded(tmp_path):
    class Evil:
        def __reduce__(self):
            return print, ("executed",)

    np.save(tmp_path / "x.npy", np.array([Evil()], object), allow_pickle=True)
    np.savez(tmp_path / "x.npz", a=np.zeros(2), evil=np.array([Evil()], object))
    with pytest.raises(UnsafeFileError, match=r"x\.npy holds Python objects, which are never loaded"):
        read_npy(tmp_path / "x.npy")
    with pytest.raises(ObjectArrayError) as caught:
        read_npz(tmp_path / "x.npz")
    assert caught.value.name == "evil"
    assert list(read_npz(tmp_path / "x.npz", ["a"])) == ["a"]  # what is not asked for is not opened


def test_archives_that_lie(tmp_path):
    array = io.BytesIO()
    np.save(array, np.zeros(3))
    array = array.getvalue()
    path = tmp_path / "x.npz"
    with pytest.warns(UserWarning, match="Duplicate"):
        _zip(path, [("a.npy", array), ("a.npy", array)])
    with pytest.raises(DataError, match="two arrays are called a"):
        read_npz(path)
    _zip(path, [("a.npy", array), ("b.txt", b"text")])
    assert list(read_npz(path, ["a"])) == ["a"]
    with pytest.raises(DataError, match=r"b\.txt is not an array"):
        read_npz(path)
    # a directory that promises more than deflate can hold
    content = bytearray(_zip(path, [("a.npy", array)]).read_bytes())
    place = content.rindex(b"PK\x01\x02")
    content[place + 24 : place + 28] = struct.pack("<I", 2**31)
    path.write_bytes(content)
    with pytest.raises(DataError, match="a claims 2147483648 bytes"):
        read_npz(path)
    _zip(path, [("a\x1b[31m.npy", array)])
    with pytest.raises(DataError, match="is not the name of an array") as caught:
        npz_names(path)
    assert str(caught.value).isprintable()
    content = bytearray(_zip(path, [("a.npy", array)]).read_bytes())
    for place in (content.index(b"PK\x03\x04") + 6, content.rindex(b"PK\x01\x02") + 8):
        content[place] |= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match="a is encrypted"):
        read_npz(path)
    for damaged in (b"", b"text", b"PK\x03\x04", content[: len(content) // 2]):
        path.write_bytes(damaged)
        with pytest.raises(DataError, match="truncated or no"):
            read_npz(path)
    with pytest.raises(DataError, match="is not a file"):
        read_npz(tmp_path)
    with pytest.raises(DataError, match="does not exist"):
        npz_names(tmp_path / "none.npz")


@pytest.mark.parametrize("seed", range(4))
def test_damaged_bytes(path, seed):
    """Any byte may be anything: an error of ours or an array, and no more memory than the file explains."""
    whole, rng = path.read_bytes(), np.random.default_rng(seed)
    tracemalloc.start()
    for _ in range(100):
        content = bytearray(whole)
        for place in rng.integers(0, len(whole), rng.integers(1, 6)):
            content[place] = rng.integers(0, 256)
        path.write_bytes(content[: rng.integers(1, len(whole) + 1)] if rng.random() < 0.2 else content)
        try:
            read_npz(path)
        except MeshGaitError as error:
            assert str(error).isprintable()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20e6


def test_deflate_cannot_do_better_than_the_limit():
    packed = zlib.compress(bytes(10_000_000), 9)
    assert 10_000_000 / len(packed) < 1032


@pytest.mark.parametrize("order", "<>")
def test_text_that_is_none_is_refused(tmp_path, order):
    text = np.array(["ab", "c"], f"{order}U2")
    np.savez(tmp_path / "x.npz", t=text)
    assert read_npz(tmp_path / "x.npz", ["t"])["t"].tolist() == ["ab", "c"]
    codes = text.view(f"{order}u4").copy()
    codes[1] = 0x110000
    np.savez(tmp_path / "x.npz", t=codes.view(text.dtype))
    with pytest.raises(DataError, match=r"t cannot be read.*invalid character"):
        read_npz(tmp_path / "x.npz", ["t"])
