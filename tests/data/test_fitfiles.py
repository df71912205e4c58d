"""Fits in files beside the data set: in step with the frames that are left, missing, wrong, and given twice."""

import csv
import shutil

import cv2
import numpy as np
import pytest

from meshgait.data.fitfiles import FitFiles
from meshgait.data.layouts import LAYOUTS, SequenceFolder
from meshgait.data.opengait import as_written
from meshgait.data.packing import PackOptions, pack_tree
from meshgait.data.store import Store
from meshgait.errors import ConfigError, DataError, StoreError, UnsafeFileError
from tests.data.trees import content, dump, frames, romp, rows, silhouettes

NAMES = ("1/nm-01/000", "1/nm-01/090", "2/nm-01/000")


def _aligner():
    return as_written


def _pack(root, dest, layout, workers=1, pattern="{subject}/{condition}/{view}.npz", keys="romp", **options):
    fits = FitFiles.of(str(root / "fits" / pattern), keys)
    options = PackOptions(**{"aligner": _aligner, "fits": {"body": "b"}, "fit_files": fits, **options})
    return pack_tree(root / layout, dest, LAYOUTS[layout], options, workers, progress=False)


@pytest.fixture
def root(tmp_path):
    """Three sequences of 4, 5 and 6 frames as pictures and as pickles, fits beside; the second has a black frame.

    The betas of frame t of sequence n are 10 n + t.
    """
    for number, name in enumerate(NAMES):
        count = 4 + number
        frames(tmp_path / "frames" / name, count, (60, 80))
        sils = silhouettes(count, seed=number)
        if number == 1:
            cv2.imwrite(str(tmp_path / "frames" / name / "003.png"), np.zeros((60, 80), np.uint8))
            sils[2] = 0
        dump(tmp_path / "opengait" / name / "sils.pkl", sils)
        romp(tmp_path / "fits" / f"{name}.npz", count, 10 * number)
    return tmp_path


@pytest.fixture(params=["frames", "opengait"])
def layout(request):
    return request.param


def _first_betas(store):
    return [store.smpl(index)["betas"][:, 0].tolist() for index in range(len(store.sequences))]


@pytest.mark.slow
def test_rows_stay_in_step_with_the_frames_that_are_left(layout, root, tmp_path):
    before = content(root / "fits")
    store = _pack(root, tmp_path / "one", layout)
    expected = [[0, 1, 2, 3], [10, 11, 13, 14], [20, 21, 22, 23, 24, 25]]
    assert _first_betas(store) == expected
    assert [row.frames for row in store.sequences] == [4, 4, 6]
    assert all(store.smpl(index)["valid"].all() for index in range(3))
    np.testing.assert_allclose(store.smpl(1)["poses"], np.full((4, 72), 0.1, np.float32))
    three = _pack(root, tmp_path / "three", layout, workers=3)
    assert content(three.path) == content(store.path)
    assert content(root / "fits") == before


def test_a_folder_with_a_file_a_frame(layout, root, tmp_path):
    """Names beyond nine, and an unreadable picture, which is a frame of the source too."""
    shutil.rmtree(root / "fits")
    for number, name in enumerate(NAMES):
        for step in range(4 + number):
            romp(root / "fits" / name / f"frame{step + 8}.npz", 1, 10 * number + step)
    expected = [[0, 1, 2, 3], [10, 11, 13, 14], [20, 21, 22, 23, 24, 25]]
    if layout == "frames":
        (root / "frames" / NAMES[0] / "001.png").write_bytes(b"?")
        expected[0] = [1, 2, 3]
    assert _first_betas(_pack(root, tmp_path / "s", layout, pattern="{subject}/{condition}/{view}")) == expected


def test_a_sequence_without_a_file_has_no_truth_and_is_counted(layout, root, tmp_path):
    (root / "fits" / f"{NAMES[1]}.npz").unlink()
    store = _pack(root, tmp_path / "s", layout, workers=2)
    lacking = store.smpl(1)
    assert not lacking.pop("valid").any()
    assert not any(array.any() for array in lacking.values())
    assert [row.frames for row in store.sequences] == [4, 4, 6]
    assert _first_betas(store)[2] == [20, 21, 22, 23, 24, 25]
    assert store.meta["packing"]["dropped"] == {
        "sequences": {},
        "frames": {"no figure": 1},
        "fits": {"no file of fits": 1},
    }
    with (store.path / "dropped.csv").open(newline="") as file:
        last = list(csv.DictReader(file))[-1]
    path = str(root / "fits" / f"{NAMES[1]}.npz")
    assert (last["folder"], last["reason"], last["detail"]) == (NAMES[1], "no file of fits", path)
    # nothing else is wrong with the third
    romp(root / "fits" / f"{NAMES[1]}.npz", 5)
    (root / "fits" / f"{NAMES[2]}.npz").unlink()
    shutil.rmtree(root / layout / NAMES[1])
    with pytest.raises(DataError, match=r"2/nm-01/000: no file of fits \(\S+2/nm-01/000\.npz\); .*--strict"):
        _pack(root, tmp_path / "t", layout, tolerance="none")
    shutil.rmtree(root / "fits")
    with pytest.raises(DataError, match=r"no sequence has a file.*fits/1/nm-01/000\.npz; mend the path of --fits"):
        _pack(root, tmp_path / "u", layout)
    assert not list(tmp_path.glob("u*"))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda path: romp(path, 5), r"has 6 frames, but \S+2/nm-01/000\.npz has 5 fits; fit it again"),
        (lambda path: path.write_bytes(b"?"), "has fits that cannot be read: .*no .npz file"),
        (lambda path: np.savez(path, poses=np.zeros((6, 72))), "has fits .* arrays poses, not smpl_thetas"),
    ],
)
def test_fits_that_do_not_go_with_their_frames_are_broken_sequences(spoil, message, layout, root, tmp_path):
    spoil(root / "fits" / f"{NAMES[2]}.npz")
    with pytest.raises(DataError, match=f"2/nm-01/000 {message}.*or pass --lenient") as caught:
        _pack(root, tmp_path / "s", layout)
    assert "\n" not in str(caught.value)
    # goes on behind the good ones
    store = _pack(root, tmp_path / "s", layout, tolerance="sequences")
    assert _first_betas(store) == [[0, 1, 2, 3], [10, 11, 13, 14]]
    assert store.meta["packing"]["dropped"]["sequences"] == {"broken sequence": 1}


