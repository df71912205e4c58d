"""Files that are no files, in a data set: what would block for ever or never end is left out or refused.

Each reading is a process of its own with limits of time and memory, for a fault would hang all tests.
"""

import os
import resource
import socket
import subprocess
import sys

import cv2
import numpy as np
import pytest

from meshgait.data.layouts import LAYOUTS
from meshgait.data.packing import PackOptions, pack_tree
from tests.data.trees import silhouettes

SECONDS, BYTES = 60, 3 << 30
READ = """
import sys
from pathlib import Path
from meshgait.errors import MeshGaitError
what, path, kind = sys.argv[1:]
try:
    if what == "pack":
        from meshgait.data.packing import pack_tree
        from meshgait.data.layouts import LAYOUTS
        pack_tree(path, path + ".store", LAYOUTS[kind], progress=False)
    else:
        from meshgait.data.readers import read_silhouettes
        read_silhouettes(Path(path), (64, 44))
except MeshGaitError as error:
    print(error)
"""
ODD = {
    "fifo": os.mkfifo,
    "endless": lambda path: path.symlink_to("/dev/zero"),
    "dangling": lambda path: path.symlink_to("nowhere"),
    "folder": lambda path: path.mkdir(),
}


def walk(root, frames=4):
    folder = root / "001" / "nm" / "000"
    folder.mkdir(parents=True)
    for number, frame in enumerate(silhouettes(frames, (64, 44), 0)):
        cv2.imwrite(str(folder / f"{number:03d}.png"), frame)
    return folder


def read(what, path, kind="frames"):
    """In order, or with an error in one line, in little time and memory."""
    limit = lambda: resource.setrlimit(resource.RLIMIT_AS, (BYTES, BYTES))  # noqa: E731
    command = [sys.executable, "-c", READ, what, str(path), kind]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=SECONDS, preexec_fn=limit, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr[-300:]
    assert done.stdout.count("\n") <= 1


@pytest.mark.slow
@pytest.mark.parametrize("odd", ["fifo", "endless"])
@pytest.mark.parametrize("kind", ["frames", "opengait"])
def test_pack_passes_over_what_is_no_file(tmp_path, odd, kind):
    folder = walk(tmp_path / "set")
    if kind == "opengait":
        folder = tmp_path / "set" / "002" / "nm" / "000"
        folder.mkdir(parents=True)
    ODD[odd](folder / ("004.png" if kind == "frames" else "000.pkl"))
    read("pack", tmp_path / "set", kind)


def test_a_walk_is_read_without_what_is_no_file(tmp_path):
    ODD["fifo"](walk(tmp_path) / "004.png")
    read("walk", tmp_path / "001" / "nm" / "000")


@pytest.mark.parametrize("odd", ["dangling", "folder"])
def test_pack_keeps_the_frames_beside_others(tmp_path, odd):
    ODD[odd](walk(tmp_path / "set") / "004.png")
    store = pack_tree(tmp_path / "set", tmp_path / "store", LAYOUTS["frames"], progress=False)
    assert [sequence.frames for sequence in store.sequences] == [4]


def test_pack_leaves_a_socket_out(tmp_path, monkeypatch):
    folder = walk(tmp_path / "set")
    monkeypatch.chdir(folder)  # the name of a socket is short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("004.png")
        store = pack_tree(tmp_path / "set", tmp_path / "store", LAYOUTS["frames"], progress=False)
    assert [sequence.frames for sequence in store.sequences] == [4]


def test_names_that_look_like_options_are_names(tmp_path):
    folder = walk(tmp_path / "set")
    (folder / "003.png").rename(folder / "-rf.png")
    (tmp_path / "set" / "001").rename(tmp_path / "set" / "--help")
    (sequence,) = pack_tree(tmp_path / "set", tmp_path / "store", LAYOUTS["frames"], progress=False).sequences
    assert (sequence.subject, sequence.frames) == ("--help", 4)


def test_links_in_a_circle_end(tmp_path):
    walk(tmp_path / "set")
    (tmp_path / "set" / "001" / "up").symlink_to("..")
    options = PackOptions(tolerance="sequences")
    store = pack_tree(tmp_path / "set", tmp_path / "store", LAYOUTS["frames"], options, progress=False)
    assert ("001", "nm", "000") in [sequence[:3] for sequence in store.sequences]
    assert len(store.sequences) < 10


def test_the_source_stays_as_it_is(tmp_path):
    folder = walk(tmp_path / "set")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "set").rglob("*")}
    for path in (folder, *folder.parents[:2]):
        path.chmod(0o555)
    try:
        store = pack_tree(tmp_path / "set", tmp_path / "store", LAYOUTS["frames"], progress=False)
        np.testing.assert_array_equal(store.sequences[0].frames, 4)
    finally:
        for path in (folder, *folder.parents[:2]):
            path.chmod(0o755)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "set").rglob("*")} == before
