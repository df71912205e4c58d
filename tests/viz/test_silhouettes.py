"""Montage and GIF: what is drawn is what was given."""

import numpy as np
import pytest
from PIL import Image

from meshgait.errors import OutputError
from meshgait.viz.silhouettes import LABEL_WIDTH, montage, save_gif, save_png


def silhouettes(count: int, seed: int = 0) -> np.ndarray:
    return (np.random.default_rng(seed).random((count, 64, 44)) > 0.5).astype(np.uint8) * 255


def test_montage_shows_each_silhouette():
    rows = [silhouettes(3), silhouettes(2, 1)]
    picture = np.asarray(montage(rows, ["first", "second"], scale=2))
    assert picture.shape == (2 * 130, LABEL_WIDTH + 3 * 90)
    assert np.array_equal(picture[130:258:2, LABEL_WIDTH + 90 : LABEL_WIDTH + 178 : 2], rows[1][1])
    plain = np.asarray(montage(rows, scale=1, gap_every=2))
    assert np.array_equal(plain[:64, 2 * 46 + 6 : 2 * 46 + 6 + 44], rows[0][2])


def test_png_and_gif_are_written_whole(tmp_path):
    save_png(montage([silhouettes(2)]), tmp_path / "deep" / "a.png")
    assert Image.open(tmp_path / "deep" / "a.png").size == (180, 130)
    save_gif([silhouettes(5), silhouettes(4, 1)], tmp_path / "a.gif", fps=25, scale=1)
    gif = Image.open(tmp_path / "a.gif")
    assert gif.n_frames == 4
    assert gif.size == (88, 64)
    assert gif.info["duration"] == 40
    gif.seek(2)
    assert np.array_equal(np.asarray(gif.convert("L"))[:, :44], silhouettes(5)[2])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.gif", "deep"]


def test_unwritable_place(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        save_png(montage([silhouettes(1)]), tmp_path / "file" / "a.png")
