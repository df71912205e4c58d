import os
from pathlib import Path

import pytest
import torch

from meshgait.callbacks.checkpoints import AtomicCheckpointIO, LastCheckpoint, last_path, previous_path
from meshgait.errors import OutputError


def test_a_checkpoint_is_written_whole(tmp_path):
    path = tmp_path / "checkpoints" / "last.ckpt"
    AtomicCheckpointIO().save_checkpoint({"state_dict": {"w": torch.arange(3)}}, str(path))
    assert torch.load(path, weights_only=True)["state_dict"]["w"].tolist() == [0, 1, 2]
    assert [p.name for p in path.parent.iterdir()] == ["last.ckpt"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
@pytest.mark.parametrize("size", [1, 1_000_000])
def test_on_a_full_disk_the_checkpoint_before_stays_and_the_reason_is_told(tmp_path, size):
    path = tmp_path / "last.ckpt"
    AtomicCheckpointIO().save_checkpoint({"step": 1}, str(path))

    (tmp_path / "last.ckpt.partial").symlink_to("/dev/full")
    with pytest.raises(OutputError, match=r"last\.ckpt cannot be written \(No space left on device\)"):
        AtomicCheckpointIO().save_checkpoint({"step": 2, "w": torch.zeros(size)}, str(path))
    assert torch.load(path, weights_only=True) == {"step": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["last.ckpt"]


def test_a_run_has_one_checkpoint_where_it_is_looked_for(tmp_path):
    callback = LastCheckpoint(tmp_path)
    assert callback.format_checkpoint_name({}) == str(last_path(tmp_path))


def test_the_checkpoint_before_is_kept(tmp_path):
    for step in (1, 2, 3):
        AtomicCheckpointIO().save_checkpoint({"step": step}, str(last_path(tmp_path)))
    assert torch.load(last_path(tmp_path), weights_only=True) == {"step": 3}
    assert torch.load(previous_path(tmp_path), weights_only=True) == {"step": 2}
    assert len(list(last_path(tmp_path).parent.iterdir())) == 2


def test_other_names_have_none_before(tmp_path):
    for step in (1, 2):
        AtomicCheckpointIO().save_checkpoint({"step": step}, str(tmp_path / "best.ckpt"))
    assert [path.name for path in tmp_path.iterdir()] == ["best.ckpt"]


def test_a_disk_without_links_keeps_it_too(tmp_path, monkeypatch):
    def link(*_):
        raise PermissionError

    monkeypatch.setattr("os.link", link)
    test_the_checkpoint_before_is_kept(tmp_path)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_full_disk_leaves_both_that_were_there(tmp_path):
    for step in (1, 2):
        AtomicCheckpointIO().save_checkpoint({"step": step}, str(last_path(tmp_path)))
    last_path(tmp_path).with_name("last.ckpt.partial").symlink_to("/dev/full")
    with pytest.raises(OutputError, match="No space left on device"):
        AtomicCheckpointIO().save_checkpoint({"step": 3}, str(last_path(tmp_path)))
    assert torch.load(last_path(tmp_path), weights_only=True) == {"step": 2}
    assert torch.load(previous_path(tmp_path), weights_only=True) == {"step": 1}


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="no /proc")
def test_what_is_renamed_has_reached_the_disk(tmp_path, monkeypatch):
    done, real = [], (os.fsync, os.replace)

    def fsync(handle):
        done.append(os.readlink(f"/proc/self/fd/{handle}"))
        return real[0](handle)

    monkeypatch.setattr("os.fsync", fsync)
    monkeypatch.setattr(Path, "replace", lambda self, to: (done.append(self.name), real[1](self, to)))
    AtomicCheckpointIO().save_checkpoint({"step": 1}, str(tmp_path / "best.ckpt"))
    assert done == [str(tmp_path / "best.ckpt.partial"), "best.ckpt.partial", str(tmp_path)]
