import errno
import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from meshgait import pack
from meshgait.cli import main
from meshgait.data.readers import read_silhouettes
from meshgait.errors import OutputError
from meshgait.video.motion import CameraMotion
from meshgait.video.results import Snapshot, VideoReport, Walk
from meshgait.video.writing import WalkFolder, resume
from tests.data.trees import content


@pytest.fixture
def walk():
    masks = [np.ones((60 + t % 3, 20 + t % 5), bool) for t in range(30)]
    for mask in masks:
        mask[30:, 8:12] = False
    shot = Snapshot(3, np.full((128, 40, 3), 90, np.uint8), np.ones((128, 40), bool))
    return Walk(2, 1, "in place", np.arange(100, 130), masks, np.zeros((30, 2), int), snapshots=[shot] * 3)


def report(walks=()):
    return VideoReport("film.mp4", "subtract", 25.0, (240, 320), 1.0, 130, [CameraMotion(0.02, True)], list(walks))


def test_pack_and_predict_read_what_is_written(tmp_path, walk):
    folder = WalkFolder(tmp_path / "out", {"video": "x"})
    folder.write(walk)
    folder.write(replace(walk, walker=3, direction="left"))
    folder.finish(report([walk.summary(), replace(walk, walker=3, direction="left").summary()]))
    read = read_silhouettes(tmp_path / "out/walker-002/pass-01/in-place")
    assert read.frames.shape == (30, 64, 44) and read.report.dropped == {}
    store = pack(tmp_path / "out", tmp_path / "store", progress=False)
    assert [row[:3] for row in store.sequences] == [
        ("walker-002", "pass-01", "in-place"),
        ("walker-003", "pass-01", "left"),
    ]
    sheet = cv2.imread(str(tmp_path / "out/contact-sheet.png"))
    assert sheet.shape[0] > 2 * 2 * 128
    plain = json.loads((tmp_path / "out/report.json").read_text())
    assert plain["walks"][0]["folder"] == walk.folder and plain["camera"]["still"] is True
    assert not (tmp_path / "out/progress.json").exists()


def test_a_full_disk_leaves_no_half_walk(tmp_path, walk, monkeypatch):
    folder = WalkFolder(tmp_path / "out", {})
    folder.write(walk)
    write, left = Path.write_bytes, [7]

    def full(self, data):
        if left[0] == 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        left[0] -= 1
        return write(self, data)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OutputError, match="No space left on device"):
        folder.write(replace(walk, walker=5))
    monkeypatch.undo()
    names = {name.split("/")[0] for name in content(tmp_path / "out")}
    assert names == {"walker-002"}


def test_what_is_not_ours_is_not_touched(tmp_path):
    (tmp_path / "mine.txt").write_text("precious")
    for overwrite in (False, True):
        with pytest.raises(OutputError, match="no earlier result"):
            WalkFolder(tmp_path, {}, overwrite)
    WalkFolder(tmp_path / "empty", {})


def test_overwrite_removes_the_earlier_walks_only(tmp_path, walk):
    folder = WalkFolder(tmp_path / "out", {})
    folder.write(walk)
    folder.finish(report([walk.summary()]))
    (tmp_path / "out/notes.txt").write_text("kept")
    with pytest.raises(OutputError, match="exists; give another --out, or --overwrite"):
        WalkFolder(tmp_path / "out", {})
    WalkFolder(tmp_path / "out", {}, overwrite=True)
    assert list(content(tmp_path / "out")) == ["notes.txt"]


def test_an_interrupted_run_goes_on_with_the_same_settings(tmp_path, walk):
    settings = {"video": ["a", 1], "every": 2}
    WalkFolder(tmp_path / "out", settings).note(report([walk.summary()]), 140, 3)
    state = WalkFolder(tmp_path / "out", settings).state
    assert (state.quiet, state.walkers) == (140, 3)
    later = report()
    resume(later, state)
    assert later.walks == [walk.summary()] and later.frames == 130
    with pytest.raises(OutputError, match="begun with another video or other settings"):
        WalkFolder(tmp_path / "out", settings | {"every": 1})
    (tmp_path / "out/progress.json").write_text("{")
    with pytest.raises(OutputError, match="--overwrite"):
        WalkFolder(tmp_path / "out", settings)


def test_the_command(one_walker, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["silhouettes", str(one_walker.path)]) == 0
    text = capsys.readouterr().out
    assert "camera still" in text and "walker-001/pass-01/right" in text
    assert len(list(Path("silhouettes/one/walker-001/pass-01/right").iterdir())) >= 50
    assert main(["silhouettes", str(one_walker.path)]) == 2
    assert "--overwrite" in capsys.readouterr().err


def test_a_killed_command_goes_on_and_gives_the_same(one_walker, tmp_path, monkeypatch, capsys):
    words = ["silhouettes", str(one_walker.path), "--out"]
    assert main([*words, str(tmp_path / "whole")]) == 0
    monkeypatch.setattr("meshgait.video.extract.NOTED", 5)
    note = WalkFolder.note

    def stopped(self, seen, quiet, walkers):
        note(self, seen, quiet, walkers)
        if seen.walks:
            raise KeyboardInterrupt

    monkeypatch.setattr(WalkFolder, "note", stopped)
    assert main([*words, str(tmp_path / "parts")]) == 130
    monkeypatch.setattr(WalkFolder, "note", note)
    assert main([*words, str(tmp_path / "parts")]) == 0
    assert "goes on at frame" in capsys.readouterr().out
    assert content(tmp_path / "whole") == content(tmp_path / "parts")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["gone.mp4"], "does not exist"),
        (["VIDEO", "--every", "0"], "--every"),
        (["VIDEO", "--segmenter", "magic"], "unknown"),
        (["VIDEO", "--least-height", "0"], "--least-height"),
        (["VIDEO", "--roi", "0", "0", "9999", "5"], "--roi"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else value,
)
def test_errors_are_one_line_and_leave_nothing(words, says, one_walker, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["silhouettes", *(str(one_walker.path) if word == "VIDEO" else word for word in words)]) == 2
    error = capsys.readouterr().err
    assert says in error and error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
