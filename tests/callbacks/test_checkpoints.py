from pathlib import Path

import pytest
import torch

from meshgait.callbacks.checkpoints import WholeCheckpoints, LastCheckpoint, last_path
from meshgait.errors import OutputError


def test_a_checkpoint_is_written_whole(tmp_path):
    path = tmp_path / "checkpoints" / "last.ckpt"
    WholeCheckpoints().save_checkpoint({"state_dict": {"w": torch.arange(3)}}, str(path))
    assert torch.load(path, weights_only=True)["state_dict"]["w"].tolist() == [0, 1, 2]
    assert [p.name for p in path.parent.iterdir()] == ["last.ckpt"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
@pytest.mark.parametrize("size", [1, 1_000_000])
def test_on_a_full_disk_the_checkpoint_before_stays_and_the_reason_is_told(tmp_path, size):
    path = tmp_path / "last.ckpt"
    WholeCheckpoints().save_checkpoint({"step": 1}, str(path))

    (tmp_path / "last.ckpt.partial").symlink_to("/dev/full")
    with pytest.raises(OutputError, match=r"last\.ckpt cannot be written \(No space left on device\)"):
        WholeCheckpoints().save_checkpoint({"step": 2, "w": torch.zeros(size)}, str(path))
    assert torch.load(path, weights_only=True) == {"step": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["last.ckpt"]


def test_a_run_has_one_checkpoint_where_it_is_looked_for(tmp_path):
    callback = LastCheckpoint(tmp_path)
    assert callback.format_checkpoint_name({}) == str(last_path(tmp_path))
