"""Fits of every make are written here from known rotations, and must read back as these."""

import pickle
import re
import shlex
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from meshgait.data.fits import PRESETS, parse_mapping, read_fits
from meshgait.errors import ConfigError, DataError, UnsafeFileError

T = 5


@pytest.fixture(scope="module")
def truth():
    """(camera, pose, betas) of T frames; angles below pi, so that axis-angle is unique."""
    rng = np.random.default_rng(3)
    pose = Rotation.random(T * 24, random_state=1).as_rotvec().reshape(T, 72)
    return rng.normal(size=(T, 3)), pose, rng.normal(size=(T, 10))


def matrices(pose: np.ndarray) -> np.ndarray:
    return Rotation.from_rotvec(pose.reshape(-1, 3)).as_matrix().reshape(len(pose), -1, 3, 3)


def expect(rows, truth, joints=24):
    camera, pose, betas = truth
    assert rows.shape == (len(pose), 85) and rows.dtype == np.float32
    np.testing.assert_allclose(rows[:, :3], camera, atol=1e-6)
    np.testing.assert_allclose(rows[:, 3 : 3 + 3 * joints], pose[:, : 3 * joints], atol=1e-5)
    assert (rows[:, 3 + 3 * joints : 75] == 0).all()
    np.testing.assert_allclose(rows[:, 75:], betas, atol=1e-6)


def test_axis_angle_as_romp_names_it(tmp_path, truth):
    camera, pose, betas = truth
    for thetas in (pose, pose.reshape(T, 24, 3), pose.astype(np.float32)):
        np.savez(tmp_path / "a.npz", smpl_thetas=thetas, smpl_betas=betas, cam=camera, verts=np.zeros((T, 9, 3)))
        expect(read_fits(tmp_path / "a.npz", "romp"), truth)
        expect(read_fits(tmp_path / "a.npz", parse_mapping(PRESETS["romp"])), truth)


def test_matrices_as_hmr2_names_them(tmp_path, truth):
    camera, pose, betas = truth
    turns = matrices(pose)
    names = {"global_orient": turns[:, :1], "body_pose": turns[:, 1:], "betas": betas}
    np.savez(tmp_path / "a.npz", pred_cam=camera, **{f"pred_smpl_params/{k}": v for k, v in names.items()})
    expect(read_fits(tmp_path / "a.npz", "hmr2"), truth)
    # the same as nested dicts in a pickle of arrays
    content = {"pred_cam": camera, "pred_smpl_params": names}
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(content))
    expect(read_fits(tmp_path / "a.pkl", "hmr2"), truth)
    # a root without an axis of joints, flat bodies, half precision
    np.savez(
        tmp_path / "b.npz", g=turns[:, 0].astype(np.float16), b=turns[:, 1:].reshape(T, 207), s=betas, c=camera
    )
    rows = read_fits(tmp_path / "b.npz", "pose=g+b, betas=s, camera=c")
    np.testing.assert_allclose(rows[:, 6:75], pose[:, 3:], atol=1e-5)
    near = Rotation.from_rotvec(rows[:, 3:6]) * Rotation.from_rotvec(pose[:, :3]).inv()
    assert near.magnitude().max() < 2e-3


@pytest.mark.parametrize("layout", ["columns", "interleaved", "rows"])
def test_six_numbers_in_each_arrangement(tmp_path, truth, layout):
    camera, pose, betas = truth
    turns = matrices(pose)
    six = {
        "columns": np.concatenate([turns[..., 0], turns[..., 1]], axis=-1),
        "interleaved": turns[..., :2].reshape(T, 24, 6),
        "rows": np.concatenate([turns[..., 0, :], turns[..., 1, :]], axis=-1),
    }[layout]
    stretched = six * np.array([2.0])  # networks do not give unit vectors
    for pose6 in (stretched, stretched.reshape(T, 144)):
        np.savez(tmp_path / "a.npz", p=pose6, b=betas, c=camera)
        expect(read_fits(tmp_path / "a.npz", f"pose=p,betas=b,camera=c,six={layout}"), truth)
    with pytest.raises(DataError, match="six=columns"):
        read_fits(tmp_path / "a.npz", "pose=p,betas=b")


@pytest.mark.parametrize("joints", [22, 52, 55])
def test_bodies_with_fingers_keep_their_body(tmp_path, truth, joints):
    """SMPL's last two joints, the hands, are not those of SMPL-H and SMPL-X: they are left straight."""
    _, pose, betas = truth
    whole = np.concatenate([pose[:, :66], np.full((T, 3 * (joints - 22)), 0.7)], axis=1)
    np.savez(tmp_path / "a.npz", poses=whole, betas=np.concatenate([betas[0], np.ones(6)]))
    rows = read_fits(tmp_path / "a.npz", "pose=poses,betas=betas,shape=smpl")
    expect(rows, (np.zeros((T, 3)), pose, np.tile(betas[0], (T, 1))), joints=22)
    if joints == 52:  # SMPL-H has SMPL's shapes
        np.testing.assert_array_equal(read_fits(tmp_path / "a.npz", "smpl"), rows)


