from collections import Counter

import pytest
from torch.utils.data import DataLoader, Dataset

from meshgait.data.batch_samplers import SequenceBatchSampler, SubjectBatchSampler
from meshgait.errors import ConfigError

# subjects 0..4 with 6, 1, 2, 3, 4 sequences, and two sequences of nobody
LABELS = [0] * 6 + [1] + [2] * 2 + [-1] + [3] * 3 + [4] * 4 + [-1]


def sampler(**options):
    options = {"subjects": 3, "sequences": 4, "batches": 20, "seed": 5, **options}
    return SubjectBatchSampler(LABELS, **options)


def epoch(of, number=0):
    of.set_epoch(number)
    return list(of)


def test_each_batch_is_p_different_subjects_of_k_sequences():
    for batch in sampler():
        counts = Counter(LABELS[draw.sequence] for draw in batch)
        assert len(counts) == 3
        assert set(counts.values()) == {4}
        assert -1 not in counts


def test_a_subject_repeats_only_where_it_must():
    for batch in epoch(sampler(subjects=5)):
        for label, total in enumerate((6, 1, 2, 3, 4)):
            counts = Counter(draw.sequence for draw in batch if LABELS[draw.sequence] == label)
            assert sum(counts.values()) == 4
            assert len(counts) == min(total, 4)
            assert max(counts.values()) == -(-4 // min(total, 4))


def test_all_subjects_and_sequences_come_up():
    seen = Counter(draw.sequence for batch in epoch(sampler(batches=200)) for draw in batch)
    assert set(seen) == {index for index, label in enumerate(LABELS) if label >= 0}


def test_a_batch_depends_on_seed_epoch_and_number_alone():
    fresh, used = sampler(), sampler()
    epoch(used, 0)
    iterator = iter(used)  # a half-read epoch must not matter
    next(iterator)
    assert epoch(used, 3) == epoch(fresh, 3)
    assert epoch(fresh, 3) != epoch(fresh, 4)
    assert epoch(sampler(seed=6), 3) != epoch(fresh, 3)
    assert epoch(sampler(batches=7), 3) == epoch(fresh, 3)[:7]


def test_batches_of_an_epoch_differ():
    batches = [tuple(batch) for batch in epoch(sampler())]
    assert len(set(batches)) == len(batches) == 20


def test_seeds_of_draws_differ_even_for_the_same_sequence():
    seeds = [draw.seed for batch in epoch(sampler()) for draw in batch]
    assert len(set(seeds)) == len(seeds)


@pytest.mark.parametrize("world", [1, 2, 4])
def test_ranks_partition_the_global_batch_by_whole_subjects(world):
    whole = epoch(sampler(subjects=4), 2)
    shares = [epoch(sampler(subjects=4, rank=rank, world_size=world), 2) for rank in range(world)]
    for number, batch in enumerate(whole):
        assert [draw for share in shares for draw in share[number]] == batch
        for share in shares:
            counts = Counter(LABELS[draw.sequence] for draw in share[number])
            assert set(counts.values()) == {4} and len(counts) == 4 // world


def test_lightning_finds_set_epoch_where_it_looks_for_it():
    of = sampler()
    loader = DataLoader(_Echo(), batch_sampler=of)
    loader.batch_sampler.sampler.set_epoch(9)
    assert of.epoch == 9
    assert len(loader) == 20


class _Echo(Dataset):
    def __getitem__(self, draw):
        return draw


def test_a_subject_may_be_shared_among_ranks():
    shares = [epoch(sampler(subjects=3, rank=rank, world_size=6)) for rank in range(6)]
    for number, batch in enumerate(epoch(sampler(subjects=3))):
        assert [draw for share in shares for draw in share[number]] == batch
        assert {len(share[number]) for share in shares} == {2}


@pytest.mark.parametrize("options", [{"subjects": 6}, {"subjects": 3, "world_size": 8}])
def test_batches_that_cannot_be_made_are_refused(options):
    with pytest.raises(ConfigError):
        sampler(**options)


def test_single_frames_come_evenly_from_the_named_sequences():
    of = SequenceBatchSampler([3, 5, 8], 4, batches=300, seed=1)
    seen = Counter(draw.sequence for batch in epoch(of) for draw in batch)
    assert set(seen) == {3, 5, 8}
    # 1200 draws of three: a standard deviation is 16
    assert all(abs(count - 400) < 80 for count in seen.values())
    ranks = [epoch(SequenceBatchSampler([3, 5, 8], 4, 300, 1, rank, 2)) for rank in (0, 1)]
    assert [a + b for a, b in zip(*ranks, strict=True)] == epoch(of)


def test_batches_of_frames_that_cannot_be_made_are_refused():
    with pytest.raises(ConfigError, match="no sequence"):
        SequenceBatchSampler([], 4, 1)
    with pytest.raises(ConfigError, match="evenly"):
        SequenceBatchSampler([1], 5, 1, world_size=2)


def test_an_epoch_is_taken_up_behind_what_is_done():
    sampler = SequenceBatchSampler(range(9), 4, 5)
    whole = {}
    for epoch in (0, 1, 2):
        sampler.set_epoch(epoch)
        whole[epoch] = list(sampler)
    again = SequenceBatchSampler(range(9), 4, 5)
    again.set_epoch(1, 2)
    batches = iter(again)
    again.set_epoch(1)  # Lightning, when the epoch begins
    assert list(batches) == whole[1][2:] and len(again) == 5
    again.set_epoch(2)
    assert list(again) == whole[2]
