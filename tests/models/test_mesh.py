import pytest
import torch

from meshgait.models.mesh import MeshDecoder


@pytest.mark.parametrize("decoder", ["simplex", "ridge"])
def test_at_first_the_mesh_is_that_of_the_marker_set(default_markers, decoder):
    points = torch.randn(2, 64, 3)
    mesh = MeshDecoder(torch.as_tensor(getattr(default_markers, decoder)), adaptive=decoder == "simplex")
    expected = default_markers.decode(points, decoder)
    torch.testing.assert_close(mesh(points, torch.rand(2, 64)), expected, atol=1e-4, rtol=1e-4)


def test_confidence_shifts_weight_to_sure_markers_by_plain_loops():
    weights = torch.softmax(torch.randn(3, 5), 0)  # three markers, five vertices
    mesh = MeshDecoder(weights, adaptive=True)
    mesh.gamma.data.fill_(0.7)
    markers, sure = torch.randn(2, 3, 3), torch.rand(2, 3)
    got = mesh(markers, sure)
    for n in range(2):
        for v in range(5):
            trust = [weights[k, v] * sure[n, k] ** 0.7 for k in range(3)]
            for c in range(3):
                expected = sum(t * markers[n, k, c] for k, t in enumerate(trust)) / sum(trust)
                assert got[n, v, c].item() == pytest.approx(expected.item(), abs=1e-5)


def test_a_doubtful_outlier_loses_its_pull():
    mesh = MeshDecoder(torch.full((2, 1), 0.5), adaptive=True)
    mesh.gamma.data.fill_(1.0)
    markers = torch.tensor([[[0.0, 0.0, 0.0], [100.0, 0.0, 0.0]]])
    assert mesh(markers, torch.tensor([[0.9, 0.9]]))[0, 0, 0].item() == pytest.approx(50)
    assert mesh(markers, torch.tensor([[0.9, 0.0]]))[0, 0, 0] < 0.1


def test_the_mesh_moves_and_grows_with_its_markers(default_markers):
    """Positions are mixed with weights that sum to one, so pixels or metres, here or there, are all the same."""
    mesh = MeshDecoder(torch.as_tensor(default_markers.simplex), adaptive=True)
    mesh.gamma.data.fill_(0.5)
    markers, sure, shift = torch.randn(1, 64, 3), torch.rand(1, 64), torch.tensor([3.0, -2.0, 1.0])
    torch.testing.assert_close(mesh(2 * markers + shift, sure), 2 * mesh(markers, sure) + shift, atol=1e-4, rtol=0)


def test_gamma_is_learnt_and_the_weights_are_not_saved(default_markers):
    mesh = MeshDecoder(torch.as_tensor(default_markers.simplex), adaptive=True)
    mesh(torch.randn(1, 64, 3), torch.rand(1, 64)).square().sum().backward()
    assert mesh.gamma.grad.abs() > 0
    assert list(mesh.state_dict()) == ["gamma"]
    assert not list(MeshDecoder(torch.as_tensor(default_markers.ridge), adaptive=False).parameters())
