"""Ranks, AP and INP against plain loops; distances between persons; kinds of errors."""

import numpy as np
import pytest
import torch

from meshgait.evaluation.distances import pairwise
from meshgait.evaluation.ranking import Side, error_breakdown, rank, subject_distances


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
        Side(embeddings, labels, views), Side(gallery, gallery_labels, views[:15]), "euclidean"
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
