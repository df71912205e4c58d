"""Body files; official-like pickles are written here with classes that pretend to be chumpy's."""

import pickle
import sys
import types
from typing import ClassVar

import numpy as np
import pytest
import torch
from scipy import sparse

from meshgait.body.files import check_arrays, fingerprint, read_arrays, write_arrays
from meshgait.body.smpl import BodyModel
from meshgait.errors import BodyModelError, OutputError, UnsafeFileError


@pytest.fixture(scope="module")
def arrays() -> dict[str, np.ndarray]:
    return BodyModel.default().arrays


@pytest.fixture
def chumpy(monkeypatch):
    """A module named chumpy, only while the pickle is written."""
    package, ch, reordering = (types.ModuleType(name) for name in ("chumpy", "chumpy.ch", "chumpy.reordering"))

    class Ch:
        def __init__(self, x):
            self.x = x

        def __getstate__(self):
            return {"x": self.x, "_itr": None, "_dirty_vars": set(), "_depends_on_deps": {}}

    class Select:
        def __init__(self, a, idxs, shape):
            self.a, self.idxs, self.preferred_shape = a, idxs, shape

    for module, kind in ((ch, Ch), (reordering, Select)):
        kind.__module__, kind.__qualname__ = module.__name__, kind.__name__
        setattr(module, kind.__name__, kind)
        monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setitem(sys.modules, "chumpy", package)
    return Ch, Select


def official(arrays: dict[str, np.ndarray], ch: type, select: type) -> dict[str, object]:
    """The keys and kinds of values of SMPL's pickles, with 300 shape directions."""
    count = len(arrays["v_template"])
    shapedirs = np.zeros((count, 3, 300))
    shapedirs[..., :10] = arrays["shapedirs"]
    kintree = arrays["kintree_table"].astype(np.uint32)  # the root's parent becomes 4294967295
    return {
        "v_template": ch(arrays["v_template"].astype(np.float64)),
        "shapedirs": ch(shapedirs),
        "posedirs": select(np.zeros(count * 3 * 207 + 1), np.arange(count * 3 * 207), (count, 3, 207)),
        "J_regressor": sparse.csc_matrix(arrays["J_regressor"].astype(np.float64)),
        "J_regressor_prior": sparse.csc_matrix(np.eye(3)),
        "weights": arrays["weights"].astype(np.float64),
        "kintree_table": kintree,
        "f": arrays["f"].astype(np.uint32),
        "bs_style": "lbs",
        "bs_type": "lrotmin",
        "J": ch(np.zeros((24, 3))),
        "vert_sym_idxs": np.arange(count)[::-1].copy(),
    }


@pytest.mark.slow
@pytest.mark.parametrize("protocol", [0, 1, 2, 4, 5])
def test_official_pickle_loads_without_chumpy(tmp_path, arrays, chumpy, protocol):
    path = tmp_path / "SMPL_NEUTRAL.pkl"
    path.write_bytes(pickle.dumps(official(arrays, *chumpy), protocol=protocol))
    for name in ("chumpy", "chumpy.ch", "chumpy.reordering"):
        del sys.modules[name]
    body = BodyModel.load(path)
    assert body.hash == BodyModel.default().hash  # nothing but the file differs
    assert "chumpy" not in sys.modules
    assert np.array_equal(body.mirror, np.arange(body.num_vertices)[::-1])  # SMPL's own table is taken


class Python2(pickle._Pickler):
    """Pickles as Python 2 wrote them: text and bytes are the same strings, modules have their old names."""

    def save_string(self, obj):
        raw = obj.encode("ascii") if isinstance(obj, str) else obj
        if self.proto == 0:
            self.write(b"S" + repr(raw)[1:].encode() + b"\n")
        else:
            self.write(b"T" + len(raw).to_bytes(4, "little") + raw)
        self.memoize(obj)

    def save_global(self, obj, name=None):
        module = obj.__module__ or "numpy.core.multiarray"
        for new, old in (("numpy._core", "numpy.core"), ("builtins", "__builtin__"), ("copyreg", "copy_reg")):
            module = module.replace(new, old)
        self.write(f"c{module}\n{name or obj.__name__}\n".encode())
        self.memoize(obj)

    dispatch: ClassVar = pickle._Pickler.dispatch | {
        str: save_string,
        bytes: save_string,
        type: save_global,
        types.FunctionType: save_global,
    }

    @classmethod
    def dump_to(cls, path, content, protocol):
        with path.open("wb") as file:
            cls(file, protocol).dump(content)


