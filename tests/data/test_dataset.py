import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Subset

from meshgait.data.batch_samplers import SeededIndex, SubjectBatchSampler
from meshgait.data.dataset import SequenceDataset, identity_collate, read_batch
from meshgait.data.frame_sampler import FrameNumbers, FrameSampler, sample_frames
from meshgait.data.store import Store, StoreWriter

LENGTHS = (2, 5, 3)


@pytest.fixture(params=[1, 8], ids=["bits", "grey"])
def uneven(tmp_path, request):
    """Sequences of several lengths with truth, of a width that is no multiple of eight; and what is in them."""
    rng, arrays = np.random.default_rng(0), []
    writer = StoreWriter(tmp_path / "store", size=(8, 11), bits=request.param, smpl=True)
    for number, frames in enumerate(LENGTHS):
        silhouettes = rng.integers(0, 256, (frames, 8, 11), dtype=np.uint8)
        smpl = {name: rng.normal(size=(frames, n)) for name, n in (("poses", 72), ("betas", 10), ("cameras", 3))}
        writer.add(f"s{number}", "nm-01", "000", silhouettes, **smpl)
        arrays.append((silhouettes if request.param == 8 else 255 * (silhouettes > 127), smpl))
    writer.finish()
    return Store(tmp_path / "store"), arrays


def test_a_batch_is_its_sequences_padded_masked_and_scaled(uneven):
    store, arrays = uneven
    batch = SequenceDataset(store, [7, 8, 9], FrameSampler(0, "all"), truth=True).__getitems__([2, 1, 0])
    assert batch.silhouettes.shape == (3, 5, 8, 11)
    assert batch.silhouettes.dtype == torch.float32 and batch.silhouettes.is_contiguous()
    assert batch.labels.tolist() == [9, 8, 7] and batch.indices.tolist() == [2, 1, 0]
    for row, index in enumerate((2, 1, 0)):
        silhouettes, smpl = arrays[index]
        count = LENGTHS[index]
        assert batch.mask[row].tolist() == [True] * count + [False] * (5 - count)
        np.testing.assert_array_equal(batch.silhouettes[row, :count].numpy(), silhouettes.astype(np.float32) / 255)
        assert batch.silhouettes[row, count:].abs().sum() == 0
        for name, array in smpl.items():
            np.testing.assert_array_equal(
                getattr(batch.truth, name)[row, :count].numpy(), array.astype(np.float32)
            )
            assert getattr(batch.truth, name)[row, count:].abs().sum() == 0
    assert torch.equal(batch.truth.valid, batch.mask)


def test_silhouettes_and_truth_are_of_the_frames_that_the_seed_chooses(store):
    data = SequenceDataset(store, range(80), FrameSampler(3, "subset"), truth=True)
    batch = data[SeededIndex(7, 123)]
    frames = sample_frames(6, 3, "subset", 123)
    np.testing.assert_array_equal(batch.silhouettes[0].numpy(), store.silhouettes(7)[frames] / 255)
    for name, array in store.smpl(7).items():
        np.testing.assert_array_equal(getattr(batch.truth, name)[0].numpy(), array[frames])
    assert (batch.labels.tolist(), batch.indices.tolist()) == ([7], [7])


def test_a_plain_index_reads_too_and_truth_and_labels_are_there_only_if_wanted(store):
    data = SequenceDataset(store, None, FrameSampler(0, "all"), truth=False)
    assert len(data) == 80
    assert data[4].truth is None and data[4].labels.tolist() == [-1]
    np.testing.assert_array_equal(data[4].silhouettes[0].numpy(), store.silhouettes(4) / 255)


def test_a_sample_does_not_depend_on_what_else_is_in_the_batch(store):
    data = SequenceDataset(store, None, FrameSampler(2, "window", most=5), truth=True)
    draws = [SeededIndex(index, 17 * index + 1) for index in range(12)]
    whole = data.__getitems__(draws)
    assert len({int(n) for n in whole.mask.sum(1)}) > 1
    for row, draw in enumerate(draws):
        alone, count = data[draw], int(whole.mask[row].sum())
        assert torch.equal(alone.silhouettes[0], whole.silhouettes[row, :count])
        assert torch.equal(alone.truth.poses[0], whole.truth.poses[row, :count])


def test_frames_that_are_named_are_read(uneven):
    store, arrays = uneven
    frames = FrameNumbers(np.array([[4, 0], [1, 0]]), np.array([[True, True], [True, False]]))
    batch = read_batch(store, [1, 0], frames)
    np.testing.assert_array_equal(batch.silhouettes[0].numpy(), arrays[1][0][[4, 0]].astype(np.float32) / 255)
    np.testing.assert_array_equal(batch.silhouettes[1, 0].numpy(), arrays[0][0][1].astype(np.float32) / 255)
    assert batch.silhouettes[1, 1].sum() == 0 and batch.truth is None


def test_a_batch_moves_as_one(store):
    for truth in (True, False):
        batch = SequenceDataset(store, None, FrameSampler(2, "spread"), truth)[0].to("meta")
        assert batch.silhouettes.device.type == "meta"
        assert (batch.truth is not None and batch.truth.poses.device.type == "meta") == truth


@pytest.mark.parametrize("choice", [FrameSampler(3, "subset"), FrameSampler(2, "window", most=4, skip=1)], ids=str)
def test_workers_change_nothing(store, choice):
    labels = [int(s.subject) if int(s.subject) < 5 else -1 for s in store.sequences]
    data = SequenceDataset(store, labels, choice, truth=True)

    def batches(workers):
        sampler = SubjectBatchSampler(labels, 2, 2, 3, seed=1)
        sampler.set_epoch(1)
        return list(DataLoader(data, batch_sampler=sampler, collate_fn=identity_collate, num_workers=workers))

    for one, two in zip(batches(0), batches(2), strict=True):
        assert torch.equal(one.silhouettes, two.silhouettes)
        assert torch.equal(one.indices, two.indices)
        assert torch.equal(one.truth.cameras, two.truth.cameras)


def test_part_of_a_data_set_is_read_whole_batches_at_once_too(store, monkeypatch):
    data = SequenceDataset(store, None, FrameSampler(0, "all"), truth=False)
    monkeypatch.setattr(SequenceDataset, "__getitem__", None)
    batches = list(DataLoader(Subset(data, [5, 70, 3]), batch_size=2, collate_fn=identity_collate))
    assert [batch.indices.tolist() for batch in batches] == [[5, 70], [3]]