@pytest.mark.parametrize(
    ("extra", "sign"),
    [
        ({"expression": np.zeros((T, 10))}, "has expression, so it is of SMPL-X"),
        ({"smplx_lhand_pose": np.zeros((T, 45))}, "has smplx_lhand_pose, so"),
        ({"surface_model_type": np.array("smplx")}, "says in surface_model_type that it is of SMPL-X"),
        ({"surface_model_type": np.array(b"SMPL-X")}, "of SMPL-X"),
        ({"model_type": np.array("star")}, "of STAR"),
        ({"gender": np.array("female")}, "says in gender that it is of the female SMPL"),
        ({"genders": np.array(["neutral", "m"])}, "of the male SMPL"),
        ({"surface_model_type": np.array("smplh"), "gender": np.array("neutral")}, ""),
        ({"gender": np.array(None)}, ""),  # an object, which is not read
        ({"gender": np.zeros(3), "model_type": np.array("resnet")}, ""),
    ],
)
@pytest.mark.parametrize("form", ["npz", "pkl"])
def test_signs_of_another_shape_space(tmp_path, truth, extra, sign, form):
    _, pose, betas = truth
    arrays, path = {"poses": pose, "betas": betas, **extra}, tmp_path / f"a.{form}"
    if form == "npz":
        np.savez(path, **arrays)
    else:  # pickles hold texts, and arrays of numbers
        arrays = {key: value.tolist() if value.dtype.kind in "USO" else value for key, value in arrays.items()}
        path.write_bytes(pickle.dumps(arrays))
    if sign:
        with pytest.raises(DataError, match=rf"a\.{form} .*{sign}.*add shape=mean"):
            read_fits(path, "smpl")
        keys = "pose=poses,betas=betas,shape=smpl"
    else:
        keys = "smpl"
    np.testing.assert_allclose(read_fits(path, keys)[:, 75:], betas, atol=1e-6)


def test_names_of_nested_dicts_stay_short(tmp_path):
    """A file of a few bytes may name the same dict in a dict, and a long name, again and again."""
    content = {"poses": [1.0]}
    for _ in range(30):
        content = {"n" * 1000: content, "m": content}
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(content))
    with pytest.raises(DataError, match="names the same content so often"):
        read_fits(tmp_path / "a.pkl", "smpl")
    for value in (["a" * 10_000, *["b"] * 1000], [[1], [1, 2]], "text", [2**80]):
        (tmp_path / "a.pkl").write_bytes(pickle.dumps({"poses": value, "betas": [1.0] * 10}))
        with pytest.raises(DataError, match="name arrays of the file"):
            read_fits(tmp_path / "a.pkl", "smpl")


@pytest.mark.parametrize("change", ["55 joints", "body of 21", "expression", "nested"])
def test_betas_of_another_shape_space_are_not_taken_for_smpls(tmp_path, truth, change):
    _, pose, betas = truth
    arrays, keys = {"poses": pose, "betas": betas}, "pose=poses,betas=betas"
    if change == "55 joints":
        arrays["poses"] = np.concatenate([pose[:, :66], np.zeros((T, 99))], axis=1)
    elif change == "body of 21":
        arrays = {"root": pose[:, :3], "body": pose[:, 3:66], "betas": betas}
        keys = "pose=root+body,betas=betas"
    else:
        arrays["expression"] = np.zeros((T, 10))
    path = tmp_path / "a.npz"
    if change == "nested":
        path, keys = tmp_path / "a.pkl", "pose=p/poses,betas=p/betas"
        path.write_bytes(pickle.dumps({"p": arrays}))
    else:
        np.savez(path, **arrays)
    with pytest.raises(DataError, match=r"SMPL-X; its betas are of another shape space: add shape=mean"):
        read_fits(path, keys)
    rows = read_fits(path, f"{keys},shape=mean")
    assert not rows[:, 75:].any()
    np.testing.assert_allclose(read_fits(path, f"{keys},shape=smpl")[:, 75:], betas, atol=1e-6)
    np.testing.assert_allclose(rows[:, 3:69], pose[:, :66], atol=1e-6)


def test_a_folder_of_frames(tmp_path, truth):
    """A file a frame, in natural order; the first person counts, and nobody makes a frame without a fit."""
    camera, pose, betas = truth
    for i in range(T):
        people = 1 + i % 2
        np.savez(
            tmp_path / f"frame_{i + 8}.npz",
            smpl_thetas=np.stack([pose[i], np.zeros(72)])[:people],
            smpl_betas=np.stack([betas[i], np.zeros(10)])[:people],
            cam=np.stack([camera[i], np.zeros(3)])[:people],
        )
    expect(read_fits(tmp_path, "romp"), truth)
    np.savez(
        tmp_path / "frame_1.npz", smpl_thetas=np.zeros((0, 72)), smpl_betas=np.zeros((0, 10)), cam=np.zeros((0, 3))
    )
    rows = read_fits(tmp_path, "romp")
    assert len(rows) == T + 1 and np.isnan(rows[0]).all()
    expect(rows[1:], truth)


