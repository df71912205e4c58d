import json
import signal
import subprocess
import sys

import numpy as np
import pytest
import torch
from lightning.pytorch.utilities.combined_loader import CombinedLoader

from meshgait.data.datamodule import BodyDataModule, SilhouetteDataModule
from meshgait.data.store import Store, StoreWriter
from meshgait.errors import ConfigError, DataError, StoreError

pytestmark = pytest.mark.slow

TRAIN, TEST = {"001", "002", "003", "004"}, {"005", "006", "007", "008"}


@pytest.fixture
def data(tiny_store):
    return SilhouetteDataModule(str(tiny_store), subjects=2, sequences=2, frames=3, batches=3, eval_sequences=7)


def subjects(store, indices):
    return {store.sequences[i].subject for i in indices}


@pytest.fixture(scope="module")
def silent_store(tmp_path_factory, tiny_store):
    """The same walkers without truth and without a partition."""
    path, source = tmp_path_factory.mktemp("silent") / "store", Store(tiny_store)
    writer = StoreWriter(path)
    for index, walk in enumerate(source.sequences):
        writer.add(walk.subject, walk.condition, walk.view, source.silhouettes(index))
    writer.finish()
    return path


def test_training_and_test_share_no_subject(data):
    seen = [subjects(data.store, batch.indices) for batch in data.train_dataloader()]
    assert set().union(*seen) <= TRAIN
    tested = set().union(*(subjects(data.store, batch.indices) for batch in data.val_dataloader()))
    assert tested == TEST
    assert not (data.split.train & data.split.test).any()


def test_labels_are_dense_over_the_training_subjects_alone(data):
    assert data.num_subjects == 4
    by_subject = {}
    for walk, label in zip(data.store.sequences, data.labels, strict=True):
        by_subject.setdefault(walk.subject, set()).add(label)
    assert {name: labels for name, labels in by_subject.items() if name in TEST} == {name: {-1} for name in TEST}
    assert sorted(min(by_subject[name]) for name in TRAIN) == [0, 1, 2, 3]
    assert all(len(labels) == 1 for labels in by_subject.values())


def test_batches_are_p_times_k_with_the_labels_of_their_sequences(data):
    for batch in data.train_dataloader():
        assert batch.silhouettes.shape == (4, 3, 64, 44)
        assert batch.mask.all()
        assert sorted(np.unique(batch.labels, return_counts=True)[1].tolist()) == [2, 2]
        assert batch.labels.tolist() == [data.labels[i] for i in batch.indices]
        assert batch.truth is not None


def test_evaluation_reads_each_sequence_once_and_whole(data):
    batches = list(data.val_dataloader())
    assert [len(batch.indices) for batch in batches] == [7, 7, 7, 7, 7, 5]
    indices = torch.cat([batch.indices for batch in batches]).tolist()
    assert indices == [i for i, walk in enumerate(data.store.sequences) if walk.subject in TEST]
    assert all(batch.silhouettes.shape[1] == 6 for batch in batches)
    assert data.test_dataloader().__class__ is data.val_dataloader().__class__


def test_evaluation_caps_frames_and_leaves_out_what_is_neither_gallery_nor_probe(tiny_store):
    data = SilhouetteDataModule(str(tiny_store), protocol="usf", eval_frames=4)
    with pytest.raises(DataError, match="gallery"):
        data.val_dataloader()
    data = SilhouetteDataModule(str(tiny_store), eval_frames=4)
    assert next(iter(data.val_dataloader())).silhouettes.shape[1] == 4


def test_prediction_reads_every_sequence(data):
    indices = torch.cat([batch.indices for batch in data.predict_dataloader()])
    assert indices.tolist() == list(range(80))


def test_ranks_share_evaluation_without_overlap(data, monkeypatch):
    parts = []
    for rank in (0, 1, 2):
        monkeypatch.setattr(data, "_ranks", lambda rank=rank: {"rank": rank, "world": 3})
        parts.append([int(i) for batch in data.val_dataloader() for i in batch.indices])
    assert sorted(i for part in parts for i in part) == [
        i for i, walk in enumerate(data.store.sequences) if walk.subject in TEST
    ]


def test_a_partition_file_comes_before_that_of_the_store(tiny_store, tmp_path):
    path = tmp_path / "partition.json"
    path.write_text(json.dumps({"TRAIN_SET": ["005", "006"], "TEST_SET": ["001", "002", "003"]}))
    data = SilhouetteDataModule(str(tiny_store), partition=str(path))
    assert data.num_subjects == 2
    assert subjects(data.store, np.flatnonzero(data.split.test)) == {"001", "002", "003"}


def test_truth_is_left_out_on_request_and_where_there_is_none(tiny_store, silent_store, tmp_path):
    data = SilhouetteDataModule(str(tiny_store), subjects=2, truth=False)
    assert next(iter(data.train_dataloader())).truth is None
    path = tmp_path / "partition.json"
    path.write_text(json.dumps({"TRAIN_SET": sorted(TRAIN), "TEST_SET": sorted(TEST)}))
    data = SilhouetteDataModule(str(silent_store), subjects=2, partition=str(path))
    assert next(iter(data.train_dataloader())).truth is None


