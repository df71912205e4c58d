import math

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from meshgait.losses.triplet import between_subject_distance, triplet_loss


def triplet_by_loops(embeddings, labels, margin, count_itself=False):
    """Batch-all per strip: mean over the terms above zero of a strip, then over strips."""
    per_strip = []
    for strip in embeddings.double().unbind(1):
        terms = []
        for a in range(len(labels)):
            for p in range(len(labels)):
                for n in range(len(labels)):
                    if labels[a] != labels[p] or labels[a] == labels[n] or (a == p and not count_itself):
                        continue
                    positive = math.dist(strip[a].tolist(), strip[p].tolist())
                    negative = math.dist(strip[a].tolist(), strip[n].tolist())
                    terms.append(max(0.0, margin + positive - negative))
        above = [term for term in terms if term > 0]
        per_strip.append(sum(above) / len(above) if above else 0.0)
    return sum(per_strip) / len(per_strip)


@pytest.mark.parametrize("labels", [[0, 0, 1, 1, 2, 2], [0, 0, 0, 1, 2, 2], [5, 3, 5, 3, 3, 9]])
@pytest.mark.parametrize("margin", [0.2, 1.5])
def test_triplet_is_that_of_plain_loops(labels, margin):
    embeddings, labels = torch.randn(6, 3, 4), torch.tensor(labels)
    expected = triplet_by_loops(embeddings, labels, margin)
    assert triplet_loss(embeddings, labels, margin).item() == pytest.approx(expected, rel=1e-4)


def test_the_anchor_is_no_positive_of_its_own():
    """Here pairs are far apart and negatives near: counting distance 0 to oneself would change the mean."""
    embeddings = torch.tensor([[0.0], [1.0], [0.1], [1.1]])[:, None]
    labels = torch.tensor([0, 0, 1, 1])
    got = triplet_loss(embeddings, labels, 0.2).item()
    assert got == pytest.approx(triplet_by_loops(embeddings, labels, 0.2), rel=1e-4)
    assert abs(got - triplet_by_loops(embeddings, labels, 0.2, count_itself=True)) > 0.05


def test_the_mean_leaves_out_satisfied_triplets_strip_by_strip():
    far = torch.tensor([[0.0], [0.0], [9.0], [9.0]])  # every triplet is satisfied
    near = torch.tensor([[0.0], [0.5], [0.6], [1.1]])
    labels = torch.tensor([0, 0, 1, 1])
    alone = triplet_loss(near[:, None], labels, 0.2)
    both = triplet_loss(torch.stack([near, far], 1), labels, 0.2)
    assert both.item() == pytest.approx(alone.item() / 2, rel=1e-5)


@pytest.mark.parametrize("labels", [[0, 1, 2, 3], [7, 7, 7, 7]], ids=["no pairs", "one subject"])
def test_without_triplets_the_loss_is_zero_with_a_gradient(labels):
    embeddings = torch.randn(4, 2, 3, requires_grad=True)
    loss = triplet_loss(embeddings, torch.tensor(labels))
    loss.backward()
    assert loss.item() == 0
    assert embeddings.grad.abs().max() == 0


def test_equal_embeddings_give_finite_gradients():
    embeddings = torch.ones(4, 2, 3, requires_grad=True)
    loss = triplet_loss(embeddings, torch.tensor([0, 0, 1, 1]), 0.2)
    loss.backward()
    assert loss.item() == pytest.approx(0.2, abs=1e-4)
    assert embeddings.grad.isfinite().all()


def test_triplet_is_computed_in_float32_under_autocast():
    embeddings, labels = 100 + torch.randn(6, 2, 8), torch.tensor([0, 0, 1, 1, 2, 2])
    with torch.autocast("cpu", torch.bfloat16):
        mixed = triplet_loss(embeddings, labels)
    assert mixed.dtype == torch.float32
    torch.testing.assert_close(mixed, triplet_loss(embeddings, labels))


@pytest.mark.slow
def test_triplet_pulls_pairs_together_and_pushes_others_apart():
    embeddings = torch.randn(6, 1, 4, requires_grad=True)
    labels = torch.tensor([0, 0, 1, 1, 2, 2])
    optimizer = torch.optim.SGD([embeddings], lr=0.5)
    before = triplet_loss(embeddings, labels).item()
    for _ in range(200):
        optimizer.zero_grad()
        triplet_loss(embeddings, labels).backward()
        optimizer.step()
    assert triplet_loss(embeddings, labels).item() < 0.5 * before
    distances = torch.cdist(embeddings[:, 0], embeddings[:, 0])
    same = labels[:, None] == labels[None]
    assert distances[same].max() < distances[~same].min()


class Largest(TorchDispatchMode):
    """Keeps the number of elements of the largest tensor that is made."""

    elements = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        made = function(*args, **(kwargs or {}))
        tensors = [x for x in tree_leaves(made) if isinstance(x, torch.Tensor)]
        self.elements = max([self.elements, *(x.numel() for x in tensors)])
        return made


@pytest.mark.parametrize(("subjects", "sequences"), [(32, 8), (64, 4)])
def test_no_tensor_is_as_large_as_all_triplets(subjects, sequences):
    """At B = 256: S x pairs x B, forwards and backwards, where all triplets would be S x B^3."""
    batch, strips = subjects * sequences, 4
    embeddings = torch.randn(batch, strips, 8, requires_grad=True)
    with Largest() as largest:
        triplet_loss(embeddings, torch.arange(subjects).repeat_interleave(sequences)).backward()
    assert embeddings.grad.any()
    assert largest.elements == strips * batch * (sequences - 1) * batch < strips * batch**3 / 30


def test_separation_is_the_mean_distance_between_subjects():
    embeddings, labels = torch.randn(5, 3, 4), torch.tensor([0, 0, 1, 2, 1])
    pairs = [(i, j) for i in range(5) for j in range(5) if labels[i] != labels[j]]
    terms = [(embeddings[i, s] - embeddings[j, s]).norm() for i, j in pairs for s in range(3)]
    torch.testing.assert_close(between_subject_distance(embeddings, labels), torch.stack(terms).mean())
    assert between_subject_distance(embeddings[:2], labels[:2]) == 0
    assert 0 < between_subject_distance(torch.ones(5, 3, 4), labels) < 1e-5
