"""Every form that silhouettes come in gives the same frames; every wrong one says what to do."""

import pickle
import struct

import cv2
import numpy as np
import pytest
from PIL import Image

from meshgait.data.readers import read_silhouettes
from meshgait.errors import DataError, UnsafeFileError


def _walk(count=6, height=120, width=160):
    """A head, a trunk and two legs that open and close, walking through the picture."""
    frames = np.zeros((count, height, width), np.uint8)
    for t, frame in enumerate(frames):
        x, stride = 40 + 12 * t, abs(6 * np.sin(t))
        cv2.circle(frame, (x, 25), 7, 255, -1)
        cv2.rectangle(frame, (x - 7, 32), (x + 7, 70), 255, -1)
        for side in (-1, 1):
            cv2.line(frame, (x, 68), (int(x + side * (3 + stride)), 108), 255, 7)
    return frames


WALK = _walk()


def _folder(path, frames=WALK, suffix="png", name="frame{}"):
    path.mkdir(exist_ok=True)
    for t, frame in enumerate(frames):
        Image.fromarray(frame).save(path / f"{name.format(t)}.{suffix}")
    return path


def _saved(tmp_path, form, frames=WALK):
    path = tmp_path / f"walk.{form}"
    if form == "npy":
        np.save(path, frames)
    elif form == "npz":
        np.savez_compressed(path, frames)
    elif form == "pkl":
        path.write_bytes(pickle.dumps(frames))
    elif form == "gif":
        pictures = [Image.fromarray(frame) for frame in frames]
        pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=40, loop=0)
    else:
        return _folder(tmp_path / "walk", frames, form)
    return path


@pytest.mark.parametrize("form", ["png", "jpg", "gif", "npy", "npz", "pkl"])
def test_every_form_gives_the_same_frames(tmp_path, form):
    result = read_silhouettes(_saved(tmp_path, form))
    expected = read_silhouettes(_saved(tmp_path, "npy"))
    assert result.frames.shape == (6, 64, 44)
    assert result.frames.dtype == np.uint8
    assert result.kept.tolist() == list(range(6))
    assert (result.report.total, result.report.warnings) == (6, [])
    off = np.mean((result.frames > 127) != (expected.frames > 127))
    assert off < (0.01 if form == "jpg" else 1e-9)
    # figures fill the rows and stand in the middle
    assert (result.frames > 127)[:, [0, -1]].any(-1).all()
    columns = (result.frames > 127).sum(1).cumsum(-1)
    middle = (columns > columns[:, -1:] / 2).argmax(-1)
    assert np.abs(middle - 22).max() <= 1


@pytest.mark.parametrize(
    "convert",
    [
        lambda walk: walk // 255,
        lambda walk: walk > 0,
        lambda walk: walk.astype(np.float32) / 255,
        lambda walk: walk.astype(np.int64),
        lambda walk: np.repeat(walk[..., None], 3, axis=-1),
        lambda walk: walk[:, None],
        lambda walk: walk[..., None],
        lambda walk: np.maximum(walk, 20),
    ],
)
def test_ranges_and_layouts_of_arrays(tmp_path, convert):
    expected = read_silhouettes(_saved(tmp_path, "npy"))
    result = read_silhouettes(_saved(tmp_path, "npy", convert(WALK)))
    np.testing.assert_array_equal(result.frames, expected.frames)


def test_png_modes(tmp_path):
    expected = read_silhouettes(_saved(tmp_path, "npy")).frames
    for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"):
        folder = tmp_path / f"mode {mode.replace(';', '')}"
        folder.mkdir()
        for t, frame in enumerate(WALK):
            if mode == "I;16":
                picture = Image.fromarray(frame.astype(np.uint16) * 257)
            else:
                picture = Image.fromarray(frame).convert(mode)
            picture.save(folder / f"{t}.png")
        np.testing.assert_array_equal(read_silhouettes(folder).frames, expected, err_msg=mode)


def test_frames_in_natural_order(tmp_path):
    many = _walk(12)
    folder = _folder(tmp_path / "walk", many, name="frame{}")  # frame2 comes before frame10
    (folder / "notes.txt").write_text("not a frame")
    np.testing.assert_array_equal(
        read_silhouettes(folder).frames, read_silhouettes(_saved(tmp_path, "npy", many)).frames
    )