def stand_in(module, name, **state):
    """An object whose class no module has, with the state that it would be pickled with."""
    made = type(name, (), {"__module__": module})()
    vars(made).update(state)
    return made


def ch(x, module="chumpy.ch", name="Ch", **state):
    """State of chumpy's objects: bookkeeping and all."""
    own = {"x": x} if x is not None else {}
    deps = {"T": {"deps": {"x"}, "value": None, "out_of_date": True}}
    common = {"_dirty_vars": {"x"}, "_itr": None, "_make_dense": False, "_make_sparse": False}
    return stand_in(module, name, **own, **common, _depends_on_deps=deps, **state)


def old_sparse(matrix):
    csc = sparse.csc_matrix(matrix)
    parts = {"data": csc.data, "indices": csc.indices.astype(np.int32), "indptr": csc.indptr.astype(np.int32)}
    return stand_in("scipy.sparse.csc", "csc_matrix", _shape=csc.shape, maxprint=50, format="csc", **parts)


def as_published(arrays, betas):
    """basicmodel_*_lbs_10_207_0_v1.*.pkl: every key, and the kind of each value."""
    count = len(arrays["v_template"])
    many = np.zeros((count, 3, 300))
    many[..., :10] = arrays["shapedirs"]
    regressor = arrays["J_regressor"].astype(np.float64)
    if betas == 10:  # a part of the 300 is a view of them
        index = np.arange(many.size).reshape(many.shape)[..., :10]
        view = {"a": ch(many), "idxs": index.ravel(), "preferred_shape": index.shape}
        shapedirs = ch(None, "chumpy.reordering", "Select", **view)
    else:
        shapedirs = ch(many)
    info = {"expid": "x", "J_regressor_prior_wt": 10.0, "restpose_type": "t", "gender": "male"}
    return {
        "J_regressor_prior": old_sparse(regressor),
        "f": arrays["f"].astype(np.uint32),
        "J_regressor": old_sparse(regressor),
        "kintree_table": arrays["kintree_table"].astype(np.uint32),
        "J": np.zeros((24, 3)),
        "weights_prior": arrays["weights"].astype(np.float64),
        "weights": arrays["weights"].astype(np.float64),
        "vert_sym_idxs": np.arange(count),
        "posedirs": np.zeros((count, 3, 207)),
        "pose_training_info": info,
        "bs_style": "lbs",
        "v_template": np.asfortranarray(arrays["v_template"].astype(np.float64)),
        "shapedirs": shapedirs,
        "bs_type": "lrotmin",
    }


@pytest.mark.slow
@pytest.mark.parametrize("protocol", [0, 1, 2])
@pytest.mark.parametrize("betas", [10, 300])
def test_files_as_python_2_wrote_them(tmp_path, arrays, protocol, betas):
    path = tmp_path / "basicmodel_m_lbs_10_207_0_v1.0.0.pkl"
    content = as_published(arrays, betas)
    if protocol == 0:  # text is slow to write
        del content["posedirs"]
    Python2.dump_to(path, content, protocol)
    assert b"chumpy.ch\nCh" in path.read_bytes() and b"_codecs" not in path.read_bytes()
    assert BodyModel.load(path).hash == BodyModel.default().hash


