"""Body errors against scipy and plain loops."""

import numpy as np
import pytest
import torch
from scipy.spatial import procrustes as scipy_procrustes
from scipy.spatial.transform import Rotation

from meshgait.errors import DataError
from meshgait.evaluation.body import BodyErrors, mpjpe, mpvpe, pa_mpjpe, procrustes


def _bodies(n=6, points=24):
    return torch.randn(n, points, 3)


def test_mpjpe_equals_loops():
    predicted, target = _bodies(), _bodies()
    result = mpjpe(predicted, target, root=2)
    for frame in range(6):
        errors = []
        for joint in range(24):
            a = predicted[frame, joint] - predicted[frame, 2]
            errors.append(1000 * float((a - (target[frame, joint] - target[frame, 2])).square().sum().sqrt()))
        assert result[frame].item() == pytest.approx(np.mean(errors), rel=1e-5)


def test_root_relative():
    bodies = _bodies()
    moved = bodies + torch.randn(6, 1, 3)
    assert mpjpe(moved, bodies).max() < 1e-2
    assert mpvpe(moved, bodies, moved[:, 0], bodies[:, 0]).max() < 1e-2
    # 3 mm of one vertex of 30
    vertices = torch.zeros(1, 30, 3)
    other = vertices.clone()
    other[0, 4, 1] = 0.003
    assert mpvpe(other, vertices, vertices[:, 0], vertices[:, 0]).item() == pytest.approx(0.1)


@pytest.mark.slow
def test_procrustes_undoes_a_similarity():
    target = _bodies()
    turns = torch.tensor(Rotation.random(6, random_state=0).as_matrix(), dtype=torch.float32)
    source = 0.3 * torch.einsum("nij,npj->npi", turns, target) + torch.randn(6, 1, 3)
    torch.testing.assert_close(procrustes(source, target), target, atol=1e-4, rtol=0)
    assert pa_mpjpe(source, target).max() < 0.1
    assert mpjpe(source, target).min() > 100


def test_procrustes_equals_scipy_rotation_fit():
    source, target = _bodies(), _bodies()
    aligned = procrustes(source, target)
    for frame in range(6):
        a, b = (x[frame].double().numpy() for x in (source, target))
        a, centre = a - a.mean(0), b.mean(0)
        rotation = Rotation.align_vectors(b - centre, a)[0]  # proper rotations alone
        turned = rotation.apply(a)
        scale = (turned * (b - centre)).sum() / (a**2).sum()
        np.testing.assert_allclose(aligned[frame], scale * turned + centre, atol=1e-4)


def test_mirror_images_are_not_mirrored_back():
    target = _bodies(3)
    mirrored = target * torch.tensor([-1.0, 1.0, 1.0])
    assert pa_mpjpe(mirrored, target).min() > 100
    # scipy's own does mirror, which is why it is no reference here
    assert scipy_procrustes(target[0].numpy(), mirrored[0].numpy())[2] < 1e-6


def test_degenerate_bodies_stay_finite():
    target = _bodies(2)
    assert procrustes(torch.zeros(2, 24, 3), target).isfinite().all()
    flat = target * torch.tensor([1.0, 1.0, 0.0])
    assert pa_mpjpe(flat, flat).max() < 0.1


def test_metric_counts_frames_not_batches_and_leaves_masked_ones_out():
    joints, truth = _bodies(10), _bodies(10)
    vertices, true_vertices = _bodies(10, 50), _bodies(10, 50)
    mask = torch.tensor([True] * 6 + [False] * 4)
    broken = torch.where(mask[:, None, None], joints, torch.nan)
    metric = BodyErrors()
    for part in (slice(0, 3), slice(3, 10)):
        metric.update(broken[part], truth[part], vertices[part], true_vertices[part], mask[part])
    metric.update(joints[:0], truth[:0])
    errors = metric.compute()
    assert errors["mpjpe"].item() == pytest.approx(mpjpe(joints[:6], truth[:6]).mean().item(), rel=1e-5)
    assert errors["pa_mpjpe"].item() == pytest.approx(pa_mpjpe(joints[:6], truth[:6]).mean().item(), rel=1e-5)
    expected = mpvpe(vertices[:6], true_vertices[:6], joints[:6, 0], truth[:6, 0]).mean().item()
    assert errors["mpvpe"].item() == pytest.approx(expected, rel=1e-5)
    assert (errors["pa_mpjpe"] < errors["mpjpe"]).all()


def test_metric_without_frames_or_vertices():
    metric = BodyErrors()
    metric.update(_bodies(2), _bodies(2), mask=torch.zeros(2, dtype=torch.bool))
    errors = metric.compute()
    assert errors["mpjpe"].isnan()
    assert "mpvpe" not in errors


def test_metrics_merge_as_sums():
    joints, truth = _bodies(9), _bodies(9)
    parts = [BodyErrors() for _ in range(3)]
    for metric, rows in zip(parts, (slice(0, 2), slice(2, 9), slice(0, 0)), strict=True):
        metric.update(joints[rows], truth[rows])
    total = {name: sum(getattr(metric, name) for metric in parts) for name in ("joints_sum", "frames")}
    assert (total["joints_sum"] / total["frames"]).item() == pytest.approx(
        mpjpe(joints, truth).mean().item(), rel=1e-5
    )


def test_other_bodies_are_refused():
    with pytest.raises(DataError, match="of one body"):
        mpjpe(_bodies(2, 24), _bodies(2, 17))
