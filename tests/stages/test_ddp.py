"""Both stages on two processes (gloo, CPU) by Lightning's own DDP: they train, and count as one process would."""

import warnings
from datetime import timedelta
from typing import NamedTuple

import numpy as np
import pytest
import torch
from lightning import Callback, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.strategies import DDPStrategy

from meshgait.callbacks.embeddings_file import EmbeddingsFile
from meshgait.callbacks.evaluate import RetrievalEvaluation
from meshgait.callbacks.metrics_file import MetricsFile
from meshgait.callbacks.panels import HeatmapPanels
from meshgait.data.datamodule import BodyDataModule, SilhouetteDataModule
from meshgait.data.store import Store, StoreWriter
from meshgait.errors import ConfigError
from meshgait.models.meshgait import NetworkConfig
from meshgait.stages.config import BodyConfig, BodyLossWeights, Branch3DConfig
from meshgait.stages.recognise import RecogniseStage
from meshgait.stages.reconstruct import ReconstructStage
from tests.checkpoints import save_checkpoint
from tests.conftest import TINY
from tests.stages.two_processes import in_two_processes

pytestmark = pytest.mark.slow

SIMPLEX = BodyConfig(decoder="simplex")
FLAT, DETACHED = NetworkConfig(use_3d=False), NetworkConfig(detach_heatmaps=True)
POINTS_ALONE = BodyLossWeights(vertices=0.0, edges=0.0, normals=0.0)
CASES = {
    "stage 1": {"body": SIMPLEX},
    "stage 1, points alone": {"body": BodyConfig(decoder="simplex", losses=POINTS_ALONE)},
    "3d": {"body": SIMPLEX},
    "2d": {"network": FLAT},
    "identity alone": {"body": SIMPLEX, "branch_3d": Branch3DConfig(loss_weight=0.0), "network": DETACHED},
    "detached": {"network": DETACHED, "branch_3d": Branch3DConfig(lr_factor=0.5)},
    "frozen": {"body": SIMPLEX, "branch_3d": Branch3DConfig(freeze=True)},
    "body store": {"body": SIMPLEX, "network": DETACHED},
    "body store, 2d": {"network": FLAT},
    "no truth": {"body": SIMPLEX, "network": DETACHED},
}
EVALUATED = ("stage 1", "3d", "2d", "body store")


class Paths(NamedTuple):
    """What the processes share: a store, the same without truth, a checkpoint of stage 1."""

    store: str
    silent: str
    first: str


class Watch(Callback):
    """Keeps which sequences were trained on, per step and loader, and which parameters had a gradient."""

    def __init__(self):
        self.seen = []

    def on_after_backward(self, trainer, stage):
        self.trained = sorted(name for name, p in stage.named_parameters() if p.grad is not None)

    def on_train_batch_end(self, trainer, stage, outputs, batch, batch_idx):
        parts = batch if isinstance(batch, dict) else {"identity": batch}
        self.seen.append({name: part.indices.tolist() for name, part in parts.items()})


def make(case, paths):
    """Stage and data of a case.

    39 sequences are evaluated, 20 by the first process: it has one batch more than the other.
    """
    torch.manual_seed(0)
    options = CASES[case]
    if case.startswith("stage 1"):
        data = BodyDataModule(paths.store, batch_size=4, batches=2, eval_frames=13)
        return ReconstructStage(TINY, **options), data
    if case == "frozen":
        options = options | {"pretrained": paths.first}
    body = {"body_store": paths.store, "body_frames": 4} if case.startswith("body store") else {}
    store = paths.silent if body or case == "no truth" else paths.store
    data = SilhouetteDataModule(store, subjects=2, sequences=2, frames=3, batches=2, eval_sequences=19, **body)
    return RecogniseStage(TINY, 4, **options), data