def test_empty_frames_are_named_and_left_out(tmp_path):
    frames = WALK.copy()
    frames[2] = 0
    frames[4] = 0
    frames[4, 50:53, 50:53] = 255
    result = read_silhouettes(_saved(tmp_path, "npy", frames))
    assert result.kept.tolist() == [0, 1, 3, 5]
    assert result.report.dropped == {"frame 2": "no figure", "frame 4": "no figure"}
    assert result.report.warnings == ["2 of 6 frames are left out"]
    with pytest.raises(DataError, match=r"none of its 6 frames can be used.*no figure"):
        read_silhouettes(_saved(tmp_path, "npy", np.zeros_like(WALK)))


def test_one_frame_is_read_with_a_warning(tmp_path):
    for frames in (WALK[:1], WALK[0]):
        result = read_silhouettes(_saved(tmp_path, "npy", frames))
        assert result.frames.shape == (1, 64, 44)
        assert "gait is motion" in result.report.warnings[0]


@pytest.mark.parametrize(("native", "size"), [((64, 64), (64, 44)), ((64, 44), (64, 44)), ((128, 128), (128, 88))])
def test_frames_in_the_silhouette_frame_are_kept_as_they_are(tmp_path, native, size):
    large = read_silhouettes(_saved(tmp_path, "npy"), native).frames  # grey edges
    result = read_silhouettes(_saved(tmp_path, "pkl", large), size)
    cut = (native[1] - size[1]) // 2
    assert "kept as aligned" in result.report.figure
    np.testing.assert_array_equal(result.frames, large[:, :, cut : cut + size[1]])
    # read again at that size, nothing changes
    again = read_silhouettes(_saved(tmp_path, "npy", result.frames), size)
    np.testing.assert_array_equal(again.frames, result.frames)


def test_keys_of_archives(tmp_path):
    expected = read_silhouettes(_saved(tmp_path, "npy")).frames
    for key in ("silhouettes", "sil"):
        np.savez(tmp_path / "keyed.npz", **{key: WALK, "label": np.arange(3)})
        np.testing.assert_array_equal(read_silhouettes(tmp_path / "keyed.npz").frames, expected)
        (tmp_path / "keyed.pkl").write_bytes(pickle.dumps({key: list(WALK), "label": 1}))
        np.testing.assert_array_equal(read_silhouettes(tmp_path / "keyed.pkl").frames, expected)
    np.savez(tmp_path / "wrong.npz", frames=WALK, label=np.arange(3))
    (tmp_path / "wrong.pkl").write_bytes(pickle.dumps({"frames": WALK, "label": 1}))
    for form in ("npz", "pkl"):
        with pytest.raises(DataError, match="has the keys frames, label; name the array 'silhouettes'"):
            read_silhouettes(tmp_path / f"wrong.{form}")


def _colour():
    return np.random.default_rng(0).integers(60, 200, (*WALK.shape, 3)).astype(np.uint8)


def _photo():
    return np.random.default_rng(0).normal(128, 40, WALK.shape).clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        (_colour(), "colour frames; segment"),
        (_colour() / 255.0, "colour frames; segment"),
        (255 - WALK, "white with a black figure.*invert"),
        (_photo(), "grey pictures.*segment"),
        (WALK[None].repeat(2, 0), "many sequences.*pack"),
        (np.zeros((0, 64, 44), np.uint8), "of shape"),
        (np.zeros(7), "of shape"),
        (WALK.astype(np.int16) - 300, "values -300"),
        (WALK * 1000.0, "values 0.0..255000.0"),
        (np.where(WALK > 0, np.nan, 0), "no brightness"),
        (np.full(WALK.shape, "x"), "no brightness"),
    ],
)
def test_arrays_that_are_no_silhouettes(tmp_path, frames, message):
    with pytest.raises(DataError, match=message):
        read_silhouettes(_saved(tmp_path, "npy", frames))


def test_pictures_that_are_no_silhouettes(tmp_path):
    with pytest.raises(DataError, match="colour frames"):
        read_silhouettes(_folder(tmp_path / "colour", _colour()))
    with pytest.raises(DataError, match="invert the frames"):
        read_silhouettes(_saved(tmp_path, "gif", 255 - WALK))


