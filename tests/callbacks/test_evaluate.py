from types import SimpleNamespace

import numpy as np
import pytest
import torch

from meshgait.callbacks.evaluate import RetrievalEvaluation, cell_table, flatten, shared_traits
from meshgait.data.datamodule import SilhouetteDataModule
from meshgait.evaluation.gei import gei_scores
from meshgait.evaluation.scoring import evaluate


@pytest.fixture
def data(tiny_store):
    return SilhouetteDataModule(str(tiny_store))


class Module:
    device = torch.device("cpu")

    def __init__(self):
        self.logged = {}

    def log_dict(self, values, **_):
        self.logged |= values


def run(callback, data, embeddings, sanity=False, batches=4):
    """Feed the embeddings of the test sequences through the callback, in batches and out of order."""
    trainer = SimpleNamespace(datamodule=data, sanity_checking=sanity, is_global_zero=True)
    module = Module()
    order = np.random.default_rng(0).permutation(np.flatnonzero(data.split.test))
    callback.on_validation_epoch_start(trainer, module)
    for number, part in enumerate(np.array_split(order, batches)):
        outputs, batch = SimpleNamespace(embeddings=embeddings[part]), SimpleNamespace(indices=torch.tensor(part))
        callback.on_validation_batch_end(trainer, module, outputs, batch, number)
    callback.on_validation_epoch_end(trainer, module)
    return module.logged


def test_embeddings_that_name_the_subject_are_all_right(data):
    embeddings = torch.nn.functional.one_hot(torch.tensor(data.selection.labels)).float()[:, None]
    logged = run(RetrievalEvaluation(), data, embeddings)
    for name in ("rank1", "rank1_nm", "rank1_bg", "rank1_cl", "mean_ap_nm", "mean_inp_cl"):
        assert logged[f"val/{name}"] == pytest.approx(100)


def test_scores_are_those_of_the_protocol_whatever_the_order_of_batches(data):
    embeddings = torch.randn(80, 4, 5)
    logged = run(RetrievalEvaluation(), data, embeddings)
    expected = evaluate(embeddings, data.selection)
    for name, score in expected.items():
        assert logged[f"val/rank1_{name}"] == pytest.approx(score.rank1)
        assert logged[f"val/mean_ap_{name}"] == pytest.approx(score.mean_ap, abs=1e-3)
    assert logged["val/rank1"] == pytest.approx(np.mean([score.rank1 for score in expected.values()]))


def test_the_baseline_stands_beside_it(data):
    logged = run(RetrievalEvaluation(), data, torch.randn(80, 4, 5))
    expected = gei_scores(data.store.silhouettes, data.selection)
    assert logged["gei/rank1_nm"] == pytest.approx(expected["nm"].rank1)
    assert {name for name in logged if name.startswith("gei/")} == {
        name.replace("val/", "gei/") for name in logged if name.startswith("val/")
    }


def test_the_distance_matters(data):
    """Embeddings that tell subjects by direction alone, their lengths being noise."""
    labels = torch.tensor(data.selection.labels)
    lengths = torch.logspace(-2, 2, 80)[torch.randperm(80)]
    embeddings = (torch.nn.functional.one_hot(labels) * lengths[:, None])[:, None]
    assert run(RetrievalEvaluation("cosine"), data, embeddings)["val/rank1"] == pytest.approx(100)
    assert run(RetrievalEvaluation("euclidean"), data, embeddings)["val/rank1"] < 99


def test_each_evaluation_starts_anew(data):
    callback = RetrievalEvaluation()
    run(callback, data, torch.randn(80, 4, 5))
    embeddings = torch.nn.functional.one_hot(torch.tensor(data.selection.labels)).float()[:, None]
    assert run(callback, data, embeddings)["val/rank1"] == pytest.approx(100)


def test_a_sanity_check_logs_nothing(data):
    assert run(RetrievalEvaluation(), data, torch.randn(80, 4, 5), sanity=True, batches=1) == {}


def test_flat_names():
    score = SimpleNamespace(
        rank1=50.0, numbers=lambda: {"rank1": 50.0, "rank5": 60, "mean_ap": 70, "mean_inp": 80}
    )
    other = SimpleNamespace(
        rank1=100.0, numbers=lambda: dict.fromkeys(("rank1", "rank5", "mean_ap", "mean_inp"), 100)
    )
    flat = flatten({"nm": score, "cl": other}, "val")
    assert flat["val/rank1"] == 75
    assert (flat["val/rank1_nm"], flat["val/mean_inp_nm"], flat["val/rank5_cl"]) == (50, 80, 100)


def test_wrong_finds_are_told_by_what_the_two_share():
    traits = {"a": {"body": 1, "style": 1}, "b": {"body": 1, "style": 2}, "c": {"body": 3, "style": 2}}
    # the store knows a training subject ("d") of which there are no traits
    wrong = SimpleNamespace(wrong=np.array([[0, 1], [1, 2], [0, 2], [2, 0]]))
    got = shared_traits({"nm": wrong}, ["a", "b", "c", "d"], traits)
    assert got == {"wrong": 4, "same body": 1, "same style": 1, "other": 2}


def test_cells_become_plain_lists():
    assert cell_table(SimpleNamespace(cells=np.array([[1.0, 2.0]]))) == [[1.0, 2.0]]
    assert cell_table(SimpleNamespace(cells=None)) is None
