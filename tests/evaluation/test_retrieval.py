"""Protocol scores against a foreign implementation's results and plain loops; the metric in parts."""

import warnings
from datetime import timedelta
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from einops import rearrange

from meshgait.data.protocols import SequenceNames, get_protocol, select
from meshgait.errors import ConfigError, DataError
from meshgait.evaluation.distances import pairwise
from meshgait.evaluation.retrieval import RetrievalMetrics
from meshgait.evaluation.scoring import evaluate


@pytest.fixture(scope="module")
def reference(shared_data):
    with np.load(shared_data / "reference" / "casia_b_metrics.npz", allow_pickle=False) as archive:
        return {key: archive[key] for key in archive.files}


@pytest.mark.slow
@pytest.mark.parametrize(("short", "distance"), [("euc", "euclidean"), ("cos", "cosine")])
def test_equals_opengait_on_casia_b(reference, short, distance):
    embeddings = rearrange(torch.from_numpy(reference["embeddings"]), "n d s -> n s d")
    walks = [
        SequenceNames(*row) for row in zip(*(reference[key] for key in ("labels", "types", "views")), strict=True)
    ]
    scores = evaluate(embeddings, select(walks, get_protocol("casia-b")), distance)
    cross = evaluate(embeddings, select(walks, get_protocol("casia-b-cross-view")), distance)
    for name in ("nm", "bg", "cl"):
        group = name.upper()
        np.testing.assert_array_equal(scores[name].cells, reference[f"{short}|acc_matrix|{group}"])
        assert scores[name].rank1 == pytest.approx(
            float(reference[f"{short}|scalar/test_accuracy/{group}@R1"]), abs=1e-10
        )
        prefix = f"{short}|cross_view|scalar/test_accuracy/{group}"
        assert cross[name].rank1 == pytest.approx(float(reference[f"{prefix}-Rank@1"]), abs=1e-10)
        assert cross[name].mean_ap == pytest.approx(float(reference[f"{prefix}-mAP"]), abs=1e-10)
        assert scores[name].probe_views == scores[name].gallery_views
        assert len(scores[name].probe_views) == 11


def _task(scoring="cells", exclude="same_view", subjects=6, views=3):
    """Two gallery and two probe sequences of each subject and view, in a shuffled order."""
    rows = [(s, v, k) for s in range(subjects) for v in range(views) for k in range(4)]
    rows = np.array(rows)[np.random.default_rng(0).permutation(len(rows))]
    return SimpleNamespace(
        labels=rows[:, 0],
        views=rows[:, 1],
        gallery=rows[:, 2] < 2,
        probes={"nm": rows[:, 2] == 2, "bg": rows[:, 2] == 3},
        exclude=exclude,
        scoring=scoring,
        view_names=tuple(f"{90 * v:03d}" for v in range(views)),
    )


def _embeddings(task, noise=1.0):
    centres = torch.randn(int(task.labels.max()) + 1, 2, 3)
    return centres[torch.as_tensor(task.labels)] + noise * torch.randn(len(task.labels), 2, 3)


def test_cells_equal_loops():
    task = _task()
    embeddings = _embeddings(task)
    scores = evaluate(embeddings, task)["nm"]
    distances = pairwise(embeddings, embeddings).numpy()
    wrong = 0
    for pv in range(3):
        for gv in range(3):
            right = []
            for p in np.flatnonzero(task.probes["nm"] & (task.views == pv)):
                gallery = np.flatnonzero(task.gallery & (task.views == gv))
                right.append(task.labels[gallery[distances[p, gallery].argmin()]] == task.labels[p])
            assert scores.cells[pv, gv] == round(100 * np.mean(right), 2)
            wrong += (not all(right)) and pv != gv and len(right) - sum(right)
    off = scores.cells[~np.eye(3, dtype=bool)]
    assert scores.rank1 == pytest.approx(off.mean())  # equally many of each view
    assert len(scores.wrong) == wrong > 0
    assert (scores.wrong[:, 0] != scores.wrong[:, 1]).all()
    assert scores.probe_views == ("000", "090", "180")


@pytest.mark.parametrize("exclude", ["none", "same_view", "same_subject_and_view"])
def test_pooled_equals_loops(exclude):
    task = _task("pooled", exclude)
    embeddings = _embeddings(task, 1.5)
    scores = evaluate(embeddings, task)["bg"]
    distances = pairwise(embeddings, embeddings).numpy()
    cmc, aps, inps = [], [], []
    for p in np.flatnonzero(task.probes["bg"]):
        listed = []
        for g in np.flatnonzero(task.gallery):
            same_view, same = task.views[g] == task.views[p], task.labels[g] == task.labels[p]
            if not {"none": False, "same_view": same_view, "same_subject_and_view": same and same_view}[exclude]:
                listed.append((distances[p, g], same))
        hits = [position for position, (_, same) in enumerate(sorted(listed), 1) if same]
        cmc.append(hits[0])
        aps.append(np.mean([(k + 1) / position for k, position in enumerate(hits)]))
        inps.append(len(hits) / hits[-1])
    assert scores.rank1 == scores.pooled_rank1 == pytest.approx(100 * np.mean(np.array(cmc) <= 1))
    assert scores.rank5 == pytest.approx(100 * np.mean(np.array(cmc) <= 5))
    assert scores.rank10 == pytest.approx(100 * np.mean(np.array(cmc) <= 10))
    assert scores.mean_ap == pytest.approx(100 * np.mean(aps))
    assert scores.mean_inp == pytest.approx(100 * np.mean(inps))
    assert scores.cells is None
    assert set(scores.numbers()) == {"rank1", "pooled_rank1", "rank5", "rank10", "mean_ap", "mean_inp"}


