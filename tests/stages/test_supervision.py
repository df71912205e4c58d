import dataclasses

import pytest
import torch
from torch.nn.functional import one_hot

from meshgait.batch import BodyEstimate, SmplTruth
from meshgait.body.heatmaps import axis_cells, point_confidence, read_volumes
from meshgait.errors import ConfigError
from meshgait.stages.config import BodyConfig, BodyLossWeights
from meshgait.stages.supervision import BodySupervision

FRAME = (64, 44)


@pytest.fixture(scope="module")
def size(tiny_size):
    return tiny_size


@pytest.fixture
def supervision(size):
    return BodySupervision(size, BodyConfig(decoder="simplex"))


@pytest.fixture
def truth(store):
    """Two sequences of four frames."""
    rows = [store.smpl(i) for i in (0, 11)]
    columns = (
        torch.stack([torch.from_numpy(r[k][:4]) for r in rows]) for k in ("poses", "betas", "cameras", "valid")
    )
    return SmplTruth(*columns)


MASK = torch.ones(2, 4, dtype=torch.bool)


def estimate_of(volumes):
    return BodyEstimate(*read_volumes(volumes, FRAME))


def random_estimate(size, frames=8):
    logits = torch.randn(frames, 88, size.volume_depth * 16 * 11, requires_grad=True)
    return logits, estimate_of(torch.softmax(logits, -1).reshape(frames, 88, *size.volume))


def perfect_estimate(supervision, truth, size):
    """Points where they belong, all mass in their cells."""
    target = supervision.targets(*(x.flatten(0, 1) for x in (truth.poses, truth.betas, truth.cameras)))
    points = torch.cat([target.joints, target.markers], 1)
    cells, inside = axis_cells(points, size.volume, FRAME)
    assert inside.all()
    u, v, d = (one_hot(c, n).float() for c, n in zip(cells.unbind(-1), size.volume[::-1], strict=True))
    volumes = torch.einsum("nkd,nkv,nku->nkdvu", d, v, u)
    return BodyEstimate(points, torch.cat([u, v, d], -1), point_confidence(volumes, points, FRAME))


def test_the_truth_costs_nothing_but_what_markers_cannot_tell(supervision, truth, size):
    _, terms, reading = supervision(perfect_estimate(supervision, truth, size), truth, MASK)
    assert terms["joints"] < 1e-6 and terms["markers"] < 1e-6
    assert terms["marginal_cross_entropy"] < 1e-4
    assert terms["vertices"] < 0.015  # metres; the simplex decoder's own error is about a centimetre
    error = (reading.vertices - reading.true_vertices).norm(dim=-1).mean()
    assert 0.001 < error < 0.025


def test_distances_are_metres(supervision, truth, size):
    estimate = perfect_estimate(supervision, truth, size)
    estimate.points[..., 0] += 1  # a pixel to the right
    _, terms, _ = supervision(estimate, truth, MASK)
    expected = (1 / truth.cameras[..., 0]).mean() / 3  # of three coordinates one is wrong
    torch.testing.assert_close(terms["joints"], expected, atol=1e-6, rtol=1e-4)
    torch.testing.assert_close(terms["markers"], expected, atol=1e-6, rtol=1e-4)


def test_the_reading_is_smpl_truth_in_metres(supervision, truth, size, default_model):
    _, _, reading = supervision.eval()(random_estimate(size)[1], truth, MASK)
    posed = default_model(truth.betas.flatten(0, 1), truth.poses.flatten(0, 1))
    joints = reading.true_joints - reading.true_joints[:, :1]
    torch.testing.assert_close(joints, posed.joints - posed.joints[:, :1], atol=1e-4, rtol=0)
    vertices = reading.true_vertices - reading.true_joints[:, :1]
    torch.testing.assert_close(vertices, posed.vertices - posed.joints[:, :1], atol=1e-4, rtol=0)


def test_the_total_is_the_weighted_sum_of_the_terms(truth, size):
    weights = BodyLossWeights(joints=2.0, markers=3.0, vertices=0, marginal_cross_entropy=0.5, edges=0, normals=0)
    supervision = BodySupervision(size, BodyConfig(decoder="simplex", losses=weights))
    total, terms, _ = supervision(random_estimate(size)[1], truth, MASK)
    assert set(terms) == {"joints", "markers", "marginal_cross_entropy"}
    factors = {"joints": 2, "markers": 3, "marginal_cross_entropy": 0.5}
    expected = sum(factor * terms[name].item() for name, factor in factors.items())
    assert total.item() == pytest.approx(expected, rel=1e-5)


