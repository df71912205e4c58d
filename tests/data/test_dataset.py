import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from meshgait.data.dataset import Sample, SequenceDataset, collate
from meshgait.data.sampling import Draw, SubjectBatchSampler, choose_frames


def test_silhouettes_and_truth_are_of_the_same_frames(store):
    data = SequenceDataset(store, list(range(80)), 3, "subset", truth=True)
    sample = data[Draw(7, 123)]
    frames = choose_frames(6, 3, "subset", 123)
    np.testing.assert_array_equal(sample.silhouettes, store.silhouettes(7)[frames])
    for name, array in store.smpl(7).items():
        np.testing.assert_array_equal(sample.truth[name], array[frames])
    assert (sample.label, sample.index) == (7, 7)


def test_a_plain_index_reads_too_and_truth_is_read_only_if_wanted(store):
    data = SequenceDataset(store, [0] * 80, 0, "all", truth=False)
    assert len(data) == 80
    assert data[4].truth is None
    np.testing.assert_array_equal(data[4].silhouettes, store.silhouettes(4))


def _sample(frames, label, truth=True):
    rng = np.random.default_rng(label)
    arrays = {name: rng.normal(size=(frames, n)).astype(np.float32) for name, n in (("poses", 72), ("betas", 10))}
    arrays |= {"cameras": np.full((frames, 3), label, np.float32), "valid": np.ones(frames, bool)}
    silhouettes = rng.integers(1, 256, (frames, 4, 3), dtype=np.uint8)
    return Sample(silhouettes, label, label + 10, arrays if truth else None)


def test_collation_pads_and_masks_and_scales():
    samples = [_sample(2, 0), _sample(5, 1)]
    batch = collate(samples)
    assert batch.silhouettes.shape == (2, 5, 4, 3)
    assert batch.silhouettes.dtype == torch.float32
    np.testing.assert_allclose(batch.silhouettes[1].numpy(), samples[1].silhouettes / 255, atol=1e-6)
    np.testing.assert_allclose(batch.silhouettes[0, :2].numpy(), samples[0].silhouettes / 255, atol=1e-6)
    assert batch.mask.tolist() == [[True, True, False, False, False], [True] * 5]
    assert batch.silhouettes[0, 2:].abs().sum() == 0
    assert batch.labels.tolist() == [0, 1]
    assert batch.indices.tolist() == [10, 11]
    np.testing.assert_array_equal(batch.truth.poses[0, :2].numpy(), samples[0].truth["poses"])
    assert batch.truth.valid.dtype == torch.bool
    assert torch.equal(batch.truth.valid, batch.mask)


def test_truth_is_there_only_if_all_samples_have_it():
    assert collate([_sample(2, 0), _sample(2, 1, truth=False)]).truth is None


def test_a_batch_moves_as_one():
    batch = collate([_sample(2, 0)]).to("meta")
    assert batch.silhouettes.device.type == batch.truth.poses.device.type == "meta"
    batch = collate([_sample(2, 0, truth=False)]).to("meta")
    assert batch.truth is None


@pytest.mark.parametrize("mode", ["subset", "window"])
def test_workers_change_nothing(store, mode):
    labels = [int(s.subject) if int(s.subject) < 5 else -1 for s in store.sequences]
    data = SequenceDataset(store, labels, 3, mode, truth=True)

    def batches(workers):
        sampler = SubjectBatchSampler(labels, 2, 2, 3, seed=1)
        sampler.set_epoch(1)
        return list(DataLoader(data, batch_sampler=sampler, collate_fn=collate, num_workers=workers))

    for one, two in zip(batches(0), batches(2), strict=True):
        assert torch.equal(one.silhouettes, two.silhouettes)
        assert torch.equal(one.indices, two.indices)
        assert torch.equal(one.truth.cameras, two.truth.cameras)