def trainer(folder, data, callbacks=(), **options):
    evaluation = [RetrievalEvaluation()] if isinstance(data, SilhouetteDataModule) else []
    return Trainer(
        default_root_dir=folder, accelerator="cpu", max_epochs=1, callbacks=[*evaluation, *callbacks],
        logger=False, enable_progress_bar=False, enable_model_summary=False, use_distributed_sampler=False,
        **options,
    )  # fmt: skip


def numbers(runner):
    figures = runner.callback_metrics.items()
    return {name: float(value) for name, value in figures if name.startswith(("val/", "gei/"))}


def fit(case, paths, folder):
    """Fit for two steps with an evaluation behind them; the case "3d" with all that is written."""
    stage, data = make(case, paths)
    strategy = {"devices": 2, "num_sanity_val_steps": 0, "limit_val_batches": float(case in EVALUATED)}
    both = lambda: DDPStrategy(process_group_backend="gloo", timeout=timedelta(seconds=120))  # noqa: E731
    watch, whole = Watch(), case == "3d"
    callbacks = [watch]
    if whole:
        callbacks += [HeatmapPanels(1), MetricsFile(), ModelCheckpoint(folder / "checkpoints")]
    runner = trainer(folder, data, callbacks, strategy=both(), enable_checkpointing=whole, **strategy)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        runner.fit(stage, data)
    result = {
        "seen": watch.seen,
        "figures": numbers(runner),
        "weights": {name: value.numpy().copy() for name, value in stage.state_dict().items()},
        "warnings": [str(warning.message) for warning in caught],
        "trained": watch.trained,
        "trainable": sorted(name for name, p in stage.named_parameters() if p.requires_grad),
    }
    if whole:  # apart from a fit the module is not wrapped
        again = trainer(folder, data, [EmbeddingsFile()], strategy=both(), enable_checkpointing=False, **strategy)
        again.validate(stage, data, verbose=False)
        result["validated"] = numbers(again)
        again.predict(stage, data)
    return result


def fit_all(rank, paths, folder):
    """What one of the two processes finds in each case."""
    return {case: fit(case, paths, folder / f"rank {rank}" / case) for case in CASES}


@pytest.fixture(scope="module")
def paths(tmp_path_factory, tiny_store):
    """Stores of all sequences but the last, with and without truth."""
    folder, source = tmp_path_factory.mktemp("shared"), Store(tiny_store)
    for name, truth in (("store", True), ("silent", False)):
        writer = StoreWriter(folder / name, smpl=truth)
        for index, walk in enumerate(source.sequences[:-1]):
            arrays = source.smpl(index) if truth else {}
            writer.add(walk.subject, walk.condition, walk.view, source.silhouettes(index), **arrays)
        writer.finish(partition=source.partition)
    stage = ReconstructStage(TINY)
    save_checkpoint(stage, folder / "first.ckpt")
    return Paths(*(str(folder / name) for name in ("store", "silent", "first.ckpt")))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def results(paths, folder):
    """Results of all cases of both processes; this one is the first of them."""
    return in_two_processes(fit_all, paths, folder)


@pytest.mark.parametrize("case", CASES)
def test_two_processes_train_one_network(results, case):
    """No parameter that DDP waits for stays without a gradient, and both end with the same weights.

    Running statistics are each process's own until an evaluation makes them those of the first.
    """
    first, second = (result[case] for result in results)
    assert first["trained"] == first["trainable"] == second["trained"]
    assert len(first["seen"]) == 2
    assert first["weights"].keys() == second["weights"].keys()
    differ = {n for n, value in first["weights"].items() if not np.array_equal(value, second["weights"][n])}
    assert {n for n in differ if case in EVALUATED or "running" not in n} == set()
    assert first["figures"] == second["figures"]


