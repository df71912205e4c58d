"""Walkers that are made while a network trains: who they are, how long they stay, what goes wrong."""

import multiprocessing
import os
import shutil
import signal
import time
from dataclasses import replace

import numpy as np
import pytest
import torch

from meshgait.data.frame_sampler import FrameSampler
from meshgait.data.store import Store
from meshgait.errors import ConfigError, OutputError
from meshgait.models.heads import StripClassifier
from meshgait.synthetic.datamodule import RingBatchSampler, ShardDataset, WalkerStreamDataModule
from meshgait.synthetic.population import WalkerSettings
from meshgait.synthetic.shard_ring import ShardRing
from meshgait.synthetic.sharded_store import ShardedStore

WALKERS = WalkerSettings(
    bodies=2, styles=2, test_fraction=0.0, views=(0, 90), conditions=("nm-01", "bg-01"), frames=4, seed=5
)
PEOPLE, WALKS, SHARDS = 4, 4, 2
LAST = 4
"""Shards that are made once for all tests."""


class MadeRing(ShardRing):
    """Shards that are there already, so that no process is needed."""

    def wait(self, epoch):
        assert all(self.path(number).exists() for number in self.window(epoch))


@pytest.fixture(scope="module")
def ring(tmp_path_factory) -> ShardRing:
    made = MadeRing(tmp_path_factory.mktemp("ring"), WALKERS, SHARDS, ahead=LAST - SHARDS, workers=1)
    while made.make_next(0):
        pass
    return made


@pytest.fixture
def sharded(ring) -> ShardedStore:
    return ShardedStore(ring.path, PEOPLE * WALKS, WALKERS.frames)


def sampler_of(ring, **more) -> RingBatchSampler:
    return RingBatchSampler(ring, PEOPLE, WALKS, subjects=6, sequences=3, batches=5, **more)


def batches(sampler, epoch, done=0):
    sampler.set_epoch(epoch, done)
    return list(sampler)


def test_each_shard_has_people_of_its_own(ring):
    shapes = [np.unique(Store(ring.path(number)).smpl(0)["betas"]) for number in range(LAST)]
    assert len({shape.tobytes() for shape in shapes}) == LAST
    assert len({ring.settings(number).seed for number in range(1000)}) == 1000


def test_a_shard_is_the_same_whoever_makes_it(ring, tmp_path):
    other = ShardRing(tmp_path, WALKERS, shards=1, ahead=1, workers=2)
    assert other.make_next(1)
    assert Store(other.path(1)).hash == Store(ring.path(1)).hash


def test_shards_before_the_epoch_are_removed_and_missing_ones_made_in_order(tmp_path):
    small = ShardRing(tmp_path, replace(WALKERS, views=(0,), conditions=("nm-01",), frames=1), 1, 1, 1)
    made = [small.make_next(epoch) for epoch in (0, 0, 0, 1, 1)]
    assert made == [True, True, False, True, False]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["shard-000001", "shard-000002"]


