"""Ranks, AP and INP against plain loops; distances between persons; kinds of errors."""

import numpy as np
import pytest
import torch

from meshgait.evaluation import ranking as ranking_module
from meshgait.evaluation.distances import pairwise
from meshgait.evaluation.ranking import LabelledEmbeddings, error_breakdown, rank, subject_distances


def _loop(distances, match, removed):
    """(first, AP, INP, matches) of one probe, by walking down the sorted list."""
    order = sorted((d, i) for i, d in enumerate(distances) if not removed[i])
    hits, precisions, first, last = 0, [], None, 0
    for position, (_, i) in enumerate(order, 1):
        if match[i]:
            hits += 1
            precisions.append(hits / position)
            first, last = first or position, position
    return first, np.mean(precisions) if hits else 0, hits / last if hits else 0, hits


def test_equals_loops():
    generator = torch.Generator().manual_seed(3)
    distances = torch.rand(60, 25, generator=generator).mul(20).round()  # many ties
    match = torch.rand(60, 25, generator=generator) < 0.2
    removed = torch.rand(60, 25, generator=generator) < 0.3
    ranking = rank(distances, match, removed)
    unmatched = 0
    for row in range(60):
        first, ap, inp, matches = _loop(distances[row].tolist(), match[row].tolist(), removed[row].tolist())
        assert ranking.matches[row] == matches
        assert ranking.ap[row].item() == pytest.approx(ap)
        assert ranking.inp[row].item() == pytest.approx(inp)
        if matches:
            assert ranking.first[row] == first
        unmatched += not matches
    assert unmatched < 30


def test_closed_forms():
    distances = torch.arange(6.0).expand(3, 6)
    nothing = torch.zeros(3, 6, dtype=torch.bool)
    match = nothing.clone()
    match[0, [0, 1, 2]] = True  # perfect
    match[1, [1, 3]] = True  # ranks 2 and 4: AP (1/2 + 2/4) / 2, INP 2/4
    match[2, 5] = True  # last: AP = INP = 1/6
    ranking = rank(distances, match, nothing)
    assert ranking.first.tolist() == [1, 2, 6]
    torch.testing.assert_close(ranking.ap, torch.tensor([1.0, 0.5, 1 / 6], dtype=torch.float64))
    torch.testing.assert_close(ranking.inp, torch.tensor([1.0, 0.5, 1 / 6], dtype=torch.float64))


def test_ties_go_to_the_earlier_and_removed_pairs_change_no_rank():
    distances = torch.tensor([[1.0, 1.0, 0.0, 1.0]])
    removed = torch.tensor([[False, False, True, False]])
    second = rank(distances, torch.tensor([[False, True, True, False]]), removed)
    assert (second.first.item(), second.matches.item(), second.nearest.item()) == (2, 1, 0)
    first = rank(distances, torch.tensor([[True, False, False, False]]), removed)
    assert (first.first.item(), first.ap.item()) == (1, 1.0)


def test_subject_distances_equal_loops():
    embeddings, labels = torch.randn(20, 2, 3), torch.arange(20) % 4
    gallery, gallery_labels = torch.randn(15, 2, 3), torch.arange(15) % 5 + 10
    views = torch.zeros(20, dtype=torch.int64)
    result, rows, columns = subject_distances(
        LabelledEmbeddings(embeddings, labels, views),
        LabelledEmbeddings(gallery, gallery_labels, views[:15]),
        "euclidean",
    )
    assert rows.tolist() == [0, 1, 2, 3]
    assert columns.tolist() == [10, 11, 12, 13, 14]
    every = pairwise(embeddings, gallery).numpy()
    for r in range(4):
        for c in range(5):
            least = [
                min(every[i, j] ** 2 for j in range(15) if gallery_labels[j] == columns[c])
                for i in range(20)
                if labels[i] == r
            ]
            assert result[r, c].item() == pytest.approx(np.mean(least), rel=1e-5)


def test_error_breakdown():
    body, style = ["thin", "thin", "tall", "tall"], [1, 2, 1, 2]
    wrong = np.array([[0, 1], [0, 1], [0, 2], [0, 3], [3, 2]])
    assert error_breakdown(wrong, {"body": body, "style": style}) == {
        "wrong": 5,
        "same body": 3,
        "same style": 1,
        "other": 1,
    }
    assert error_breakdown(wrong[:0], {"body": body}) == {"wrong": 0, "same body": 0, "other": 0}
    assert error_breakdown(wrong, {}) == {"wrong": 5, "other": 5}


def _by_sorting(distances, match, removed, order):
    """first, AP, INP, matches of each probe; the whole gallery is put in order, the earlier first where equal."""
    by_order = np.argsort(order)
    values = np.where(removed, np.inf, distances)[:, by_order]
    sorted_columns = by_order[np.argsort(values, axis=1, kind="stable")]
    hits = np.take_along_axis(match & ~removed, sorted_columns, axis=1)
    found = []
    for row in hits:
        places = np.flatnonzero(row) + 1
        if not len(places):
            found.append((len(row) + 1, 0, 0, 0))
            continue
        precision = np.arange(1, len(places) + 1) / places
        found.append((places[0], precision.mean(), len(places) / places[-1], len(places)))
    return np.array(found).T


@pytest.mark.parametrize("counted", [0, 10**9])  # matches one by one, or the whole row sorted
@pytest.mark.parametrize("levels", [1, 4, 10**6])  # all equal, many ties, hardly any
@pytest.mark.parametrize("reordered", [False, True])
def test_counting_equals_sorting(monkeypatch, counted, levels, reordered):
    monkeypatch.setattr(ranking_module, "COUNTED", counted)
    gallery, rng = 40, np.random.default_rng(levels)
    distances = (rng.integers(levels, size=(25, gallery)) / levels).astype(np.float32)
    match = rng.random((25, gallery)) < 3 / gallery
    removed = rng.random((25, gallery)) < 0.2
    order = rng.permutation(gallery) if reordered else np.arange(gallery)
    ranking = rank(*map(torch.from_numpy, (distances, match, removed)), order if reordered else None)
    expected = _by_sorting(distances, match, removed, order)
    for found, wanted in zip((ranking.first, ranking.ap, ranking.inp, ranking.matches), expected, strict=True):
        np.testing.assert_allclose(found, wanted)
    assert (expected[3] > 1).sum() > 5
    plain = rank(*map(torch.from_numpy, (distances, match & ~removed)))
    np.testing.assert_array_equal(plain.nearest, distances.argmin(1))


def test_infinite_distances_of_matches_still_count():
    distances = torch.tensor([[0.0, torch.inf, torch.inf]])
    ranking = rank(distances, torch.tensor([[False, True, False]]))
    assert (ranking.matches.item(), ranking.first.item(), ranking.inp.item()) == (1, 2, 0.5)