def test_padding_and_untrusted_frames_do_not_count(supervision, truth, size):
    supervision.eval()
    _, estimate = random_estimate(size)
    kept = [0, 2, 4, 5]
    few = SmplTruth(*(x.flatten(0, 1)[kept][None] for x in (truth.poses, truth.betas, truth.cameras, truth.valid)))
    part = BodyEstimate(estimate.points[kept], estimate.marginals[kept], estimate.confidence[kept])
    expected = supervision(part, few, torch.ones(1, 4, dtype=torch.bool))[0]
    mask = MASK.clone()
    mask[1, 2:] = False  # frames 6 and 7 are padding
    truth.valid[0, 1] = truth.valid[0, 3] = False
    for array in (truth.poses, truth.cameras):
        array[~(truth.valid & mask)] = float("nan")
    torch.testing.assert_close(supervision(estimate, truth, mask)[0], expected)


def test_without_a_single_usable_frame_the_loss_is_zero_with_a_gradient(supervision, truth, size):
    logits, estimate = random_estimate(size)
    total, _, reading = supervision(estimate, truth, ~MASK)
    total.backward()
    assert total.item() == 0
    assert logits.grad.abs().max() == 0
    assert len(reading.joints) == 0


def test_all_terms_reach_the_volumes(truth, size):
    for term in dataclasses.asdict(BodyLossWeights()):
        weights = BodyLossWeights(**{name: float(name == term) for name in dataclasses.asdict(BodyLossWeights())})
        logits, estimate = random_estimate(size)
        BodySupervision(size, BodyConfig(losses=weights))(estimate, truth, MASK)[0].backward()
        assert logits.grad.isfinite().all()
        assert logits.grad.abs().sum() > 0, term


def test_training_takes_so_many_frames_at_random_and_evaluation_all(truth, size):
    supervision = BodySupervision(size, BodyConfig(decoder="simplex"), frames=3, mesh_frames=2)
    _, estimate = random_estimate(size)

    def chosen(seed):
        reading = supervision(estimate, truth, MASK, torch.Generator().manual_seed(seed))[2]
        assert len(reading.joints) == 3 and len(reading.vertices) == 2
        return tuple(reading.true_joints[:, 10, 1].tolist())

    assert chosen(1) == chosen(1)
    assert len({chosen(seed) for seed in range(10)}) > 5
    reading = supervision.eval()(estimate, truth, MASK)[2]
    assert len(reading.joints) == len(reading.vertices) == 8


def test_the_choice_leaves_global_random_numbers_alone(truth, size):
    supervision = BodySupervision(size, BodyConfig(decoder="simplex"), frames=3)
    before = torch.get_rng_state()
    supervision(random_estimate(size)[1].to("cpu"), truth, MASK, torch.Generator().manual_seed(0))
    after_drawing = torch.get_rng_state()
    torch.set_rng_state(before)
    random_estimate(size)  # the same draw of logits, without the choice
    assert torch.equal(torch.get_rng_state(), after_drawing)


@pytest.mark.parametrize("name", dataclasses.asdict(BodyLossWeights()))
@pytest.mark.parametrize("weight", [-0.1, float("nan"), float("inf")])
def test_weights_out_of_range_are_refused(name, weight):
    with pytest.raises(ConfigError, match=f"losses.{name} is {weight}"):
        BodyLossWeights(**{name: weight})


@pytest.mark.parametrize(("term", "reaches"), [("joints", False), ("vertices", True), ("edges", True)])
def test_what_no_loss_reaches_is_not_trained(size, term, reaches):
    weights = BodyLossWeights(**{n: float(n == term) for n in dataclasses.asdict(BodyLossWeights())})
    assert BodySupervision(size, BodyConfig(decoder="simplex", losses=weights)).mesh.gamma.requires_grad is reaches


@pytest.mark.parametrize("wrong", [{"markers": 32}, {"joints": 17}])
def test_a_network_of_other_points_is_refused(size, wrong):
    with pytest.raises(ConfigError, match="24 and 64"):
        BodySupervision(dataclasses.replace(size, **wrong), BodyConfig(decoder="simplex"))


def test_the_body_is_not_saved_with_the_weights(supervision):
    """A licensed body must not travel in checkpoints."""
    assert list(supervision.state_dict()) == ["mesh.gamma"]
