import struct

import cv2
import numpy as np
import pytest

from meshgait.errors import ConfigError, DataError
from meshgait.synthetic.film import write_video
from meshgait.video.frames import Look
from meshgait.video.reading import open_video


@pytest.fixture(scope="module")
def frames():
    """Twelve frames whose brightness tells their number; the upper left corner is white."""
    film = np.stack([np.full((48, 64, 3), 40 + 12 * number, np.uint8) for number in range(12)])
    film[:, :16, :16] = 255
    return film


@pytest.fixture(scope="module")
def video(tmp_path_factory, frames):
    path = tmp_path_factory.mktemp("v") / "ramp.avi"
    write_video(path, frames, fps=10, codec="MJPG")
    return path


def told(picture):
    return round((float(picture[20:28, 30:34].mean()) - 40) / 12)


@pytest.mark.parametrize(("name", "codec"), [("a.mp4", "mp4v"), ("a.avi", "MJPG"), ("a.webm", "VP80")])
def test_files_of_each_kind(tmp_path, frames, name, codec):
    write_video(tmp_path / name, frames, fps=10, codec=codec)
    found = open_video(tmp_path / name)
    assert (found.rate, found.length, found.size, found.live) == (10, 12, (48, 64), False)
    assert [(frame.number, told(frame.picture)) for frame in found.frames()] == [(n, n) for n in range(12)]


def test_every_and_wanted_and_start(video):
    assert [frame.number for frame in open_video(video, Look(every=5)).frames()] == [0, 5, 10]
    assert open_video(video, Look(every=5)).rate == 2
    assert [frame.number for frame in open_video(video).frames(0, {3, 4, 9})] == [3, 4, 9]
    assert [frame.number for frame in open_video(video).frames(10)] == [10, 11]


@pytest.mark.parametrize(("degrees", "corner"), [(0, (0, 0)), (90, (0, -1)), (180, (-1, -1)), (270, (-1, 0))])
def test_rotate(video, degrees, corner):
    found = open_video(video, Look(rotate=degrees))
    picture = next(found.frames()).picture
    assert picture.shape[:2] == found.size == ((48, 64) if degrees % 180 == 0 else (64, 48))
    assert picture[corner].min() > 240


def test_roi_is_cut_after_turning(video):
    found = open_video(video, Look(rotate=90, roi=(30, 2, 18, 20)))
    picture = next(found.frames()).picture
    assert picture.shape == (20, 18, 3) and picture[5, 5].min() > 240 and picture[-1, 1].max() < 80
    with pytest.raises(ConfigError, match="leaves the frame of 64 x 48"):
        open_video(video, Look(roi=(50, 0, 20, 10)))


@pytest.mark.parametrize("wrong", [{"every": 0}, {"rotate": 45}, {"roi": (0, 0, 0, 5)}, {"roi": (-1, 0, 5, 5)}])
def test_looks_that_make_no_sense(wrong):
    with pytest.raises(ConfigError):
        Look(**wrong)


def test_a_videos_note_of_rotation_is_followed(tmp_path, frames):
    write_video(tmp_path / "v.mp4", frames)
    content = bytearray((tmp_path / "v.mp4").read_bytes())
    place = content.index(b"tkhd") + 4 + 4 + 4 + 4 + 4 + 4 + 4 + 8 + 2 + 2 + 2 + 2  # to the matrix, version 0
    assert struct.unpack(">9i", content[place : place + 36])[0] == 0x10000
    content[place : place + 36] = struct.pack(">9i", 0, 0x10000, 0, -0x10000, 0, 0, 48 << 16, 0, 0x40000000)
    (tmp_path / "turned.mp4").write_bytes(content)
    found = open_video(tmp_path / "turned.mp4")
    picture = next(found.frames()).picture
    assert picture.shape == (64, 48, 3) and picture[0, -1].min() > 220 and picture[0, 0].max() < 120


def test_large_frames_are_made_smaller(tmp_path, monkeypatch, video):
    monkeypatch.setattr("meshgait.video.frames.LINES", 24)
    found = open_video(video)
    assert found.size == (24, 32) and found.scale == 0.5
    assert next(found.frames()).picture.shape == (24, 32, 3)


def test_a_folder_of_frames_in_natural_order(tmp_path, frames):
    for number in (0, 2, 10):
        cv2.imwrite(str(tmp_path / f"f{number}.png"), frames[number])
    (tmp_path / "notes.txt").write_text("no frame")
    (tmp_path / "f11.png").write_bytes(b"broken")
    found = open_video(tmp_path)
    assert [told(frame.picture) for frame in found.frames()] == [0, 2, 10]
    cv2.imwrite(str(tmp_path / "f12.png"), frames[0][:20])
    with pytest.raises(DataError, match="another size"):
        list(open_video(tmp_path).frames())


def test_a_picture_named_mp4_and_other_files_are_refused(tmp_path, frames, video):
    cv2.imwrite(str(tmp_path / "photo.jpg"), frames[0])
    (tmp_path / "photo.jpg").rename(tmp_path / "photo.mp4")
    (tmp_path / "list.mp4").write_text("#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1/secret.ts\n")
    (tmp_path / "script.avi").write_text("ffconcat version 1.0\nfile other.avi\n")
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "cut.avi").write_bytes(video.read_bytes()[:300])
    (tmp_path / "broken.mp4").write_bytes(b"\0\0\0\x18ftypmp42" + bytes(200))
    (tmp_path / "none").mkdir()
    for name, words in {
        "photo.mp4": r"is a picture \(JPEG\), not a video",
        "list.mp4": "is no video that is known here",
        "script.avi": "is no video that is known here",
        "empty.mp4": "is no video that is known here",
        "cut.avi": "cut or broken|cut, broken",
        "broken.mp4": "cut or broken|cut, broken",
        "none": "holds no picture",
        "gone.mp4": "does not exist",
    }.items():
        with pytest.raises(DataError, match=words) as caught:
            open_video(tmp_path / name)
        assert str(caught.value).count("\n") == 0


def test_ffmpeg_says_nothing_of_its_own(tmp_path, capfd):
    (tmp_path / "broken.mp4").write_bytes(b"\0\0\0\x18ftypmp42" + bytes(200))
    with pytest.raises(DataError):
        open_video(tmp_path / "broken.mp4")
    assert capfd.readouterr().err == ""


def test_a_video_that_is_cut_gives_the_frames_it_has(tmp_path, frames, video):
    content = video.read_bytes()
    chunks = content.split(b"00dc")
    (tmp_path / "half.avi").write_bytes(b"00dc".join(chunks[:8]))  # the header and seven frames
    numbers = [frame.number for frame in open_video(tmp_path / "half.avi").frames()]
    assert numbers in (list(range(6)), list(range(7)))


class Camera:
    """A webcam that is unplugged after some frames."""

    def __init__(self, frames, count):
        self.left = list(frames[:count])

    def isOpened(self):
        return bool(self.left)

    def read(self):
        return (True, self.left.pop(0)) if self.left else (False, None)

    def get(self, _):
        return 10.0

    def release(self):
        self.left = []


def test_a_webcam_that_goes_away(monkeypatch, frames):
    monkeypatch.setattr(cv2, "VideoCapture", lambda number: Camera(frames, 6))
    found = open_video("0", seconds=60)
    assert found.live and found.length == 600
    assert [frame.number for frame in found.frames()] == [0, 1, 2, 3, 4]  # the first one told the size
    monkeypatch.setattr(cv2, "VideoCapture", lambda number: Camera(frames, 0))
    with pytest.raises(DataError, match="no camera 3"):
        open_video(3)
