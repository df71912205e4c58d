"""Whatever way people keep masks, the figure is the same; what is no mask is refused by name."""

import cv2
import numpy as np
import pytest
from PIL import Image

from meshgait.data.frames import FrameOptions, read_frames, read_sequence
from meshgait.data.loaded_sequence import BrokenSequence
from meshgait.data.sources import ArrayFrames
from tests.data.trees import figure, silhouettes

MASKS = [figure(step, (240, 200), shift=3 * step - 15) for step in range(10)]
RNG = np.random.default_rng(0)
PHOTOGRAPH = cv2.GaussianBlur(RNG.integers(0, 256, (240, 200, 3), dtype=np.uint8), (9, 9), 0)
DAVIS = [0, 0, 0, 128, 0, 0, 0, 128, 0] + [0] * 759


def _palette(indices, colours=DAVIS):
    image = Image.fromarray(indices.astype(np.uint8), "P")
    image.putpalette(colours)
    return image


def _cut_out(mask):
    return Image.fromarray(np.dstack([PHOTOGRAPH, mask]), "RGBA")


def _coloured(mask, figure, background=(0, 0, 0)):
    return Image.fromarray(np.where(mask[..., None] > 0, figure, background).astype(np.uint8))


def _jpeg(image, quality=50):
    return cv2.imdecode(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_UNCHANGED)


def _write(folder, images, suffix="png"):
    folder.mkdir(exist_ok=True)
    for number, image in enumerate(images):
        picture = image if isinstance(image, Image.Image) else Image.fromarray(image)
        picture.save(folder / f"{number}.{suffix}")
    return folder


def _overlap(a, b):
    a, b = a > 127, b > 127
    return (a & b).sum() / (a | b).sum()