def test_reordered_views_of_chumpy(tmp_path, arrays):
    template = arrays["v_template"].astype(np.float64)
    flat = ch(template.ravel())
    turned = ch(template.T.copy())
    for view in (
        ch(None, "chumpy.reordering", "Reshape", a=flat, newshape=template.shape),
        ch(None, "chumpy.reordering", "transpose", a=turned, axes=None),
        ch(None, "chumpy.reordering", "transpose", a=turned),
    ):
        Python2.dump_to(tmp_path / "a.pkl", {**arrays, "v_template": view}, 2)
        assert BodyModel.load(tmp_path / "a.pkl").hash == BodyModel.default().hash
    odd = ch(None, "chumpy.ch_ops", "add", a=flat, b=flat)  # a computation, which is never done here
    Python2.dump_to(tmp_path / "a.pkl", {**arrays, "v_template": odd}, 2)
    with pytest.raises(BodyModelError, match="v_template is a add of unknown make-up"):
        BodyModel.load(tmp_path / "a.pkl")


def test_npz_with_a_sparse_matrix_is_refused_by_name(tmp_path, arrays):
    np.savez(tmp_path / "a.npz", **{**arrays, "J_regressor": sparse.csc_matrix(arrays["J_regressor"])})
    with pytest.raises(UnsafeFileError, match=r"a\.npz: J_regressor is a pickled Python object.*toarray"):
        BodyModel.load(tmp_path / "a.npz")


def test_npz_as_published(tmp_path, arrays):
    """Text, priors and object-free extras beside what is needed."""
    extras = {"bs_style": np.array("lbs"), "bs_type": np.array("lrotmin"), "J": np.zeros((24, 3))}
    plain = {**arrays, "kintree_table": arrays["kintree_table"].astype(np.uint32), **extras}
    np.savez(tmp_path / "SMPL_MALE.npz", **plain, pose_training_info=np.array({"gender": "male"}))
    assert BodyModel.load(tmp_path / "SMPL_MALE.npz").hash == BodyModel.default().hash


def test_smpl_h_is_named(tmp_path, arrays):
    count = len(arrays["v_template"])
    wide = {"J_regressor": np.zeros((52, count)), "weights": np.ones((count, 52)) / 52}
    np.savez(tmp_path / "model.npz", **{**arrays, **wide, "kintree_table": np.zeros((2, 52), np.int64)})
    with pytest.raises(BodyModelError, match="52 joints, SMPL has 24: it is of SMPL-H"):
        BodyModel.load(tmp_path / "model.npz")


@pytest.mark.parametrize("kind", [sparse.csc_matrix, sparse.csr_matrix, sparse.coo_matrix])
def test_sparse_regressors_of_every_layout(tmp_path, arrays, kind):
    path = tmp_path / "body.pkl"
    path.write_bytes(pickle.dumps({**arrays, "J_regressor": kind(arrays["J_regressor"])}, protocol=2))
    np.testing.assert_array_equal(BodyModel.load(path).arrays["J_regressor"], arrays["J_regressor"])


class Evil:
    def __init__(self, function, *args):
        self.call = function, args

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_code_in_a_pickle_is_refused_and_not_run(tmp_path, arrays, protocol):
    import os

    mark = tmp_path / "mark"
    for evil in (
        Evil(os.mkdir, str(mark)),
        Evil(np.load, str(mark)),
        Evil(np.fromfile, str(mark)),
    ):
        path = tmp_path / "evil.pkl"
        path.write_bytes(pickle.dumps({**arrays, "extra": evil}, protocol=protocol))
        with pytest.raises(UnsafeFileError, match=r"evil\.pkl.*asks for"):
            BodyModel.load(path)
        assert not mark.exists()


def test_chumpy_name_does_not_open_a_door(tmp_path):
    """A class called chumpy.anything is inert: its arguments and state are kept, never acted on."""
    path = tmp_path / "odd.pkl"
    path.write_bytes(b"cchumpy.os\nsystem\n(S'touch pwned'\ntR.")
    with pytest.raises(BodyModelError, match="not a body model"):
        BodyModel.load(path)


def test_sparse_index_out_of_bounds_is_an_error(tmp_path, arrays):
    matrix = sparse.csc_matrix(arrays["J_regressor"])
    matrix.indices = matrix.indices + 10_000
    path = tmp_path / "bounds.pkl"
    path.write_bytes(pickle.dumps({**arrays, "J_regressor": matrix}))
    with pytest.raises(BodyModelError, match="indices outside of its shape"):
        BodyModel.load(path)


