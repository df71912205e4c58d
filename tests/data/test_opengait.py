"""Folders of pickles: modalities told by shape and type, cut, aligned, and what is refused."""

import os

import numpy as np
import pytest

from meshgait.data.frames import NO_FIGURE, NO_FRAME, FrameOptions
from meshgait.data.loaded_sequence import BrokenSequence, Dropped
from meshgait.data.opengait import as_written, read_pickles
from meshgait.data.silhouettes import normalise
from meshgait.errors import UnsafeFileError
from tests.data.trees import dump, rows, silhouettes


class Evil:
    """Runs a command when it is unpickled by the ordinary rules."""

    def __init__(self, command):
        self.command = command

    def __reduce__(self):
        return os.system, (self.command,)


@pytest.mark.parametrize(
    ("shape", "size", "columns"),
    [
        ((64, 64), (64, 44), slice(10, 54)),
        ((64, 44), (64, 44), slice(None)),
        ((128, 128), (128, 88), slice(20, 108)),
        ((128, 88), (128, 88), slice(None)),
    ],
)
def test_squares_are_cut_and_the_rest_is_kept(tmp_path, shape, size, columns):
    array = silhouettes(3, shape)
    dump(tmp_path / "000.pkl", array)
    take = read_pickles(tmp_path, FrameOptions(size))
    np.testing.assert_array_equal(take.silhouettes, array[:, :, columns])
    assert (take.drops, take.rows, take.fits) == ((), None, None)


def test_modalities_are_told_by_what_they_are(tmp_path):
    array, fits = silhouettes(), rows()
    parsing = np.random.default_rng(1).integers(0, 12, (3, 64, 64), dtype=np.uint8)
    # names that would tell wrongly
    for name, content in {
        "a": parsing,
        "smpls": array,
        "sils": fits,
        "d": np.ones((3, 2)),
        "e": fits[:, :51],
    }.items():
        dump(tmp_path / f"{name}.pkl", content)
    take = read_pickles(tmp_path)
    np.testing.assert_array_equal(take.silhouettes, array[:, :, 10:54])
    np.testing.assert_array_equal(take.rows, fits)
    # of two, the one of the wanted height; of equal ones, the one that is named
    dump(tmp_path / "raw.pkl", silhouettes(3, (128, 128), 5))
    np.testing.assert_array_equal(read_pickles(tmp_path).silhouettes, array[:, :, 10:54])
    dump(tmp_path / "raw.pkl", silhouettes(3, (64, 64), 5))
    with pytest.raises(BrokenSequence, match=r"several files that may be.*raw\.pkl.*--files"):
        read_pickles(tmp_path)
    np.testing.assert_array_equal(read_pickles(tmp_path, files="smpl*").silhouettes, array[:, :, 10:54])


def test_frames_without_a_figure_go_with_their_rows(tmp_path):
    array, fits = silhouettes(4), rows(4)
    array[1] = 0
    array[2, :, 10:54] = 0  # what is left of it is cut off
    dump(tmp_path / "a.pkl", array)
    dump(tmp_path / "b.pkl", fits)
    seen = []
    take = read_pickles(tmp_path, align=lambda r, s: seen.append((r, s)) or as_written(r, s))
    np.testing.assert_array_equal(take.silhouettes, array[[0, 3], :, 10:54])
    assert take.drops == (Dropped("frame 1", NO_FIGURE), Dropped("frame 2", NO_FIGURE))
    np.testing.assert_array_equal(seen[0][0], fits[[0, 3]])
    np.testing.assert_array_equal(seen[0][1], take.silhouettes)
    np.testing.assert_array_equal(take.fits.cameras, fits[[0, 3], :3])
    np.testing.assert_array_equal(take.fits.poses, fits[[0, 3], 3:75])
    np.testing.assert_array_equal(take.fits.betas, fits[[0, 3], 75:])
    assert take.fits.valid.tolist() == [True, True]
    dump(tmp_path / "a.pkl", np.zeros_like(array))
    assert read_pickles(tmp_path).silhouettes is None
    assert read_pickles(tmp_path).drops[-1].reason == NO_FRAME


