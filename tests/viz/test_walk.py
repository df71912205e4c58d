from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from meshgait.errors import OutputError
from meshgait.viz.palette import PAPER
from meshgait.viz.panels import PanelRow, row_pictures
from meshgait.viz.sheets import GAP, HEAD
from meshgait.viz.walk import save_animation, walk_frames

FACES = np.array([[0, 1, 2], [0, 2, 3], [0, 3, 1], [1, 3, 2]])


def row(seed, known=True):
    rng = np.random.default_rng(seed)
    points, vertices = rng.uniform(5, 39, (30, 3)), rng.uniform(5, 39, (4, 3))
    truth = (points + 1, vertices + 1) if known else (None, None)
    return PanelRow(
        (rng.random((64, 44)) > 0.5).astype(float), rng.random((30, 4, 8, 6)), points, vertices, *truth
    )


@pytest.mark.parametrize(("known", "count"), [(True, 7), (False, 6)])
def test_a_frame_shows_all_parts_side_by_side(known, count):
    rows = [row(0, known), row(1, known)]
    pictures = walk_frames(rows, FACES, 96)
    width = 66
    assert {p.shape for p in pictures} == {(HEAD + 96, count * (width + GAP) - GAP, 3)}
    for picture, one in zip(pictures, rows, strict=True):
        parts = row_pictures(one, FACES, (96, width), sides=False)
        for column, part in enumerate(parts):
            left = column * (width + GAP)
            np.testing.assert_array_equal(picture[HEAD:, left : left + width], part)
        assert len(parts) == count


def test_columns_are_named():
    (picture,) = walk_frames([row(0)], FACES, 96)
    head = np.abs(picture[:HEAD].astype(int) - PAPER).sum(-1) > 100
    assert all(head[:, 70 * column : 70 * column + 66].any() for column in range(7))


def test_the_animation_plays_all_frames_at_its_pace(tmp_path):
    pictures = [np.full((20, 30, 3), 10 * k, np.uint8) for k in range(5)]
    save_animation(pictures, tmp_path / "new" / "walk.gif", fps=12.5)
    with Image.open(tmp_path / "new" / "walk.gif") as file:
        assert (file.n_frames, file.info["duration"], file.info["loop"]) == (5, 80, 0)
        for number, picture in enumerate(pictures):
            file.seek(number)
            assert np.abs(np.asarray(file.convert("RGB")).astype(int) - picture).max() <= 8
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["walk.gif"]


def test_a_place_that_cannot_be_written_is_told(tmp_path):
    Path(tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"walk\.gif"):
        save_animation([np.zeros((4, 4, 3), np.uint8)], tmp_path / "file" / "walk.gif")
