"""Webcams and streams: a file that is read as if live, and Ctrl-C while somebody is in view."""

import json
import os
import signal
from itertools import pairwise

import cv2
import numpy as np
import pytest

import meshgait
from meshgait.cli import main
from meshgait.errors import DataError
from meshgait.gallery.gallery import Gallery
from meshgait.video.extract import LIVE_LISTED, Extraction
from meshgait.video.frames import Look
from meshgait.video.live import LiveVideo, interrupt_ends, is_live
from meshgait.video.reading import open_video
from meshgait.video.segmenters import make_segmenter
from tests.gallery.models import MeanModel

FROM_FILE = cv2.VideoCapture
ENOUGH = 60
"""Frames of the film in which the walker has walked long enough, and is still in view."""


@pytest.fixture(autouse=True)
def interrupts():
    """Ctrl-C interrupts, also where these tests run in the background of a shell, which lets it be ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


class Camera:
    """A film that comes once only, as a camera does.

    Args:
        film: path of the video.
        at: number of a frame.
        then: what happens when that frame is read.
        times: of the frames in milliseconds; None: the camera does not say.
    """

    def __init__(self, film, at=-1, then=lambda: None, times=None):
        self.film, self.at, self.then, self.times, self.reads = FROM_FILE(str(film)), at, then, times, 0

    def isOpened(self):
        return True

    def read(self):
        self.reads += 1
        if self.reads - 2 == self.at:  # the first one tells the size
            self.then()
        return self.film.read()

    def get(self, what):
        if what == cv2.CAP_PROP_POS_MSEC:
            return 0.0 if self.times is None else self.times[self.reads - 1]
        return self.film.get(what)

    def release(self):
        self.film.release()


def interrupt():
    raise KeyboardInterrupt


def press_ctrl_c():
    os.kill(os.getpid(), signal.SIGINT)


@pytest.fixture
def camera(monkeypatch, one_walker):
    def give(at=-1, then=lambda: None, times=None):
        opened = Camera(one_walker.path, at, then, times)
        monkeypatch.setattr(cv2, "VideoCapture", lambda source: opened)
        return opened

    return give


@pytest.mark.parametrize(
    ("source", "live"),
    [
        ("0", True),
        (1, True),
        ("rtsp://camera/1", True),
        ("HTTP://host/x", True),
        ("walk.mp4", False),
        ("file:x", False),
    ],
)
def test_what_is_live(source, live):
    assert is_live(source) is live


def test_a_file_named_like_a_number_is_a_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "7").write_bytes(b"")
    assert not is_live("7")


def test_passwords_of_streams_are_not_shown(camera):
    camera()
    assert open_video("rtsp://me:secret@host/1").name == "rtsp://host/1"


def test_a_stream_that_gives_nothing(monkeypatch, tmp_path):
    monkeypatch.setattr(cv2, "VideoCapture", lambda source: Camera(tmp_path / "none.avi"))
    with pytest.raises(DataError, match="rtsp://host/1 gives no pictures; check the address"):
        open_video("rtsp://host/1")


def test_frames_that_were_lost_are_gaps(camera):
    times = [40.0 * n for n in (0, 1, 2, 3, 9, 10, 11, 12, 13, 14)]
    camera(times=times + [600.0] * 100)
    numbers = [frame.number for frame in LiveVideo(0, Look(), seconds=0.5).frames()]
    assert numbers == [0, 1, 2, 8, 9, 10, 11]  # half a second at 25 frames a second
    camera(times=times + [600.0] * 100)
    numbers = [frame.number for frame in LiveVideo(0, Look(every=2), seconds=0.5).frames()]
    assert numbers == [0, 2, 8, 10]


def test_without_an_end_it_goes_on_to_the_last_frame(camera):
    camera()
    video = LiveVideo(0, Look())
    assert video.length is None
    assert [frame.number for frame in video.frames()] == list(range(84))


def test_a_camera_that_goes_away_keeps_the_open_walk(camera):
    opened = camera(at=ENOUGH)
    opened.then = opened.release
    found = meshgait.silhouettes(0)
    (walk,) = found.walks
    assert walk.direction == "right" and found.report.frames == ENOUGH


@pytest.mark.parametrize("then", [interrupt, press_ctrl_c], ids=["raised", "signal"])
def test_ctrl_c_keeps_the_open_walk(camera, then):
    before = signal.getsignal(signal.SIGINT)
    camera(ENOUGH, then)
    (walk,) = meshgait.silhouettes(0, seconds=None).walks
    assert walk.direction == "right" and ENOUGH - 10 <= walk.frames[-1] <= ENOUGH
    assert signal.getsignal(signal.SIGINT) is before


def test_the_second_ctrl_c_interrupts(camera):
    camera()
    with pytest.raises(KeyboardInterrupt), interrupt_ends(LiveVideo(0, Look())):
        press_ctrl_c()
        press_ctrl_c()


def test_a_file_is_interrupted_at_once(one_walker):
    with pytest.raises(KeyboardInterrupt), interrupt_ends(open_video(one_walker.path)):
        press_ctrl_c()


def test_the_command_writes_the_open_walk(camera, tmp_path, capsys):
    camera(ENOUGH, press_ctrl_c)
    assert main(["silhouettes", "0", "--out", str(tmp_path / "out"), "--seconds", "600"]) == 0
    report = json.loads((tmp_path / "out/report.json").read_text())
    (walk,) = report["walks"]
    assert len(list((tmp_path / "out" / walk["folder"]).iterdir())) == walk["frames"] >= 40
    assert (tmp_path / "out/contact-sheet.png").is_file()


def test_a_camera_that_moves_is_refused_and_not_watched_for_ever(monkeypatch):
    rng = np.random.default_rng(0)
    scene = cv2.GaussianBlur(rng.integers(0, 256, (300, 4000, 3)).astype(np.uint8), (0, 0), 2)

    class Pan:
        place = 0

        def isOpened(self):
            return True

        def read(self):
            self.place += 2
            return True, scene[:, self.place % 3600 :][:, :320].copy()

        def get(self, what):
            return 0.0

        def release(self):
            pass

    monkeypatch.setattr(cv2, "VideoCapture", lambda source: Pan())
    with pytest.raises(DataError, match="camera 0: the camera moves"):
        meshgait.silhouettes(0, seconds=None)


def test_the_report_of_a_stream_does_not_grow_without_end(camera, one_walker):
    file = open_video(one_walker.path)
    camera()
    for video, most in ((LiveVideo(0, Look()), LIVE_LISTED), (file, LIVE_LISTED + 9)):
        extraction, rows = Extraction(video, make_segmenter("subtract"), show=False), []
        for number in range(LIVE_LISTED + 9):
            extraction._list(rows, {"number": number})
        assert len(rows) == most and rows[-1] == {"number": LIVE_LISTED + 8}
        assert all(b["number"] == a["number"] + 1 for a, b in pairwise(rows))


@pytest.fixture
def enrolled(tmp_path, one_walker, monkeypatch):
    """A gallery of who walks in the film, and of somebody else."""
    model = MeanModel()
    monkeypatch.setattr(meshgait, "load", lambda *_: model)
    (walk,) = meshgait.silhouettes(one_walker.path).walks
    with Gallery(tmp_path / "g", model) as gallery:
        gallery.enrol("Anna", walk.silhouettes())
        gallery.enrol("Ben", walk.silhouettes()[:, :, ::-1][::3])
    return tmp_path / "g"


@pytest.mark.parametrize("form", [[], ["--json"], ["--csv"]], ids=["words", "json", "csv"])
def test_who_walks_by_is_named_once_also_after_ctrl_c(camera, enrolled, form, capsys):
    camera(ENOUGH, press_ctrl_c)
    assert main(["identify", "0", "--gallery", str(enrolled), *form]) == 0
    said = capsys.readouterr()
    lines = said.out.splitlines()
    assert "Ctrl-C ends" in said.err and "walker 1, frames " in lines[-1] and "Anna" in lines[-1]
    assert len(lines) == (2 if form == ["--csv"] else 1)
    if form == ["--json"]:
        assert json.loads(lines[0])["nearest"] == "Anna"


def test_a_camera_is_the_only_source(enrolled, capsys):
    assert main(["identify", "0", "walk.npy", "--gallery", str(enrolled)]) == 2
    assert "give it alone" in capsys.readouterr().err
