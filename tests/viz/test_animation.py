import io

import numpy as np
import pytest
from PIL import Image

from meshgait.viz.animation import animated_png


@pytest.mark.parametrize("shape", [(12, 20), (12, 20, 3)])
def test_all_pictures_come_back_in_order_and_time(shape):
    pictures = [np.full(shape, 40 * number, np.uint8) for number in range(5)]
    for number, picture in enumerate(pictures):
        picture[:6, : 4 * (number + 1)] = 250
    file = Image.open(io.BytesIO(animated_png(pictures, fps=20)))
    assert (file.format, file.n_frames, file.info["duration"], file.info["loop"]) == ("PNG", 5, 50, 0)
    for number, picture in enumerate(pictures):
        file.seek(number)
        seen = np.asarray(file.convert("RGB"))
        expected = picture if picture.ndim == 3 else picture[..., None].repeat(3, axis=2)
        np.testing.assert_allclose(seen, expected, atol=12)  # one palette for all


def test_one_picture_is_a_picture():
    file = Image.open(io.BytesIO(animated_png([np.zeros((4, 4), np.uint8)])))
    assert file.size == (4, 4)