def test_npz_round_trip_keeps_the_hash_and_the_bytes(tmp_path, arrays):
    write_arrays(tmp_path / "a.npz", arrays)
    write_arrays(tmp_path / "b.npz", BodyModel.load(tmp_path / "a.npz").arrays)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    assert fingerprint(BodyModel.load(tmp_path / "a.npz").arrays) == BodyModel.default().hash
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.npz", "b.npz"]


def test_hash_sees_every_array(arrays):
    seen = {fingerprint(arrays)}
    for key in ("v_template", "shapedirs", "J_regressor", "weights", "f"):
        changed = arrays[key].copy()
        changed.flat[0] += 1
        seen.add(fingerprint({**arrays, key: changed}))
    assert len(seen) == 6


def test_posedirs_are_used_when_there_are_some(arrays):
    posedirs = np.zeros((len(arrays["v_template"]), 3, 207), np.float32)
    posedirs[7, 1, 9 * 3 + 5] = 0.1  # joint 4 (left knee), row 1, column 2
    body, pose = BodyModel({**arrays, "posedirs": posedirs}), torch.zeros(1, 72)
    pose[0, 3 * 4] = 0.5  # a turn about x: that entry of R is -sin(0.5)
    moved = body(torch.zeros(1, 10), pose).vertices - BodyModel(arrays)(torch.zeros(1, 10), pose).vertices
    assert moved[0, 7].norm() == pytest.approx(0.1 * np.sin(0.5), rel=1e-4)
    assert moved[0, :7].abs().max() < 1e-6 and body.hash != fingerprint(arrays)


def broken(arrays):
    few = {key: array for key, array in arrays.items() if key != "weights"}
    yield few, "lacks weights"
    yield {**arrays, "J_regressor": np.zeros((52, len(arrays["v_template"])))}, "52 joints"
    yield {**arrays, "shapedirs": arrays["shapedirs"][..., :4]}, "shapedirs"
    yield {**arrays, "weights": arrays["weights"] * 2}, "sum to 1"
    yield {**arrays, "f": arrays["f"] + 5}, "outside"
    yield {**arrays, "v_template": arrays["v_template"] * np.nan}, "finite"
    yield {**arrays, "posedirs": np.ones((len(arrays["v_template"]), 3, 9))}, "posedirs"
    tree = arrays["kintree_table"].copy()
    tree[0, 4] = 2
    yield {**arrays, "kintree_table": tree}, "kinematic tree"
    yield {**arrays, "J_regressor": np.zeros((55, len(arrays["v_template"])))}, "55 joints.* it is of SMPL-X"
    yield {**arrays, "v_template": arrays["v_template"] * 1e30}, "very large"
    yield {**arrays, "vert_sym_idxs": np.full(len(arrays["v_template"]), 10**6)}, "vert_sym_idxs points outside"
    nothing = np.zeros((0, 3), int)
    yield {**arrays, "f": nothing}, "no faces"
    for key in ("v_template", "shapedirs", "posedirs", "J_regressor", "weights", "kintree_table", "f"):
        for value in (np.float32(1), np.zeros(0), np.full(arrays[key].shape, "a"), arrays[key].astype(bool)):
            yield {**arrays, key: np.asarray(value)}, f"{key} has shape"


def test_malformed_bodies_are_named(arrays):
    for case, text in broken(arrays):
        with pytest.raises(BodyModelError, match=text) as caught:
            check_arrays(case, "a.npz")
        assert "\n" not in str(caught.value) and "smpl.is.tue.mpg.de" in str(caught.value)


def test_missing_and_damaged_files(tmp_path):
    with pytest.raises(BodyModelError, match=r"no body model at .*smpl\.is\.tue\.mpg\.de"):
        BodyModel.load(tmp_path / "absent.pkl")
    for name, content in (("empty.pkl", b""), ("text.pkl", b"hello"), ("cut.npz", b"PK\x03\x04rest")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(BodyModelError, match=name):
            read_arrays(tmp_path / name)


def test_write_into_nowhere(tmp_path, arrays):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError):
        write_arrays(tmp_path / "file" / "body.npz", arrays)