def test_what_is_no_rotation_is_not_finite(tmp_path, truth):
    _, pose, betas = truth
    turns = matrices(pose)
    turns[1, 7] *= 3
    turns[2, 0] = np.nan
    turns[3, 5] = np.diag([1, 1, -1])  # a mirror image
    np.savez(tmp_path / "a.npz", p=turns, b=betas)
    rows = read_fits(tmp_path / "a.npz", "pose=p,betas=b")
    assert np.isfinite(rows).all(axis=1).tolist() == [True, False, False, False, True]
    np.savez(tmp_path / "b.npz", p=np.zeros((T, 24, 3, 3)), b=betas)
    with pytest.raises(DataError, match="no rotation matrices"):
        read_fits(tmp_path / "b.npz", "pose=p,betas=b")


@pytest.mark.slow
def test_python_objects_are_refused_with_a_remedy_that_works(tmp_path, truth):
    camera, pose, betas = truth
    names = ("smpl_thetas", "smpl_betas", "cam")
    whole = dict(zip(names, (pose, betas, camera), strict=True))
    # two people in every frame, of whom the first counts
    frames = {f"{i}.jpg": {k: np.stack([v[i], 0 * v[i]]) for k, v in whole.items()} for i in range(T)}
    lists = {name: [{k: v[0] for k, v in frame.items()}] for name, frame in frames.items()}
    for number, results in enumerate((whole, [whole, {}], frames, lists)):
        path = tmp_path / f"her 'video' \"{number}\".npz"
        np.savez(path, results=np.array(results, dtype=object) if isinstance(results, dict) else results)
        with pytest.raises(UnsafeFileError, match=r"results is a pickled Python object.*np\.savez") as caught:
            read_fits(path, "romp")
        assert "\n" not in str(caught.value)
        command = shlex.split(re.search(r"python -c .*", str(caught.value))[0])  # the message's own words
        subprocess.run([sys.executable, *command[1:]], check=True)
        expect(read_fits(path.with_name(f"{path.stem}_plain.npz"), "romp"), truth)


def test_errors_say_what_to_do(tmp_path, truth):
    _, pose, betas = truth
    path = tmp_path / "a.npz"
    np.savez(path, p=pose, b=betas, few=betas[:3], short=betas[:, :4], odd=np.zeros((T, 70)), part=pose[:, 3:],
             text=np.array(["x"]), c2=np.zeros((T, 2)), p3=pose[:3])  # fmt: skip
    for mapping, text in (
        ("pose=thetas,betas=b", r"has the arrays p, b, .*not thetas; name arrays"),
        ("pose=odd,betas=b", r"odd is \(5, 70\); rotations are"),
        ("pose=part,betas=b", "23 rotations a frame.*join root and body"),
        ("pose=p+p3,betas=b", "differ in their number of frames"),
        ("pose=p,betas=few", r"few is \(3, 10\), not \(5, 10\)"),
        ("pose=p,betas=short", r"short is \(5, 4\)"),
        ("pose=p,betas=text", "not an array of numbers"),
        ("pose=p,betas=b,camera=c2", r"c2 is \(5, 2\), not \(5, 3\).*leave the camera out"),
    ):
        with pytest.raises(DataError, match=text) as caught:
            read_fits(path, mapping)
        assert "\n" not in str(caught.value) and str(path) in str(caught.value)
    for mapping in (
        "",
        "pose",
        "pose=p",
        "pose=p,betas=b,pose=q",
        "pose=p,betas=b,colour=c",
        "ROMP",
        "pose=,betas=b",
    ):
        with pytest.raises(ConfigError, match="romp, hmr2, smpl"):
            read_fits(path, mapping)
    with pytest.raises(ConfigError, match="six=zhou"):
        parse_mapping("pose=p,betas=b,six=zhou")


def test_damaged_files(tmp_path, truth):
    _, pose, betas = truth
    np.savez(tmp_path / "a.npz", poses=pose, betas=betas)
    whole = (tmp_path / "a.npz").read_bytes()
    (tmp_path / "cut.npz").write_bytes(whole[:900])
    (tmp_path / "text.npz").write_bytes(b"hello")
    with zipfile.ZipFile(tmp_path / "zip.npz", "w") as archive:
        archive.writestr("poses.npy", b"no header")
        archive.writestr("betas.npy", b"no header")
    (tmp_path / "list.pkl").write_bytes(pickle.dumps([1, 2]))
    (tmp_path / "empty").mkdir()
    for name, text in (
        ("cut.npz", "truncated or no .npz"),
        ("text.npz", "truncated or no .npz"),
        ("zip.npz", "truncated or no .npz"),
        ("absent.npz", "does not exist"),
        ("list.pkl", r"has the arrays \(none\)"),
        ("empty", "no .npz or .pkl files"),
    ):
        with pytest.raises(DataError, match=text):
            read_fits(tmp_path / name, "smpl")
