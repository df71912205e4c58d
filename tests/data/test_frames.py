"""Folders of frames: the crop rule on each, order, and what is left out."""

import cv2
import numpy as np
import pytest

from meshgait.data.frames import NO_FIGURE, NO_FRAME, UNREADABLE, FrameOptions, read_frames
from meshgait.data.loaded_sequence import BrokenSequence, Dropped
from meshgait.data.silhouettes import normalise
from tests.data.trees import figure, frames, silhouettes


def test_each_frame_is_cropped(tmp_path):
    images = frames(tmp_path / "f", 4)
    take = read_frames(tmp_path / "f")
    assert take.drops == ()
    np.testing.assert_array_equal(take.silhouettes, [normalise(image)[0] for image in images])


def test_natural_order_of_names(tmp_path):
    for step in (10, 9, 1):
        cv2.imwrite(str(tmp_path / f"frame{step}.PNG"), figure(step))
    (tmp_path / "notes.txt").write_text("no frame")
    cv2.imwrite(str(tmp_path / "001-gei.png"), figure(0) // 2)  # a mean image is no frame
    expected = [normalise(figure(step))[0] for step in (1, 9, 10)]
    np.testing.assert_array_equal(read_frames(tmp_path).silhouettes, expected)


def test_what_is_left_out_and_why(tmp_path):
    images = frames(tmp_path / "f", 5)
    (tmp_path / "f" / "001.png").write_bytes(b"no picture")
    cv2.imwrite(str(tmp_path / "f" / "003.png"), np.zeros((120, 160), np.uint8))
    data = (tmp_path / "f" / "005.png").read_bytes()
    (tmp_path / "f" / "005.png").write_bytes(data[: len(data) // 2])
    take = read_frames(tmp_path / "f")
    assert take.drops == (
        Dropped("001.png", UNREADABLE),
        Dropped("003.png", NO_FIGURE),
        Dropped("005.png", UNREADABLE),
    )
    np.testing.assert_array_equal(take.silhouettes, [normalise(images[i])[0] for i in (1, 3)])


def test_nothing_is_left(tmp_path):
    for step in range(2):
        cv2.imwrite(str(tmp_path / f"{step}.png"), np.zeros((12, 16), np.uint8))
    take = read_frames(tmp_path)
    assert take.silhouettes is None
    assert [drop.reason for drop in take.drops] == [NO_FIGURE, NO_FIGURE, NO_FRAME]
    (tmp_path / "sub").mkdir()
    for folder, message in (("sub", "has no PNG or JPG"), ("none", "cannot be read")):
        with pytest.raises(BrokenSequence, match=message):
            read_frames(tmp_path / folder)


def test_jpg_is_made_black_and_white_and_gives_way_to_png(tmp_path):
    image = figure(1)
    cv2.imwrite(str(tmp_path / "1.jpg"), image, [cv2.IMWRITE_JPEG_QUALITY, 60])
    lossy = cv2.imread(str(tmp_path / "1.jpg"), cv2.IMREAD_GRAYSCALE)
    assert np.count_nonzero((lossy > 0) & (lossy < 128)) > 0  # what compression leaves around the figure
    expected = normalise((lossy > 127).astype(np.uint8) * np.uint8(255))[0]
    np.testing.assert_array_equal(read_frames(tmp_path).silhouettes, [expected])
    cv2.imwrite(str(tmp_path / "2.png"), figure(2))
    np.testing.assert_array_equal(read_frames(tmp_path).silhouettes, [normalise(figure(2))[0]])


def test_masks_of_zero_and_one(tmp_path):
    image = figure(1)
    cv2.imwrite(str(tmp_path / "1.png"), image // 255)
    np.testing.assert_array_equal(read_frames(tmp_path).silhouettes, [normalise(image)[0]])


def test_published_alignment_is_kept(tmp_path):
    image = silhouettes(1)[0]
    cv2.imwrite(str(tmp_path / "1.png"), image)
    published = FrameOptions((64, 44), crop=False)
    np.testing.assert_array_equal(read_frames(tmp_path, published).silhouettes[0], image[:, 10:54])
    # narrower than asked for: black at both sides
    np.testing.assert_array_equal(
        read_frames(tmp_path, FrameOptions((64, 71), crop=False)).silhouettes[0], np.pad(image, ((0, 0), (3, 4)))
    )
    # of another height: scaled, with the aspect kept
    assert read_frames(tmp_path, FrameOptions((128, 88), crop=False)).silhouettes.shape == (1, 128, 88)
    cv2.imwrite(str(tmp_path / "1.png"), image * 0)
    assert read_frames(tmp_path, FrameOptions(crop=False)).drops[0].reason == NO_FIGURE
