"""Readers of arrays are given others than they expect: each array in turn is of another kind, rank or length."""

import pickle

import numpy as np
import pytest

from meshgait.body.files import check_arrays, read_arrays
from meshgait.body.markers import Markers
from meshgait.body.smpl import BodyModel
from meshgait.data.fits import read_fits
from meshgait.data.readers import read_silhouettes
from meshgait.data.store import Store, StoreWriter
from meshgait.data.usf import read_usf
from meshgait.errors import MeshGaitError
from meshgait.evaluation.embeddings import Embeddings
from meshgait.evaluation.record import EvaluationRecord
from meshgait.report.folder import read_run
from meshgait.synthetic.recordings import read_recording
from meshgait.tools.markers import read_indices

RNG = np.random.default_rng(0)
OTHERS = {
    "a number": np.float64(1.5),
    "a whole number": np.int64(3),
    "a text": np.array("x"),
    "texts": np.array(["a", "b"]),
    "bytes": np.array([b"\xff\xfe", b"a"]),
    "nothing": np.zeros(0),
    "rows of nothing": np.zeros((3, 0)),
    "no rows": np.zeros((0, 3), int),
    "booleans": np.array([True, False]),
    "numbers": np.arange(3.0),
    "a matrix": np.ones((2, 3)),
    "five dimensions": np.ones((1,) * 5),
    "what is not finite": np.full(4, np.nan),
    "large numbers": np.array([2**63 - 1, -(2**63)]),
    "larger numbers": np.array([2**64 - 1], np.uint64),
    "texts that cannot be printed": np.array(["\x1b[2J", "\ud800"]),
}


def _changes(array):
    """The same array with another length, rank or kind."""
    numbers = array.dtype.kind in "fiub"
    yield "one dimension more", array[..., None]
    if array.ndim:
        yield "twice", np.concatenate([array, array])
        yield "one less", array[:-1]
    if numbers:
        yield "complex", array.astype(complex)
        yield "negative", -array.astype(float)
        yield "bytes of numbers", array.astype("i1")
        yield "huge", np.full(array.shape, 1e300)
        yield "huge whole numbers", np.full(array.shape, 2**62)
    yield "as text", array.astype(str)


PICKLED = {
    "none": None,
    "text": "abc",
    "lists of several lengths": [[1], [1, 2]],
    "a list of texts": ["a" * 9, 1],
    "arrays of several lengths": [np.ones(3), np.ones(2)],
    "a dict": {"a": np.ones(3)},
    "no items": [],
    "a number without end": 10**30,
}


def _fits():
    poses, betas = RNG.normal(size=(5, 72)), RNG.normal(size=(5, 10))
    return {"smpl_thetas": poses, "smpl_betas": betas, "cam": np.ones((5, 3))}


def _recording():
    return {"poses": RNG.normal(size=(9, 156)), "trans": np.ones((9, 3)), "mocap_framerate": np.array(60.0)}


def _embeddings():
    words = {name: np.array(["a", "b", "c"]) for name in ("labels", "types", "views", "probe_set", "split")}
    return {"embeddings": RNG.normal(size=(3, 4)).astype("f4"), **words}


def _record(path):
    index = np.arange(4)
    EvaluationRecord(
        RNG.normal(size=(4, 2, 4)), index % 2, index % 2, np.array(["nm"] * 4), index, index < 2,
        {"nm": index >= 2}, ("a", "b"), ("0", "9"), "none", "views", "walkers",
    ).write(path)  # fmt: skip
    return dict(np.load(path))


def _body():
    arrays = BodyModel.load(None).arrays
    kept = {name: arrays[name][:60] for name in ("v_template", "shapedirs", "weights")}
    return kept | {
        "J_regressor": arrays["J_regressor"][:, :60],
        "kintree_table": arrays["kintree_table"],
        "f": arrays["f"][:9] % 60,
        "vert_sym_idxs": np.arange(60),
    }


