import math

import pytest
import torch

from meshgait.losses.body import (
    edge_length,
    marginal_cross_entropy,
    masked_mean,
    mesh_edges,
    points_l1,
    surface_normals,
)

MASK = torch.tensor([True, False, True])
NAN = float("nan")
# two triangles of a bent square
FACES = torch.tensor([[0, 1, 2], [0, 2, 3]])


@pytest.fixture
def meshes():
    """Predicted and true meshes of three frames, the middle one without truth."""
    predicted, true = torch.randn(3, 4, 3, requires_grad=True), torch.randn(3, 4, 3)
    true[1] = NAN
    return predicted, true


def finite(loss, *inputs):
    loss.backward()
    return all(x.grad.isfinite().all() for x in inputs)


def minus(a, b):
    return [x - y for x, y in zip(a, b, strict=True)]


def cross(a, b):
    return [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]


def dot(a, b):
    return sum(x * y for x, y in zip(a, b, strict=True))


def test_a_masked_mean_is_the_mean_of_the_frames_that_count():
    values = torch.tensor([[1.0, 2.0], [NAN, NAN], [4.0, 5.0]])
    assert masked_mean(values, MASK).item() == 3.0


@pytest.mark.parametrize("frames", [0, 2])
def test_nothing_to_average_is_zero_with_a_gradient_path(frames):
    values = torch.full((frames, 3), NAN, requires_grad=True)
    mean = masked_mean(values, torch.zeros(frames, dtype=torch.bool))
    mean.backward()
    assert mean.item() == 0
    assert not values.grad.isnan().any()


@pytest.mark.slow
def test_a_mean_does_not_depend_on_how_many_frames_are_padding():
    values = torch.randn(4, 5)
    padded = torch.cat([values, torch.full((3, 5), NAN)])
    mask = torch.tensor([True] * 4 + [False] * 3)
    torch.testing.assert_close(masked_mean(padded, mask), values.mean())


def test_points_are_compared_by_plain_loops(meshes):
    predicted, true = meshes
    terms = [abs(predicted[n, p, c] - true[n, p, c]) for n in (0, 2) for p in range(4) for c in range(3)]
    loss = points_l1(predicted, true, MASK)
    assert loss.item() == pytest.approx(sum(terms).item() / len(terms), rel=1e-5)
    assert finite(loss, predicted)


def test_edges_of_a_mesh_are_each_counted_once():
    assert mesh_edges(FACES).tolist() == [[0, 1], [0, 2], [0, 3], [1, 2], [2, 3]]


def test_edge_lengths_by_plain_loops(meshes):
    predicted, true = meshes
    edges, terms = [[0, 1], [0, 2], [0, 3], [1, 2], [2, 3]], []
    for n in (0, 2):
        for a, b in edges:
            lengths = [math.dist(mesh[n, a].tolist(), mesh[n, b].tolist()) for mesh in (predicted, true)]
            terms.append(abs(lengths[0] - lengths[1]))
    loss = edge_length(predicted, true, torch.tensor(edges), MASK)
    assert loss.item() == pytest.approx(sum(terms) / len(terms), rel=1e-5)
    assert finite(loss, predicted)


def test_normals_by_plain_loops(meshes):
    predicted, true = meshes
    terms = []
    for n in (0, 2):
        for face in FACES.tolist():
            a, b, c = (true[n, i].tolist() for i in face)
            normal = cross(minus(b, a), minus(c, a))
            corners = [predicted[n, i].tolist() for i in face]
            for start, end in ((0, 1), (1, 2), (2, 0)):
                side = minus(corners[end], corners[start])
                terms.append(abs(dot(side, normal)) / math.sqrt(dot(side, side) * dot(normal, normal)))
    loss = surface_normals(predicted, true, FACES, MASK)
    assert loss.item() == pytest.approx(sum(terms) / len(terms), rel=1e-4)
    assert finite(loss, predicted)


def test_shape_losses_vanish_where_the_mesh_is_right_and_do_not_see_where_it_stands():
    true = torch.randn(2, 4, 3)
    mask = torch.ones(2, dtype=torch.bool)
    moved = true + torch.tensor([1.0, -2.0, 3.0])
    assert edge_length(moved, true, mesh_edges(FACES), mask) < 1e-5
    assert surface_normals(moved, true, FACES, mask) < 1e-5
    assert points_l1(moved, true, mask) == pytest.approx(2.0, rel=1e-5)


def test_collapsed_meshes_give_finite_gradients():
    """At the start of training all vertices lie near one point."""
    predicted, true = torch.zeros(1, 4, 3, requires_grad=True), torch.randn(1, 4, 3)
    mask = torch.tensor([True])
    loss = edge_length(predicted, true, mesh_edges(FACES), mask) + surface_normals(predicted, true, FACES, mask)
    assert finite(loss, predicted)


def test_marginal_cross_entropy_is_that_at_the_true_cells():
    u, v, d = (torch.rand(2, 3, n, requires_grad=True) for n in (4, 5, 6))
    cells = torch.tensor([[[0, 1, 2], [3, 4, 5], [1, 1, 1]], [[2, 0, 0], [0, 3, 4], [0, 0, 0]]])
    inside = torch.tensor([[True, True, False], [True, True, True]])
    mask = torch.tensor([True, False])
    terms = []
    for k in (0, 1):  # the third point of frame 0 lies outside, frame 1 is masked
        place = cells[0, k].tolist()
        terms.append(-sum(math.log(axis[0, k, i].item() + 1e-6) for axis, i in zip((u, v, d), place, strict=True)))
    loss = marginal_cross_entropy((u, v, d), cells, inside, mask)
    assert loss.item() == pytest.approx(sum(terms) / 2, rel=1e-4)
    assert finite(loss, u, v, d)


def test_marginal_cross_entropy_bears_probabilities_of_zero():
    zero = torch.zeros(1, 1, 3, requires_grad=True)
    loss = marginal_cross_entropy(
        (zero,) * 3, torch.zeros(1, 1, 3).long(), torch.ones(1, 1).bool(), torch.tensor([True])
    )
    assert finite(loss, zero)