def test_same_view_pairs_do_not_help():
    # within a view everybody sits on his own spot, across views people are swapped
    task = _task(subjects=2, views=2)
    spot = np.where(task.views == 0, task.labels, 1 - task.labels) + 10 * task.views
    embeddings = torch.as_tensor(spot, dtype=torch.float32).reshape(-1, 1, 1)
    scores = evaluate(embeddings, task)["nm"]
    assert np.diag(scores.cells).tolist() == [100, 100]
    free = SimpleNamespace(**{**vars(task), "exclude": "none", "scoring": "pooled"})
    assert evaluate(embeddings, free)["nm"].rank1 == 100
    assert scores.rank1 < 100
    assert scores.pooled_rank1 < 100


def test_a_probe_without_a_match_is_an_error_in_cells_and_left_out_of_pooled():
    task = _task()
    embeddings = _embeddings(task, 0.0)
    task.gallery = task.gallery & (task.labels != 0)
    scores = evaluate(embeddings, task)["nm"]
    assert scores.rank1 == pytest.approx(100 * 5 / 6, abs=0.01)
    assert (scores.pooled_rank1, scores.unmatched, scores.probes) == (100, 3, 18)


def test_subjects_pool_samples():
    task = _task("subjects", "none")
    scores = evaluate(_embeddings(task, 0.1), task)["nm"]
    assert (scores.rank1, scores.probes, scores.mean_ap) == (100, 6, 100)


def test_bad_embeddings_and_hidden_labels():
    task = _task()
    embeddings = _embeddings(task)
    embeddings[5] = torch.nan
    with pytest.raises(DataError, match="1 sequences are not finite"):
        evaluate(embeddings, task)
    with pytest.raises(DataError, match="do not fit"):
        evaluate(embeddings[:-1], task)
    with pytest.raises(ConfigError, match="not public"):
        evaluate(embeddings, _task("hidden"))


def _equal(a, b):
    assert list(a) == list(b)
    for name in a:
        np.testing.assert_equal(a[name], b[name])


def test_metric_in_any_order_with_duplicates_equals_the_whole():
    task = _task()
    embeddings, total = _embeddings(task), len(task.labels)
    whole = evaluate(embeddings, task)
    metric = RetrievalMetrics(task)
    for part in [*torch.randperm(total).split(7), torch.arange(5)]:
        metric.update(embeddings[part], part)
    _equal(metric.compute(), whole)
    metric.reset()
    with pytest.raises(DataError, match="no sequence"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        metric.compute()


def test_metric_warns_of_what_is_missing():
    task = _task()
    embeddings = _embeddings(task)
    metric = RetrievalMetrics(task)
    metric.update(embeddings[:40], torch.arange(40))
    with pytest.warns(UserWarning, match=f"{len(task.labels) - 40} of the protocol's"):
        scores = metric.compute()
    assert scores["nm"].probes < 18


def _gathered(rank, file, task, embeddings, shares):
    """Scores that one of two processes gets for each way of sharing the sequences."""
    dist.init_process_group(
        "gloo", init_method=f"file://{file}", rank=rank, world_size=2, timeout=timedelta(seconds=90)
    )
    try:
        results = []
        for share in shares:
            metric = RetrievalMetrics(task)
            for part in share[rank]:
                metric.update(embeddings[part], part)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # torchmetrics speaks of the process without an update
                results.append(metric.compute())
        return results
    finally:
        dist.destroy_process_group()


def _other_process(queue, *arguments):
    torch.set_num_threads(1)
    queue.put(_gathered(1, *arguments))


@pytest.mark.slow
def test_two_processes_equal_the_whole_also_with_one_empty(tmp_path):
    task = _task()
    embeddings, order = _embeddings(task), torch.arange(len(task.labels))
    whole = evaluate(embeddings, task)
    halves = [order[::2].split(10), [*order[1::2].split(10), order[:3]]]  # the last is a sampler's padding
    arguments = (str(tmp_path / "store"), task, embeddings, [halves, [[], [order]], [[order], []]])
    context = mp.get_context("spawn")
    queue = context.SimpleQueue()
    other = context.Process(target=_other_process, args=(queue, *arguments))
    other.start()
    try:
        results = _gathered(0, *arguments) + queue.get()
    finally:
        other.join(10)
        other.kill()
    assert len(results) == 6
    for result in results:
        _equal(result, whole)
