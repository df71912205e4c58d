"""Recordings written as AMASS writes them: what is read back, and which parts are walks."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from meshgait.errors import DataError, UnsafeFileError
from meshgait.synthetic.recordings import find_walks, read_recording
from tests.synthetic.amass import RATE, save, walk


@pytest.fixture(scope="module")
def walked(renderer):
    return walk(renderer.skin(0).figure)


@pytest.mark.parametrize("kind", ["smplh", "smplx"])
@pytest.mark.parametrize("heading", [0, 130])
def test_reads_back_with_y_up(tmp_path, walked, kind, heading):
    local, path = walked
    recording = read_recording(save(tmp_path / "a.npz", local, path, heading, kind=kind))
    turn = Rotation.from_euler("y", heading, degrees=True)
    assert recording.rate == RATE and recording.turns.shape == (len(path), 22, 3)
    root = Rotation.from_rotvec(recording.turns[:, 0])
    assert (root.inv() * turn * Rotation.from_matrix(local[:, 0])).magnitude().max() < 1e-6
    knees = Rotation.from_rotvec(recording.turns[:, 4]).as_matrix()
    np.testing.assert_allclose(knees, local[:, 4], atol=1e-9)
    np.testing.assert_allclose(np.diff(recording.path, axis=0), np.diff(turn.apply(path), axis=0), atol=1e-9)


@pytest.mark.parametrize(
    "change",
    [
        {"poses": np.zeros((9, 216))},  # matrices of 24 joints, which are not axis-angle
        {"poses": np.full((9, 72), "a")},
        {"root_orient": np.zeros((9, 3)), "pose_body": np.full((9, 63), "a" * 1000)},
        {"trans": np.zeros((8, 3))},
        {"mocap_framerate": np.zeros(3)},
        {"mocap_framerate": np.array("60")},
    ],
)
def test_what_is_no_recording_is_refused(tmp_path, change):
    arrays = {"poses": np.zeros((9, 72)), "trans": np.zeros((9, 3)), "mocap_framerate": np.array([[60.0]])}
    np.savez(tmp_path / "a.npz", **arrays)
    assert read_recording(tmp_path / "a.npz").rate == 60
    np.savez(tmp_path / "a.npz", **arrays | change)
    with pytest.raises(DataError, match=r"a\.npz: .*; (leave it out|give)") as caught:
        read_recording(tmp_path / "a.npz")
    assert str(caught.value).isprintable()


def test_a_world_with_y_up_stays(tmp_path, walked):
    local, path = walked
    turns = Rotation.from_matrix(local.reshape(-1, 3, 3)).as_rotvec().reshape(len(local), 72)
    np.savez(tmp_path / "a.npz", poses=turns, trans=path, mocap_framerate=60)
    recording = read_recording(tmp_path / "a.npz")
    np.testing.assert_allclose(recording.path, path)
    np.testing.assert_allclose(recording.turns.reshape(len(path), 66), turns[:, :66])


def found(tmp_path, local, path, least=1.2, **how):
    return find_walks(read_recording(save(tmp_path / "a.npz", local, path, **how)), least)


def test_a_straight_walk_is_one_stretch(tmp_path, walked):
    walks, _ = found(tmp_path, *walked, heading=77)
    assert len(walks) == 1 and walks[0][0] < 0.1 and walks[0][1] > 3.8


def test_standing_before_and_after_is_left_out(tmp_path, walked):
    local, path = walked
    still = round(3 * RATE)
    local, path = (
        np.concatenate([np.repeat(x[[0]], still, axis=0), x, np.repeat(x[[-1]], still, axis=0)])
        for x in (local, path)
    )
    walks, _ = found(tmp_path, local, path)
    assert len(walks) == 1
    begin, end = walks[0]
    assert 2.5 < begin < 3.5 and 6.5 < end < 7.5


def test_a_corner_parts_two_walks(tmp_path, walked):
    local, path = walked
    corner = Rotation.from_euler("y", 90, degrees=True)
    second = local.copy()
    second[:, 0] = corner.as_matrix() @ local[:, 0]
    after = corner.apply(path - path[0]) + path[-1]
    walks, _ = found(tmp_path, np.concatenate([local, second]), np.concatenate([path, after]))
    assert len(walks) == 2
    assert walks[0][1] < 4.1 and walks[1][0] > 3.9


def in_a_circle(local, path):
    """The same walk on a circle of 1.2 m."""
    angle = (path[:, 2] - path[0, 2]) / 1.2
    local = local.copy()
    local[:, 0] = Rotation.from_euler("y", angle[:, None]).as_matrix() @ local[:, 0]
    return local, np.stack([1.2 * (1 - np.cos(angle)), path[:, 1], 1.2 * np.sin(angle)], axis=1)


def turned_aside(local, path):
    local = local.copy()
    local[:, 0] = Rotation.from_euler("y", 90, degrees=True).as_matrix() @ local[:, 0]
    return local, path


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda local, path: (local[:100], path[:100]), "too short"),
        (lambda local, path: (local, path * [1, 1, 0.2]), "not 1.2 s at 0.5 to 1.8 m/s"),
        (lambda local, path: (local, path * [1, 1, 3.0]), "not 1.2 s at 0.5 to 1.8 m/s"),
        (turned_aside, "sideways, backwards or bent"),
        (lambda local, path: (local, path * [1, 1, -1]), "sideways, backwards or bent"),
        (in_a_circle, "in curves"),
        (lambda local, path: (np.repeat(local[[9]], len(path), axis=0), path), "without steps"),
    ],
)
def test_what_is_no_straight_walk_is_skipped_with_its_reason(tmp_path, walked, change, reason):
    assert found(tmp_path, *change(*walked)) == ([], reason)


def test_longer_walks_than_there_are(tmp_path, walked):
    assert found(tmp_path, *walked, least=10.0) == ([], "too short")


def test_wrong_files_are_named(tmp_path, walked):
    local, path = walked
    good = dict(np.load(save(tmp_path / "a.npz", local, path), allow_pickle=False))
    cases = {
        "lacks poses": {key: good[key] for key in good if key != "trans"},
        r"poses \(480, 60\)": {**good, "poses": good["poses"][:, :60]},
        r"trans \(479, 3\)": {**good, "trans": good["trans"][1:]},
        "not finite": {**good, "trans": good["trans"] * np.nan},
        "rate 0.0": {**good, "mocap_framerate": np.array(0.0)},
        "mocap_framerate is <U4": {**good, "mocap_framerate": np.array("fast")},
    }
    for text, arrays in cases.items():
        np.savez(tmp_path / "b.npz", **arrays)
        with pytest.raises(DataError, match=text) as caught:
            read_recording(tmp_path / "b.npz")
        assert "\n" not in str(caught.value) and "b.npz" in str(caught.value)
    np.savez(tmp_path / "c.npz", **{**good, "poses": np.array([None, 1], dtype=object)})
    with pytest.raises(UnsafeFileError, match="plain arrays"):
        read_recording(tmp_path / "c.npz")
    (tmp_path / "d.npz").write_bytes((tmp_path / "a.npz").read_bytes()[:2000])
    with pytest.raises(DataError, match="truncated"):
        read_recording(tmp_path / "d.npz")
    with pytest.raises(DataError, match="does not exist"):
        read_recording(tmp_path / "e.npz")