def _meshes(path):
    vertices, faces = RNG.normal(size=(2, 4, 3)).astype("f4"), np.array([[0, 1, 2], [1, 2, 3]])
    arrays = {"vertices": vertices, "true_vertices": vertices, "faces": faces, "names": np.array(["a", "b"])}
    return arrays | {"silhouettes": np.zeros((2, 64, 44), np.uint8)}


def _walk():
    frames = np.zeros((4, 48, 36), np.uint8)
    frames[:, 4:44, 14:22] = 255
    return frames


def _markers(path):
    Markers.default().save(path)
    return dict(np.load(path))


def _usf():
    return {"sil": RNG.integers(0, 2, (3, 10, 32, 22), dtype=np.uint8), "label": np.array([1, 2, 2])}


READERS = {
    "embeddings": ("x.npz", lambda path: _embeddings(), Embeddings.read),
    "evaluation": ("evaluation.npz", _record, lambda path: read_run(path.parent)),
    "meshes": ("mesh.npz", _meshes, lambda path: read_run(path.parent)),
    "fits": ("x.npz", lambda path: _fits(), lambda path: read_fits(path, "romp")),
    "pickled fits": ("x.pkl", lambda path: _fits(), lambda path: read_fits(path, "romp")),
    "recording": ("x.npz", lambda path: _recording(), read_recording),
    "body": ("x.npz", lambda path: _body(), lambda path: check_arrays(read_arrays(path), "x")),
    "pickled body": ("x.pkl", lambda path: _body(), lambda path: check_arrays(read_arrays(path), "x")),
    "markers": ("x.npz", _markers, Markers.load),
    "indices": ("x.pkl", lambda path: {"head": np.arange(3)}, lambda path: read_indices(path, 60)),
    "USF": ("PrbA.npz", lambda path: _usf(), lambda path: read_usf(path.parent)),
    "silhouettes": ("x.npz", lambda path: {"sil": _walk()}, read_silhouettes),
    "pickled silhouettes": ("x.pkl", lambda path: {"sil": _walk()}, read_silhouettes),
}


@pytest.mark.slow
@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", READERS)
def test_readers_refuse_other_arrays_in_one_line(tmp_path, name):
    file, make, read = READERS[name]
    path = tmp_path / file
    np.savez(tmp_path / "Gal.npz", **_usf())
    (tmp_path / "history.jsonl").write_text("")
    whole = make(path)

    def save(content):
        if path.suffix == ".npz":
            np.savez(path, **content)
        else:
            path.write_bytes(pickle.dumps(content))

    save(whole)
    read(path)
    refused = 0
    for key, array in whole.items():
        others = OTHERS | dict(_changes(np.asarray(array))) | (PICKLED if path.suffix == ".pkl" else {})
        for kind, other in others.items():
            save(whole | {key: other})
            try:
                read(path)
            except MeshGaitError as error:
                refused += 1
                assert str(error).isprintable(), (key, kind)
            except Exception as error:
                raise AssertionError(f"{key} was made {kind}") from error
    assert refused > len(whole) * len(OTHERS) // 3


@pytest.mark.parametrize("name", ["silhouettes", "poses", "betas", "cameras", "valid"])
def test_stores_of_other_arrays_are_damaged(tmp_path, name):
    smpl = {key: np.zeros((4, width)) for key, width in (("poses", 72), ("betas", 10), ("cameras", 3))}
    with StoreWriter(tmp_path / "s", (48, 36), smpl=True) as writer:
        writer.add("a", "nm", "0", _walk(), **smpl, valid=np.ones(4, bool))
        writer.finish()
    Store(tmp_path / "s")
    path = tmp_path / "s" / f"{name}.npy"
    array = np.load(path)
    for kind, other in (OTHERS | dict(_changes(array))).items():
        np.save(path, other)
        with pytest.raises(MeshGaitError, match="is damaged") as caught:
            Store(tmp_path / "s")
        assert str(caught.value).isprintable(), kind