WAYS = {
    "white on black": (lambda m: m, "white on black, cropped"),
    "zero and one": (lambda m: m // 255, "value 1 (background 0)"),
    "dim": (lambda m: m // 255 * 46, "value 46"),
    "a class number": (lambda m: m // 255 * 15, "value 15"),
    "light background": (lambda m: np.maximum(m, 30), "value 255 (background 30)"),
    "one bit": (lambda m: Image.fromarray(m).convert("1"), "white on black"),
    "16 bit": (lambda m: m.astype(np.uint16) * 257, "value 65535"),
    "16 bit of 0 and 255": (lambda m: m.astype(np.uint16), "white on black"),
    "12 bit, soft": (lambda m: cv2.GaussianBlur(m.astype(np.uint16) * 16, (5, 5), 0), "value 4080"),
    "palette of DAVIS": (lambda m: _palette(m // 255), "palette index 1"),
    "palette without colours": (lambda m: _palette(m // 255 * 15, [0] * 768), "palette index 15"),
    "grey palette": (lambda m: Image.fromarray(m).convert("P"), "white on black"),
    "dark red": (lambda m: _coloured(m, (128, 0, 0)), "colour #800000"),
    "on a blue screen": (lambda m: _coloured(m, (255, 0, 90), (0, 0, 90)), "colour #ff005a"),
    "cut out of a photograph": (_cut_out, "transparency"),
    "grey with soft transparency": (
        lambda m: Image.fromarray(np.dstack([m * 0 + 90, cv2.GaussianBlur(m, (5, 5), 0)]), "LA"),
        "transparency with soft edges",
    ),
    "opaque": (lambda m: Image.fromarray(m).convert("RGBA"), "white on black"),
    "soft edges": (lambda m: cv2.GaussianBlur(m, (5, 5), 0), "white on black with soft edges"),
    "dim with soft edges": (lambda m: cv2.GaussianBlur(m, (5, 5), 0) // 2, "value 127 (background 0)"),
    "noise of a codec": (_jpeg, "white on black, made black and white"),
    "codec in colour": (lambda m: _jpeg(cv2.cvtColor(m, cv2.COLOR_GRAY2BGR), 30), "made black and white"),
}


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
def test_ways_to_keep_a_mask(tmp_path, way):
    keep, text = WAYS[way]
    expected = read_frames(_write(tmp_path / "plain", MASKS))
    take = read_frames(_write(tmp_path / "other", [keep(mask) for mask in MASKS]))
    assert text in take.figure
    assert set(np.unique(take.silhouettes)) >= {0, 255}
    # blurring takes the tip of a foot away, so that the figure is scaled by some hundredths
    assert _overlap(take.silhouettes, expected.silhouettes) > (0.9 if "soft" in text or "soft" in way else 0.97)


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_a_jpeg_is_a_jpeg_whatever_its_name(tmp_path, suffix):
    folder = tmp_path / suffix
    folder.mkdir()
    for number, mask in enumerate(MASKS):
        (folder / f"{number}.{suffix}").write_bytes(cv2.imencode(".jpg", mask)[1].tobytes())
    expected = read_frames(_write(tmp_path / "plain", MASKS)).silhouettes
    assert _overlap(read_frames(folder).silhouettes, expected) > 0.97


TWO = [np.roll(mask, -60, 1) // 255 * 7 + np.roll(mask, 60, 1) // 255 * 20 for mask in MASKS]


@pytest.mark.parametrize("keep", [lambda m: m, lambda m: m.astype(np.uint16), _palette])
def test_the_person_is_chosen_by_number(tmp_path, keep):
    folder = _write(tmp_path / "two", [keep(mask) for mask in TWO])
    with pytest.raises(BrokenSequence, match=r"several classes \(.* 0, 7, 20\).*--person"):
        read_frames(folder)
    for person, shift in ((7, -60), (20, 60)):
        expected = read_sequence(ArrayFrames(np.roll(MASKS, shift, 2))).silhouettes
        np.testing.assert_array_equal(read_frames(folder, FrameOptions(person=person)).silhouettes, expected)
    assert read_frames(folder, FrameOptions(person=8)).silhouettes is None


# a light face, a dark shirt, trousers in between, all with folds
CLOTHES = np.repeat(np.array([210, 60, 60, 130, 130, 130], np.int64), 40)[:, None] + RNG.normal(0, 12, (240, 200))

NO_MASKS = {
    "photographs": ([np.roll(PHOTOGRAPH, 9 * i, 0) for i in range(8)], "colour frames"),
    "grey photographs": ([np.roll(PHOTOGRAPH[..., 0], 9 * i, 0) for i in range(8)], "grey pictures"),
    "clothes on black": ([np.where(m > 0, CLOTHES, 0).astype(np.uint8) for m in MASKS], "grey pictures"),
    "a mean image": ([np.mean(MASKS, 0).astype(np.uint8)], "grey pictures|classes"),
    "inverted": ([255 - m for m in MASKS], "white with a black figure.*invert"),
    "inverted and soft": ([255 - cv2.GaussianBlur(m, (5, 5), 0) for m in MASKS], "white with a black figure"),
    "inverted palette": ([_palette(1 - m // 255) for m in MASKS], "white with a black figure"),
    "black on a colour": ([_coloured(m, (0, 0, 0), (0, 200, 0)) for m in MASKS], "black figure on the colour"),
    "void around": (
        [m // 255 + (cv2.dilate(m, np.ones((7, 7))) - m) for m in MASKS],
        r"several classes \(values 0, 1, 255\)",
    ),
    "instances": ([np.roll(m, -50, 1) // 255 * 100 + np.roll(m, 50, 1) // 255 * 200 for m in MASKS], "classes"),
    "two people": ([np.roll(m, -60, 1) | np.roll(m, 60, 1) for m in MASKS], "several figures side by side"),
    "lying": ([np.rot90(m).copy() for m in MASKS], "lie on their side"),
    "body parts in colours": (
        [_coloured(m, (9, 9, 200)) if i % 2 else _coloured(m, (200, 9, 9)) for i, m in enumerate(MASKS)],
        "3 colours",
    ),
    "two masks at once": (
        [Image.fromarray(np.dstack([m, np.roll(m, 70, 1)]), "LA") for m in MASKS],
        "another one in its transparency",
    ),
    "grey, then palettes": ([m if i < 5 else _palette(m // 255) for i, m in enumerate(MASKS)], "different ways"),
}


@pytest.mark.parametrize("what", NO_MASKS)
def test_what_is_no_mask_is_refused_by_name(tmp_path, what):
    images, message = NO_MASKS[what]
    with pytest.raises(BrokenSequence, match=message):
        read_frames(_write(tmp_path / "f", images))


def test_a_third_value_in_a_frame_that_was_not_looked_at(tmp_path):
    """Five frames decide; the others are held against them."""
    dim = [mask // 255 * 15 for mask in MASKS]
    dim[1] = np.where(np.roll(MASKS[1], 60, 1) > 0, 20, dim[1]).astype(np.uint8)
    with pytest.raises(BrokenSequence, match=r"has 1\.png, which has values besides the value 15"):
        read_frames(_write(tmp_path / "f", dim))


@pytest.mark.slow
def test_empty_frames_of_a_plainer_kind(tmp_path):
    """Programs store a frame without anything in it as grey, whatever the others are."""
    images = [_cut_out(mask) for mask in MASKS]
    images[3] = np.zeros((240, 200), np.uint8)
    images[5] = Image.fromarray(np.zeros((240, 200, 4), np.uint8), "RGBA")
    take = read_frames(_write(tmp_path / "f", images))
    assert np.flatnonzero(~take.kept).tolist() == [3, 5]


def test_a_walker_who_comes_late(tmp_path):
    """No frame that is looked at first shows anybody."""
    images = [np.zeros_like(MASKS[0])] * 30
    images[8] = MASKS[0] // 255 * 15
    take = read_frames(_write(tmp_path / "f", images))
    assert take.kept.sum() == 1
    assert "value 15" in take.figure


def test_soft_edges_of_aligned_frames_are_kept_and_noise_is_not():
    aligned = silhouettes(6, (64, 44))
    take = read_sequence(ArrayFrames(aligned))
    np.testing.assert_array_equal(take.silhouettes, aligned)
    noisy = np.stack([_jpeg(frame, 20) for frame in aligned])
    take = read_sequence(ArrayFrames(noisy))
    assert set(np.unique(take.silhouettes)) == {0, 255}
    dim = read_sequence(ArrayFrames(aligned // 2)).silhouettes
    assert np.abs(dim.astype(int) - aligned).max() <= 3


@pytest.mark.parametrize("shape", [(64, 44), (120, 90), (64, 64)])
@pytest.mark.parametrize("count", [5, 20, 64])
def test_time_along_the_last_axis(shape, count):
    """As MATLAB saves arrays; the other way round nothing is turned."""
    frames = silhouettes(count, shape)
    expected = read_sequence(ArrayFrames(frames))
    turned = read_sequence(ArrayFrames(np.moveaxis(frames, 0, -1)))
    np.testing.assert_array_equal(turned.silhouettes, expected.silhouettes)
    assert f"read as {count} frames along the last axis" in turned.figure
    assert "last axis" not in expected.figure


def test_who_walks_through_the_picture_is_not_turned():
    frames = np.stack([figure(step, (120, 160), shift=6 * step - 60) for step in range(20)])
    growing = np.stack([figure(0.5 * step, (60 + 6 * step, 160))[:60] for step in range(20)])
    for array in (frames, growing):
        assert "last axis" not in read_sequence(ArrayFrames(array)).figure


def test_frames_of_several_sequences_in_one_folder(tmp_path):
    folder = tmp_path / "f"
    folder.mkdir()
    for name in ("001-nm-01-090", "001-nm-02-090"):
        for number, mask in enumerate(MASKS):
            cv2.imwrite(str(folder / f"{name}-{number:03d}.png"), mask)
    with pytest.raises(BrokenSequence, match=r"several sequences \(001-nm-01-090-\.\.\., 001-nm-02-090-"):
        read_frames(folder)
    for file in folder.glob("001-nm-02*"):
        file.unlink()
    assert len(read_frames(folder).silhouettes) == 10