def test_a_gif_of_huge_frames_is_refused_before_they_are_read(tmp_path, monkeypatch):
    Image.new("L", (4000, 4000)).save(tmp_path / "huge.gif")
    monkeypatch.setattr(Image.Image, "convert", lambda *_: pytest.fail("a frame was read"))
    with pytest.raises(DataError, match="4000 x 4000 pixels"):
        read_silhouettes(tmp_path / "huge.gif")


def test_a_gif_whose_later_frame_is_huge_is_refused_before_it_is_read(tmp_path):
    """The place and size of a frame, which its descriptor says, may go beyond the picture."""
    path = _saved(tmp_path, "gif", WALK)
    with Image.open(path) as image:
        image.seek(1)
        left, top, right, bottom = image.tile[0].extents
    content, place = path.read_bytes(), struct.pack("<HH", left, top)
    descriptor = b"," + place + struct.pack("<HH", right - left, bottom - top)
    assert descriptor in content
    path.write_bytes(content.replace(descriptor, b"," + place + struct.pack("<HH", 12000, 3200), 1))
    with pytest.raises(DataError, match=f"{12000 + left} x {3200 + top} pixels"):
        read_silhouettes(path)


def test_folders_that_are_no_sequence(tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(DataError, match="no PNG or JPG frames \\(it is empty\\)"):
        read_silhouettes(empty)
    (empty / "walk.mp4").touch()
    with pytest.raises(DataError, match=r"found: \.mp4"):
        read_silhouettes(empty)


def test_frames_of_several_sizes_are_read(tmp_path):
    mixed = _folder(tmp_path / "mixed")
    Image.fromarray(WALK[1, 5:, 9:]).save(mixed / "frame1.png")
    expected = read_silhouettes(_saved(tmp_path, "npy")).frames > 127
    seen = read_silhouettes(mixed).frames > 127
    assert (seen & expected).sum() > 0.97 * (seen | expected).sum()  # widths are whole numbers of pixels


@pytest.mark.parametrize("form", ["png", "jpg", "gif", "npy", "npz", "pkl"])
@pytest.mark.parametrize("share", [0.0, 0.1, 0.6])
def test_truncated_files(tmp_path, form, share):
    path = _saved(tmp_path, form)
    file = path / "frame3.png" if form == "png" else path / "frame3.jpg" if form == "jpg" else path
    content = file.read_bytes()
    file.write_bytes(content[: int(share * len(content))])
    if path.is_dir():
        result = read_silhouettes(path)
        assert result.kept.tolist() == [0, 1, 2, 4, 5]
        assert result.report.dropped == {file.name: "unreadable picture"}
        return
    with pytest.raises(DataError, match=r"truncated|damaged") as caught:
        read_silhouettes(path)
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_objects_are_never_unpickled(tmp_path):
    class Evil:
        def __reduce__(self):
            return (print, ("executed",))

    np.save(tmp_path / "evil.npy", np.array([Evil()], dtype=object), allow_pickle=True)
    np.savez(tmp_path / "evil.npz", sil=np.array([Evil()], dtype=object))
    for form in ("npy", "npz"):
        with pytest.raises(DataError, match="Python objects, which are never loaded"):
            read_silhouettes(tmp_path / f"evil.{form}")
    (tmp_path / "evil.pkl").write_bytes(pickle.dumps(print))
    with pytest.raises(UnsafeFileError, match=r"builtins\.print"):
        read_silhouettes(tmp_path / "evil.pkl")


def test_paths_and_types(tmp_path):
    with pytest.raises(DataError, match="does not exist"):
        read_silhouettes(tmp_path / "none")
    for name in ("walk.mp4", "walk"):
        (tmp_path / name).touch()
        with pytest.raises(DataError, match=r"has the extension (\.mp4|\(none\)).*meshgait silhouettes"):
            read_silhouettes(tmp_path / name)
    (tmp_path / "list.pkl").write_bytes(pickle.dumps([1, 2]))
    with pytest.raises(DataError, match="holds a list"):
        read_silhouettes(tmp_path / "list.pkl")
