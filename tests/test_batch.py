import pytest
import torch

from meshgait.batch import GaitBatch, GaitOutput, SmplTruth


def truth():
    frames = torch.arange(6.0)
    return SmplTruth(
        poses=frames[None, :, None].expand(2, 6, 72), betas=torch.zeros(2, 6, 10),
        cameras=frames[None, :, None].expand(2, 6, 3), valid=torch.ones(2, 6, dtype=torch.bool),
    )  # fmt: skip


def test_a_batch_moves_as_one_with_what_it_holds():
    batch = GaitBatch(torch.zeros(2, 6, 4, 3), torch.ones(2, 6).bool(), torch.zeros(2), torch.zeros(2), truth())
    moved = batch.to("meta")
    assert {x.device.type for x in (moved.silhouettes, moved.mask, moved.labels, moved.truth.valid)} == {"meta"}
    assert batch.silhouettes.device.type == "cpu"


def test_what_is_absent_stays_absent():
    assert GaitOutput(torch.zeros(1, 2, 3)).to("meta").logits is None


@pytest.mark.parametrize(("step", "kept"), [(1, [0, 1, 2, 3, 4, 5]), (2, [0, 2, 4]), (4, [0, 4])])
def test_truth_of_every_so_many_frames(step, kept):
    part = truth().every(step)
    assert part.poses[1, :, 5].tolist() == part.cameras[0, :, 2].tolist() == kept
    assert part.betas.shape == (2, len(kept), 10) and part.valid.shape == (2, len(kept))