def test_wrong_keys_are_said_before_anything_is_written(layout, root, tmp_path):
    for tolerance in ("frames", "sequences"):
        with pytest.raises(DataError, match=r"1/nm-01/000\.npz has the arrays .*smpl_thetas.*, not poses, betas"):
            _pack(root, tmp_path / "s", layout, keys="smpl", tolerance=tolerance)
    assert not list(tmp_path.glob("s*"))
    np.savez(root / "fits" / f"{NAMES[0]}.npz", smpl_thetas=np.array([None]), smpl_betas=np.zeros(10))
    with pytest.raises(UnsafeFileError, match="pickled Python object"):
        _pack(root, tmp_path / "s", layout, tolerance="sequences")
    for pattern, keys, text in (
        ("{subject}/{id}.npz", "romp", r"\{id\} is unknown"),
        ("{view}.npz", "romp", "is one file for everybody"),
        ("{subject}.npz", "romp2", "mapping of fits"),
    ):
        with pytest.raises(ConfigError, match=text):
            FitFiles.of(pattern, keys)


def test_what_contradicts_itself_is_refused(root, tmp_path):
    with pytest.raises(ConfigError, match="--fits needs --body"):
        _pack(root, tmp_path / "s", "frames", aligner=None)
    with pytest.raises(DataError, match="fits of a second sequence, 1/nm-01/090"):
        _pack(root, tmp_path / "s", "frames", pattern="{subject}/{condition}/000.npz")
    with pytest.raises(DataError, match="give their files by --fits"):
        _pack(root, tmp_path / "s", "frames", fit_files=None)
    dump(root / "opengait" / NAMES[2] / "smpls.pkl", rows(6))
    with pytest.raises(DataError, match="SMPL rows among its pickles, and --fits gives others"):
        _pack(root, tmp_path / "s", "opengait")
    assert not list(tmp_path.glob("s*"))
    assert _first_betas(_pack(root, tmp_path / "s", "opengait", files="sils*"))[0] == [0, 1, 2, 3]


def test_rows_that_show_up_late_are_refused_too(root, tmp_path, monkeypatch):
    monkeypatch.setattr("meshgait.data.packing.PROBED", 1)
    dump(root / "opengait" / NAMES[2] / "smpls.pkl", rows(6))
    for workers in (1, 2):
        with pytest.raises(DataError, match="opengait/2/nm-01/000 has SMPL rows among its pickles"):
            _pack(root, tmp_path / "s", "opengait", workers, tolerance="sequences")


def test_a_stopped_run_goes_on_with_the_same_fits_only(layout, root, tmp_path):
    (root / "fits" / f"{NAMES[0]}.npz").unlink()
    whole = _pack(root, tmp_path / "whole", layout)
    good = (root / "fits" / f"{NAMES[2]}.npz").read_bytes()
    romp(root / "fits" / f"{NAMES[2]}.npz", 2)
    with pytest.raises(DataError, match="has 2 fits"):
        _pack(root, tmp_path / "s", layout)
    (root / "fits" / f"{NAMES[2]}.npz").write_bytes(good)
    shutil.copytree(root / "fits", root / "fits/again")
    for other in (
        {"pattern": "again/{subject}/{condition}/{view}.npz"},
        {"keys": "pose=smpl_thetas,betas=smpl_betas"},
        {"fits": {"body": "c"}},
    ):
        with pytest.raises(StoreError, match="other settings"):
            _pack(root, tmp_path / "s", layout, **other)
    # also what the first run noted of the first sequence is kept
    store = _pack(root, tmp_path / "s", layout, keys="pose=smpl_thetas,betas=smpl_betas,camera=cam")
    assert content(store.path) == content(whole.path)
    assert Store(store.path).meta["packing"]["dropped"]["fits"] == {"no file of fits": 1}


def test_names_that_look_like_placeholders():
    fits = FitFiles.of("{subject}/{condition}-{view}/{subject}.pkl", "smpl")
    assert str(fits.path(SequenceFolder("{view}", "nm-01", "\\1", "f"))) == "{view}/nm-01-\\1/{view}.pkl"