def test_silhouettes_alone_get_frames_with_truth_beside_them(tiny_store, silent_store, tmp_path):
    path = tmp_path / "partition.json"
    path.write_text(json.dumps({"TRAIN_SET": sorted(TRAIN), "TEST_SET": sorted(TEST)}))
    data = SilhouetteDataModule(
        str(silent_store), subjects=2, partition=str(path), batches=3, body_store=str(tiny_store), body_frames=5
    )
    loader = data.train_dataloader()
    assert isinstance(loader, CombinedLoader)
    batches = [batch for batch, _, _ in loader]
    assert len(batches) == 3
    for batch in batches:
        assert batch["identity"].truth is None
        assert batch["body"].silhouettes.shape == (5, 1, 64, 44)
        assert batch["body"].truth is not None
        assert subjects(Store(tiny_store), batch["body"].indices) <= TRAIN


def test_without_a_partition_the_split_is_refused_with_the_remedy(silent_store):
    with pytest.raises(DataError, match="partition"):
        _ = SilhouetteDataModule(str(silent_store)).num_subjects


def test_frames_for_3d_come_from_training_subjects_and_errors_from_test_subjects(tiny_store):
    data = BodyDataModule(str(tiny_store), batch_size=6, batches=4, eval_frames=2)
    for batch in data.train_dataloader():
        assert batch.silhouettes.shape == (6, 1, 64, 44)
        assert subjects(data.store, batch.indices) <= TRAIN
    batches = list(data.val_dataloader())
    assert set().union(*(subjects(data.store, b.indices) for b in batches)) == TEST
    assert sum(int(b.mask.sum()) for b in batches) == 40 * 2
    assert batches[0].truth.poses.shape[-1] == 72


def test_3d_without_truth_is_refused_with_the_remedy(silent_store, tmp_path):
    path = tmp_path / "partition.json"
    path.write_text(json.dumps({"TRAIN_SET": ["001"], "TEST_SET": ["002"]}))
    data = BodyDataModule(str(silent_store), partition=str(path))
    with pytest.raises(DataError, match="meshgait walkers"):
        data.train_dataloader()


def test_the_same_epoch_comes_again_and_another_one_differs(data):
    def epoch(number):
        loader = data.train_dataloader()
        loader.batch_sampler.sampler.set_epoch(number)
        return [batch.silhouettes for batch in loader]

    assert all(torch.equal(a, b) for a, b in zip(epoch(1), epoch(1), strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(epoch(0), epoch(1), strict=True))


@pytest.mark.parametrize(
    ("kind", "wrong"),
    [
        (SilhouetteDataModule, {"batches": 0}),
        (SilhouetteDataModule, {"workers": -1}),
        (SilhouetteDataModule, {"sequences": 0}),
        (SilhouetteDataModule, {"subjects": 0}),
        (SilhouetteDataModule, {"frames": 0}),
        (SilhouetteDataModule, {"eval_sequences": 0}),
        (SilhouetteDataModule, {"eval_frames": -1}),
        (SilhouetteDataModule, {"body_frames": 0}),
        (SilhouetteDataModule, {"protocol": "walker"}),
        (SilhouetteDataModule, {"seed": -1}),
        (BodyDataModule, {"batch_size": 0}),
        (BodyDataModule, {"eval_frames": 0}),
    ],
    ids=str,
)
def test_settings_out_of_range_are_refused_before_anything_is_read(kind, wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        kind("nowhere", **wrong)


def test_more_subjects_than_there_are_is_refused(tiny_store):
    with pytest.raises(ConfigError, match=r"wants 5 subjects, the data have 4"):
        SilhouetteDataModule(str(tiny_store), subjects=5).train_dataloader()


def test_a_missing_store_is_named():
    with pytest.raises(StoreError, match="nowhere"):
        _ = SilhouetteDataModule("nowhere").num_subjects


def test_what_is_wrong_with_the_data_shows_before_training(tiny_store, silent_store, tmp_path):
    path = tmp_path / "partition.json"
    path.write_text(json.dumps({"TRAIN_SET": sorted(TRAIN), "TEST_SET": ["005"]}))
    with pytest.raises(ConfigError, match="subjects"):
        SilhouetteDataModule(str(tiny_store), subjects=5).setup("fit")
    with pytest.raises(DataError, match="meshgait walkers"):
        BodyDataModule(str(silent_store), partition=str(path)).setup("fit")
    few = tmp_path / "few"
    writer = StoreWriter(few)
    source = Store(tiny_store)
    for index, walk in enumerate(source.sequences):
        if walk.condition != "nm-01" and walk.condition != "nm-02":  # no gallery
            writer.add(walk.subject, walk.condition, walk.view, source.silhouettes(index))
    writer.finish()
    with pytest.raises(DataError, match="gallery"):
        SilhouetteDataModule(str(few), partition=str(path), subjects=2).setup("fit")


@pytest.mark.skipif(not hasattr(signal, "sigwaitinfo"), reason="the system does not tell who sent a signal")
def test_loading_processes_heed_the_trainer_alone(tiny_store):
    """SLURM sends SIGTERM to all processes; the trainer saves first, and ends its loaders itself."""
    data = SilhouetteDataModule(str(tiny_store), subjects=2, sequences=2, frames=2, batches=12, workers=1)
    batches = iter(data.train_dataloader())
    first = next(batches)
    (worker,) = batches._workers
    for number in (signal.SIGTERM, signal.SIGUSR1):  # by another process
        subprocess.run([sys.executable, "-c", f"import os; os.kill({worker.pid}, {int(number)})"], check=True)
    rest = list(batches)
    assert len(rest) == 11 and first.silhouettes.shape == rest[-1].silhouettes.shape
    assert worker.is_alive()
    worker.terminate()
    worker.join(20)
    assert worker.exitcode == 0