def test_what_is_not_learnt_is_kept_still(results):
    trained = {case: results[0][case]["trained"] for case in CASES}
    learns = {case: any("lifter" in name for name in names) for case, names in trained.items()}
    assert [case for case, learnt in learns.items() if not learnt] == [
        "2d", "identity alone", "frozen", "body store, 2d", "no truth"
    ]  # fmt: skip
    gamma = [case for case, names in trained.items() if "supervision.mesh.gamma" in names]
    assert gamma == ["stage 1", "3d", "frozen", "body store"]


@pytest.mark.parametrize("case", EVALUATED)
def test_nothing_warns_of_figures_of_one_process_alone(results, case):
    for result in results:
        assert [text for text in result[case]["warnings"] if "sync_dist" in text or "unused" in text] == []


@pytest.mark.parametrize("case", ["3d", "body store", "stage 1"])
def test_a_batch_is_shared_out(results, paths, case):
    """Both slices together are the batch of one process, and no subject is in both."""
    _, data = make(case, paths)
    data.setup("fit")
    loaders = data.train_dataloader()
    if case == "body store":
        samplers = {name: part.batch_sampler for name, part in loaders.iterables.items()}
    else:
        samplers = {"identity": loaders.batch_sampler}
    for name, sampler in samplers.items():
        whole = [[draw.sequence for draw in batch] for batch in sampler]
        halves = [[step[name] for step in result[case]["seen"]] for result in results]
        assert [one + two for one, two in zip(*halves, strict=True)] == whole
        if name == "identity" and case != "stage 1":
            for one, two in zip(*halves, strict=True):
                subjects = [{data.labels[index] for index in half} for half in (one, two)]
                assert len(subjects[0]) == len(subjects[1]) == 1 and subjects[0] != subjects[1]


@pytest.mark.parametrize("case", EVALUATED)
def test_figures_are_those_of_one_process(results, paths, tmp_path, case):
    """To the last digit, also where the processes have unequal numbers of batches."""
    stage, data = make(case, paths)
    stage.load_state_dict({n: torch.from_numpy(value) for n, value in results[0][case]["weights"].items()})
    runner = trainer(tmp_path, data, enable_checkpointing=False)
    runner.validate(stage, data, verbose=False)
    alone, together = numbers(runner), results[0][case]["figures"]
    assert alone.keys() == together.keys() and len(alone) > 3 - ("2d" in case)
    if case == "stage 1":
        assert together.pop("val/loss") == pytest.approx(alone.pop("val/loss"), rel=1e-5)  # means of batches
    assert together == alone
    if case == "3d":
        assert results[0][case]["validated"] == results[1][case]["validated"] == alone


def test_the_first_process_alone_writes(results, folder):
    assert not (folder / "rank 1").exists()
    written = {path.name.split("-")[0] for path in (folder / "rank 0" / "3d").rglob("*") if path.is_file()}
    assert written >= {"metrics.json", "heatmaps", "epoch=0", "embeddings.npz"}


def test_embeddings_of_both_processes_are_one_file_in_the_order_of_the_store(results, paths, folder, tmp_path):
    stage, data = make("3d", paths)
    stage.load_state_dict({n: torch.from_numpy(value) for n, value in results[0]["3d"]["weights"].items()})
    trainer(tmp_path, data, [EmbeddingsFile()], enable_checkpointing=False).predict(stage, data)
    with np.load(tmp_path / "embeddings.npz") as one, np.load(folder / "rank 0" / "3d" / "embeddings.npz") as two:
        assert set(one) == set(two) and len(one["embeddings"]) == 79
        np.testing.assert_allclose(two["embeddings"], one["embeddings"], atol=1e-5)
        assert all(np.array_equal(one[name], two[name]) for name in ("labels", "types", "views"))


def test_more_devices_than_sequences_are_refused(paths, monkeypatch):
    data = BodyDataModule(paths.store)
    monkeypatch.setattr(data, "_ranks", lambda: {"rank": 0, "world": 40})
    with pytest.raises(ConfigError, match="39 sequences to evaluate for 40 devices"):
        data.val_dataloader()