def test_rows_of_zeros_are_no_fits():
    fits = as_written(np.concatenate([rows(1), np.zeros((1, 85))]), silhouettes(2))
    assert fits.valid.tolist() == [True, False]


@pytest.mark.parametrize("as_type", [bool, np.uint8])
def test_masks_of_zero_and_one(tmp_path, as_type):
    mask = silhouettes() > 127
    dump(tmp_path / "a.pkl", mask.astype(as_type))
    np.testing.assert_array_equal(read_pickles(tmp_path).silhouettes, mask[:, :, 10:54] * np.uint8(255))


def test_a_list_of_frames(tmp_path):
    array = silhouettes()
    dump(tmp_path / "a.pkl", list(array))
    np.testing.assert_array_equal(read_pickles(tmp_path).silhouettes, array[:, :, 10:54])


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, r"no file that fits \*\.pkl"),
        ({"a": silhouettes().astype(float)}, r"no silhouettes: they are uint8 \(T, h, w\), found a\.pkl float64"),
        ({"a": silhouettes()[0]}, r"no silhouettes.*\(64, 64\)"),
        ({"a": silhouettes(3), "b": rows(2)}, r"unequal length \(a\.pkl 3, b\.pkl 2\)"),
        (
            {"a": silhouettes(3) // 20},
            r"has a\.pkl, which holds masks of several classes \(values 0, 1, .*labels.*--person",
        ),
        ({"a": silhouettes(3), "b": rows(3), "c": rows(3)}, r"several files of SMPL rows \(b\.pkl, c\.pkl\)"),
        ({"a": silhouettes(3), "b": rows(3) * np.float32(np.nan)}, "nan or inf"),
        ({"a": silhouettes(3), "b": {"x": 1}}, r"b\.pkl, a dict and no array"),
        ({"a": silhouettes(3), "b": np.float64(3)}, r"b\.pkl, a float64 and no array"),
        ({"a": [silhouettes()[0], silhouettes()[0, 1:]]}, "a list and no array"),
    ],
)
def test_what_is_not_as_it_should_be(tmp_path, files, message):
    for name, content in files.items():
        dump(tmp_path / f"{name}.pkl", content)
    with pytest.raises(BrokenSequence, match=message):
        read_pickles(tmp_path)


def test_damaged_and_missing_files(tmp_path):
    dump(tmp_path / "a.pkl", silhouettes())
    (tmp_path / "a.pkl").write_bytes((tmp_path / "a.pkl").read_bytes()[:500])
    with pytest.raises(BrokenSequence, match=r"a\.pkl is (truncated|damaged)"):
        read_pickles(tmp_path)
    with pytest.raises(BrokenSequence, match="cannot be read"):
        read_pickles(tmp_path / "none")


def test_code_is_refused_by_name_and_not_run(tmp_path):
    dump(tmp_path / "a.pkl", silhouettes())
    dump(tmp_path / "b.pkl", Evil(f"touch {tmp_path / 'ran'}"))
    with pytest.raises(UnsafeFileError, match=r"b\.pkl is refused.*--files"):
        read_pickles(tmp_path)
    assert not (tmp_path / "ran").exists()
    assert len(read_pickles(tmp_path, files="a*").silhouettes) == 3


@pytest.mark.parametrize("shape", [(128, 128), (100, 70)])
def test_other_sizes_are_cropped_which_is_said(tmp_path, shape):
    array = silhouettes(3, shape)
    dump(tmp_path / "a.pkl", array)
    take = read_pickles(tmp_path)
    black_and_white = np.where(array > 127, 255, 0).astype(np.uint8)
    np.testing.assert_array_equal(take.silhouettes, [normalise(frame)[0] for frame in black_and_white])
    assert f"cropped from {shape[0]} x {shape[1]} pixels" in take.figure