def test_shards_read_as_one_store(ring, sharded):
    rng = np.random.default_rng(0)
    indices = rng.integers(0, LAST * PEOPLE * WALKS, 40)
    starts, lengths = sharded.spans(indices)
    rows = starts + rng.integers(0, lengths)
    silhouettes, truth = sharded.read(rows), sharded.truth(rows)
    for place, (index, row) in enumerate(zip(indices.tolist(), rows.tolist(), strict=True)):
        store, inside = Store(ring.path(index // 16)), index % 16
        frame = np.array([row - index * WALKERS.frames])
        np.testing.assert_array_equal(silhouettes[place] * np.uint8(255), store.silhouettes(inside, frame)[0])
        np.testing.assert_array_equal(truth["poses"][place], store.smpl(inside, frame)["poses"][0])
    assert sharded.sequences[17].subject == f"1-{Store(ring.path(1)).sequences[1].subject}"


def test_batches_are_of_the_shards_of_the_epoch(ring):
    for epoch in range(LAST - SHARDS + 1):
        drawn = np.array([[draw.sequence for draw in batch] for batch in batches(sampler_of(ring), epoch)])
        assert set(np.unique(drawn // (PEOPLE * WALKS))) == set(ring.window(epoch))
        people = drawn.reshape(5, 6, 3) // WALKS
        assert (people == people[..., :1]).all()  # three walks of each
        assert all(len(np.unique(batch)) == 6 for batch in people[..., 0])
        assert all(len(np.unique(walks)) == 3 for walks in drawn.reshape(-1, 3))


def test_a_class_is_one_person_as_long_as_that_one_stays(ring, sharded):
    data = ShardDataset(sharded, SHARDS * PEOPLE, WALKS, FrameSampler(2, "subset"), truth=True)
    who: dict[int, dict[int, str]] = {}
    for epoch in range(LAST - SHARDS + 1):
        for draws in batches(sampler_of(ring), epoch):
            batch = data.__getitems__(draws)
            for label, index in zip(batch.labels.tolist(), batch.indices.tolist(), strict=True):
                name = sharded.sequences[index].subject
                assert who.setdefault(epoch, {}).setdefault(label, name) == name
    module = WalkerStreamDataModule.__new__(WalkerStreamDataModule)
    module.ring, module.people = ring, PEOPLE
    for epoch in range(1, LAST - SHARDS + 1):
        both = who[epoch].keys() & who[epoch - 1].keys()
        changed = {label for label in both if who[epoch][label] != who[epoch - 1][label]}
        assert changed == both & set(module.replaced_labels(epoch))
        assert changed
    assert not module.replaced_labels(0)


def test_an_epoch_goes_on_where_it_stopped_and_two_devices_share_it(ring):
    whole = batches(sampler_of(ring), 1)
    assert batches(sampler_of(ring), 1, done=3) == whole[3:]
    halves = [batches(sampler_of(ring, rank=rank, world_size=2), 1) for rank in range(2)]
    assert [a + b for a, b in zip(*halves, strict=True)] == whole


@pytest.mark.parametrize("name", ["shards", "ahead"])
def test_a_ring_has_shards(tmp_path, name):
    with pytest.raises(ConfigError, match=f"data.{name} is 0"):
        ShardRing(tmp_path, WALKERS, **{"shards": 1, "ahead": 1, "workers": 1, name: 0})


def wait_until(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)


def test_a_process_makes_them_ahead_and_ends_with_the_training(tmp_path):
    tiny = ShardRing(tmp_path / "ring", replace(WALKERS, views=(0,), conditions=("nm-01",), frames=1), 1, 1, 1)
    tiny.open()
    try:
        second = ShardRing(tmp_path / "ring", WALKERS, 1, 1, 1)
        with pytest.raises(OutputError, match="in use by another training"):
            second.open()
        tiny.wait(0)
        assert Store(tiny.path(0)).hash
        tiny.wait(1)
        wait_until(lambda: tiny.path(2).exists() and not tiny.path(0).exists())
        os.kill(tiny._maker.pid, signal.SIGKILL)
        tiny._maker.join()
        with pytest.raises(OutputError, match="was killed"):
            tiny.wait(5)
    finally:
        tiny.close()
    assert not multiprocessing.active_children()


def test_a_folder_with_anything_else_is_left_alone(ring, tmp_path):
    tiny = ShardRing(tmp_path, WALKERS, 1, 1, 1)
    foreign = tmp_path / "notes.txt"
    foreign.write_text("mine")
    with pytest.raises(OutputError, match=r"holds notes\.txt"):
        tiny.open()
    foreign.unlink()
    tiny.path(0).mkdir()
    (tiny.path(0) / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match="shard-000000 exists and is no packed store"):
        tiny.open()
    assert (tiny.path(0) / "notes.txt").exists()
    shutil.rmtree(tiny.path(0))
    shutil.copytree(ring.path(1), tiny.path(2))
    with pytest.raises(OutputError, match=r"made with other settings \(seed\)"):
        tiny.open()
    assert not multiprocessing.active_children()


def test_what_the_process_cannot_do_is_said(tmp_path):
    tiny = ShardRing(tmp_path, WALKERS, 1, 1, 1)
    partial = tmp_path / "shard-000001.partial"
    partial.mkdir()
    (partial / "head.json").write_text("{}")
    tiny.open()
    try:
        with pytest.raises(OutputError, match=r"shard-000001\.partial was begun with other settings"):
            tiny.wait(1)
    finally:
        tiny.close()


def test_new_people_have_new_vectors_in_the_classifier_and_others_keep_theirs():
    head = StripClassifier(2, 3, 8)
    before = head.weight.detach().clone()
    head.reset_classes(range(2, 5), torch.Generator().manual_seed(1))
    changed = (head.weight != before).any(0).any(0)
    assert changed.tolist() == [2 <= number < 5 for number in range(8)]
    again = StripClassifier(2, 3, 8)
    again.reset_classes(range(2, 5), torch.Generator().manual_seed(1))
    torch.testing.assert_close(again.weight[..., 2:5], head.weight[..., 2:5])
