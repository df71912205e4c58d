"""Files that grow: resuming, one writer at a time, a full disk."""

import errno
import os
import subprocess
import sys

import numpy as np
import pytest

from meshgait.data import appendable_array
from meshgait.data.appendable_array import AppendableArray, lock_writer, write_all, writing
from meshgait.data.store import Store, StoreWriter
from meshgait.errors import OutputError, StoreError


def test_array_grows_and_is_cut_back(tmp_path):
    rng = np.random.default_rng(0)
    blocks = [rng.normal(size=(n, 3)).astype("<f4") for n in (2, 5, 1)]
    array = AppendableArray(tmp_path / "a.npy", (3,), "<f4")
    array.create()
    assert array.rows() == 0
    array.open(0)
    array.append(blocks[0])
    array.append(blocks[1])
    array.close()
    with (tmp_path / "a.npy").open("ab") as file:
        file.write(b"half")
    again = AppendableArray(tmp_path / "a.npy", (3,), "<f4")
    assert again.rows() == 7
    again.open(2)
    again.append(blocks[2])
    again.finish(3)
    again.close()
    loaded = np.load(tmp_path / "a.npy", allow_pickle=False)
    np.testing.assert_array_equal(loaded, np.concatenate([blocks[0], blocks[2]]))


def test_short_writes_are_repeated():
    class Slow:
        def __init__(self):
            self.got = b""

        def write(self, data):
            self.got += bytes(data[:3])
            return min(3, len(data))

    file = Slow()
    write_all(file, np.arange(5, dtype=np.int16).data)
    assert file.got == np.arange(5, dtype=np.int16).tobytes()


def test_one_writer_at_a_time(tmp_path):
    lock = lock_writer(tmp_path)
    with pytest.raises(StoreError, match="written by another process"):
        lock_writer(tmp_path)
    lock.release()
    lock_writer(tmp_path).release()


@pytest.mark.slow
def test_second_packer_on_a_store_is_refused(tmp_path):
    """By another process, while the first one has workers of its own; and no longer once it was killed."""
    script = (
        "import sys, time\n"
        "from functools import partial\n"
        "from meshgait.data.store import StoreWriter\n"
        "from meshgait.parallel import map_in_order\n"
        "writer = StoreWriter(sys.argv[1])\n"
        "for n in map_in_order(partial, (int,), iter(range(3)), 2): print(n, flush=True)\n"
        "pool = map_in_order(partial, (time.sleep,), iter([0.0, 60.0, 60.0]), 2)\n"
        "next(pool); print('ready', flush=True); time.sleep(60)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", script, tmp_path / "s"], stdout=subprocess.PIPE, text=True)
    try:
        for line in process.stdout:
            if line.strip() == "ready":
                break
        with pytest.raises(StoreError, match=r"s\.partial is being written by another process"):
            StoreWriter(tmp_path / "s")
    finally:
        process.kill()
        process.wait()
    with StoreWriter(tmp_path / "s") as writer:  # at once, though its workers may still be there
        writer.add("a", "nm-01", "000", np.zeros((2, 64, 44), np.uint8))
        writer.finish()
    assert sorted(path.name for path in (tmp_path / "s").iterdir()) == [
        "meta.json",
        "sequences.csv",
        "silhouettes.npy",
    ]


def test_a_writer_lets_go_when_it_fails(tmp_path):
    with pytest.raises(ZeroDivisionError), StoreWriter(tmp_path / "s", source={"a": 1}):
        _ = 1 / 0
    with pytest.raises(StoreError, match="other settings") as kept:
        StoreWriter(tmp_path / "s", source={"a": 2})
    StoreWriter(tmp_path / "s", source={"a": 1}).close()
    assert kept.value.__traceback__ is not None  # the failed writer is still referred to


def _walk(frames=40):
    return np.full((frames, 64, 44), 255, np.uint8)


def _finished(dest, lengths):
    with StoreWriter(dest, bits=8) as writer:
        for number, frames in list(enumerate(lengths))[writer.done :]:
            writer.add(f"{number:03d}", "nm-01", "000", _walk(frames) - np.uint8(number))
        writer.finish()
    return Store(dest)


def test_disk_full_half_way_and_taken_up(tmp_path):
    small, lengths = tmp_path / "disk", (4, 9, 3, 8, 2, 9, 7, 30)
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", small], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip(f"no small disk can be mounted here: {mounted.stderr.decode().strip()}")
    try:
        with pytest.raises(OutputError, match=r"s\.partial: the disk is full.*repeat the command"):
            _finished(small / "s", lengths)
        assert not (small / "s").exists()
        with StoreWriter(small / "s", bits=8) as writer:
            assert 4 <= writer.done < len(lengths)
        subprocess.run(["mount", "-o", "remount,size=8m", small], check=True)
        _finished(small / "s", lengths)
        _finished(tmp_path / "whole", lengths)
        for path in (tmp_path / "whole").iterdir():
            assert (small / "s" / path.name).read_bytes() == path.read_bytes()
    finally:
        subprocess.run(["umount", small], check=True)


@pytest.mark.parametrize("nth", range(3, 15, 4))
def test_disk_full_at_any_write(tmp_path, monkeypatch, nth):
    calls = []

    def full(file, data):
        calls.append(len(data))
        if len(calls) == nth:
            file.write(memoryview(data).cast("B")[:100])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write_all(file, data)

    lengths = (1, 2, 3, 4, 5, 6)
    for module in (appendable_array, sys.modules["meshgait.data.store"]):
        monkeypatch.setattr(module, "write_all", full)
    with pytest.raises(OutputError, match="disk is full"):
        _finished(tmp_path / "s", lengths)
    assert not (tmp_path / "s").exists()
    monkeypatch.undo()
    _finished(tmp_path / "s", lengths)
    _finished(tmp_path / "whole", lengths)
    for path in (tmp_path / "whole").iterdir():
        assert (tmp_path / "s" / path.name).read_bytes() == path.read_bytes()


def test_other_errors_of_the_disk(tmp_path):
    with pytest.raises(OutputError, match="a folder you own"), writing(tmp_path):
        raise PermissionError(errno.EACCES, "Permission denied")
