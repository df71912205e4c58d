import math

import pytest
import torch

from meshgait.models.posture import PostureReader, temporal_moments, turn_to_front

pytestmark = pytest.mark.slow

MASK = torch.tensor([[True, True, True, False], [True, True, True, True]])


def yawed(points, angle):
    """Points (..., 3) = (u, v, d) turned about the vertical, u towards d."""
    u, v, d = points.unbind(-1)
    return torch.stack(
        [math.cos(angle) * u - math.sin(angle) * d, v, math.sin(angle) * u + math.cos(angle) * d], -1
    )


@pytest.fixture
def walks(store):
    """True joints of two walks in crop pixels, one seen from the front, one from the side."""
    from meshgait.body.markers import Markers
    from meshgait.body.smpl import BodyModel
    from meshgait.body.targets import TargetMaker

    maker = TargetMaker(BodyModel.default(), Markers.default())
    truths = [store.smpl(i) for i in (0, 1)]
    return torch.stack(
        [maker(*(torch.from_numpy(t[name][:4]) for name in ("poses", "betas", "cameras"))).joints for t in truths]
    )


def test_the_walkers_left_ends_up_left_and_forward_ahead_whatever_the_view(walks):
    turned = turn_to_front(walks, MASK)
    assert turned.mean(2).abs().max() < 1e-3
    for walk in turned:
        mean = walk[:3].mean(0)
        assert mean[1, 0] > 1 > -1 > mean[2, 0]  # left hip, right hip
        assert mean[10, 2] > mean[7, 2] and mean[11, 2] > mean[8, 2]  # toes before ankles
        assert mean[15, 1] < 0 < mean[10, 1]  # the head is above the pelvis


@pytest.mark.parametrize("angle", [0.7, 2.5, -1.8])
def test_the_view_does_not_matter(walks, angle):
    torch.testing.assert_close(
        turn_to_front(yawed(walks, angle), MASK), turn_to_front(walks, MASK), atol=1e-3, rtol=0
    )


def test_masked_frames_do_not_turn_the_walker(walks):
    other = walks.clone()
    other[0, 3] = 1000 * torch.randn(24, 3)
    torch.testing.assert_close(turn_to_front(other, MASK)[0, :3], turn_to_front(walks, MASK)[0, :3])


def test_moments_by_plain_loops():
    values = torch.randn(2, 4, 3)
    got = temporal_moments(values, MASK)
    for b in range(2):
        for x in range(3):
            kept = [values[b, t, x].item() for t in range(4) if MASK[b, t]]
            mean = sum(kept) / len(kept)
            spread = math.sqrt(sum((value - mean) ** 2 for value in kept) / len(kept) + 1e-4)
            assert got[b, x].item() == pytest.approx(mean, abs=1e-5)
            assert got[b, 3 + x].item() == pytest.approx(spread, abs=1e-5)


def test_padding_changes_nothing(walks):
    reader = PostureReader(24, 64, parts=3, channels=5, hidden=7).eval()
    got = reader(walks.flatten(0, 1), MASK)
    assert got.shape == (2, 3, 5)
    alone = reader(walks[0, :3], MASK[:1, :3])
    torch.testing.assert_close(got[:1], alone, atol=1e-4, rtol=1e-4)
