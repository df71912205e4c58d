import dataclasses
import math

import pytest
import torch

from meshgait.batch import SmplTruth
from meshgait.body.skeleton import JOINT_FLIP, JOINT_NAMES
from meshgait.body.targets import TargetMaker, follow, to_metres, to_pixels
from meshgait.errors import BodyModelError

FRAME = (64, 44)
JOINT = {name: number for number, name in enumerate(JOINT_NAMES)}


@pytest.fixture(scope="module")
def maker(default_model, default_markers):
    return TargetMaker(default_model, default_markers)


@pytest.fixture
def truth():
    """Four sequences of two frames: people in random poses, turned by up to half a turn, seen off the middle."""
    poses = 0.3 * torch.randn(4, 2, 72)
    poses[..., 1] += torch.rand(4, 1) * 3
    cameras = torch.tensor([30.0, 19.0, 27.0]) + torch.rand(4, 2, 3) * torch.tensor([4.0, 6.0, 6.0])
    return SmplTruth(poses, torch.randn(4, 2, 10), cameras, torch.ones(4, 2, dtype=torch.bool))


def targets(maker, truth):
    return maker(truth.poses.flatten(0, 1), truth.betas.flatten(0, 1), truth.cameras.flatten(0, 1))


def geometry(flip=False, angle=0.0, scale=1.0, shift=(0.0, 0.0)):
    return (
        torch.full((4,), flip),
        torch.full((4,), math.radians(angle)),
        torch.full((4,), scale),
        torch.tensor([shift] * 4),
    )


def moved(points, flip, angle, scale, shift):
    """Crop points after flip, turn, scale, shift, by complex numbers: u + i v, so exp(i a) turns clockwise."""
    offsets = torch.complex(points[..., 0] - 22, points[..., 1] - 32)
    if flip:
        offsets = -offsets.conj()
    offsets = offsets * complex(math.cos(math.radians(angle)), math.sin(math.radians(angle))) * scale
    u, v = offsets.real + 22 + shift[0], offsets.imag + 32 + shift[1]
    return torch.stack([u, v, points[..., 2] * scale], -1)


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"flip": True},
        {"angle": 12.0},
        {"scale": 1.15},
        {"shift": (3.0, -2.0)},
        {"flip": True, "angle": -10.0},
        {"flip": True, "angle": 15.0, "scale": 0.9, "shift": (-2.5, 1.5)},
    ],
    ids=lambda change: "+".join(change) or "nothing",
)
def test_following_the_truth_and_moving_the_points_agree(maker, truth, change, default_model, default_markers):
    change = {"flip": False, "angle": 0.0, "scale": 1.0, "shift": (0.0, 0.0), **change}
    before, after = targets(maker, truth), targets(maker, follow(truth, FRAME, *geometry(**change)))
    names = {"joints": list(JOINT_FLIP), "markers": default_markers.flip, "vertices": default_model.mirror}
    for name, swap in names.items():
        expected = getattr(before, name)
        if change["flip"]:
            expected = expected[:, swap]  # what is named left must be the other one
        torch.testing.assert_close(getattr(after, name), moved(expected, **change), atol=0.02, rtol=0)
    torch.testing.assert_close(after.scale, before.scale * change["scale"])


def test_each_sequence_follows_its_own_geometry(maker, truth):
    change = [
        torch.tensor([True, False, False, False]),
        torch.deg2rad(torch.tensor([0.0, 20.0, 0.0, -5.0])),
        torch.tensor([1.0, 1.0, 1.2, 0.8]),
        torch.tensor([[0.0, 0.0], [0.0, 0.0], [1.0, 0.0], [0.0, 4.0]]),
    ]
    together = follow(truth, FRAME, *change)
    for which in range(4):
        one = slice(which, which + 1)
        alone = follow(
            SmplTruth(*(getattr(truth, field.name)[one] for field in dataclasses.fields(truth))),
            FRAME,
            *(part[one] for part in change),
        )
        torch.testing.assert_close(together.poses[one], alone.poses)
        torch.testing.assert_close(together.cameras[one], alone.cameras)


def test_following_leaves_shape_and_validity_alone(truth):
    truth.valid[1, 0] = False
    after = follow(truth, FRAME, *geometry(True, 10, 1.1, (1.0, 1.0)))
    assert torch.equal(after.betas, truth.betas)
    assert torch.equal(after.valid, truth.valid)
    assert torch.equal(after.poses[..., 3:].abs().sum(-1) > 0, truth.poses[..., 3:].abs().sum(-1) > 0)


def rest(maker, turn=0.0):
    poses = torch.zeros(1, 72)
    poses[0, 1] = turn
    return maker(poses, torch.zeros(1, 10), torch.tensor([[30.0, 22.0, 30.0]]))


def test_a_body_that_faces_the_camera_is_upright_and_its_left_is_at_the_right(maker):
    u, v, d = rest(maker).joints[0].unbind(-1)
    assert v[JOINT["head"]] < v[JOINT["pelvis"]] < v[JOINT["left_knee"]] < v[JOINT["left_foot"]]
    assert u[JOINT["left_hand"]] > u[JOINT["left_shoulder"]] > u[JOINT["pelvis"]]
    assert u[JOINT["pelvis"]] > u[JOINT["right_shoulder"]] > u[JOINT["right_hand"]]
    assert d[JOINT["left_foot"]] > d[JOINT["left_ankle"]]  # toes point at the camera


def test_a_body_turned_by_a_quarter_faces_the_right_of_the_image(maker):
    """+90 degrees about y (up) takes +z (ahead) to +x, which is right in the image; its left is then far away."""
    u, _, d = rest(maker, math.pi / 2).joints[0].unbind(-1)
    assert u[JOINT["left_foot"]] > u[JOINT["left_ankle"]]
    assert d[JOINT["left_hand"]] < -5 and d[JOINT["right_hand"]] > 5


def test_the_pelvis_lies_at_the_camera_with_depth_zero(maker, truth):
    joints = targets(maker, truth).joints
    torch.testing.assert_close(joints[:, 0, :2], truth.cameras.flatten(0, 1)[:, 1:])
    assert joints[:, 0, 2].abs().max() == 0


def test_pixels_are_the_written_formula():
    points, cameras = torch.randn(3, 5, 3), torch.rand(3, 3) * 10
    got = to_pixels(points, cameras)
    for n in range(3):
        s, tx, ty = cameras[n].tolist()
        for p in range(5):
            x, y, z = points[n, p].tolist()
            assert got[n, p].tolist() == pytest.approx([s * x + tx, ty - s * y, s * z], abs=1e-4)


def test_metres_undo_pixels_up_to_the_origin():
    points, cameras = torch.randn(3, 5, 3), torch.rand(3, 3) * 10 + 5
    back = to_metres(to_pixels(points, cameras), cameras[:, 0])
    torch.testing.assert_close(back - back[:, :1], points - points[:, :1])


def test_distances_in_targets_are_metres_times_scale(maker, truth, default_model):
    got = targets(maker, truth)
    posed = default_model(truth.betas.flatten(0, 1), truth.poses.flatten(0, 1)).vertices
    metres = (posed[:, 100] - posed[:, 900]).norm(dim=-1)
    torch.testing.assert_close((got.vertices[:, 100] - got.vertices[:, 900]).norm(dim=-1), metres * got.scale)
    torch.testing.assert_close(got.markers, got.vertices[:, maker.indices])


def test_markers_of_another_body_are_refused(default_model, default_markers):
    with pytest.raises(BodyModelError, match="learn them"):
        TargetMaker(default_model, dataclasses.replace(default_markers, body="0" * 16))


def test_no_frames_give_no_targets(maker):
    got = maker(torch.zeros(0, 72), torch.zeros(0, 10), torch.zeros(0, 3))
    assert got.joints.shape == (0, 24, 3) and got.markers.shape == (0, 64, 3)


def _covered(silhouettes, vertices):
    """Share of projected vertices that lie on the silhouette, and of the silhouette that lies near a vertex."""
    covered, explained = [], []
    for image, points in zip(silhouettes, vertices, strict=True):
        column, row = points[:, 0].floor().long(), points[:, 1].floor().long()
        seen = (column >= 0) & (column < 44) & (row >= 0) & (row < 64)
        wide = torch.nn.functional.max_pool2d(image[None], 3, 1, 1)[0]  # one pixel of tolerance
        covered.append(wide[row[seen], column[seen]].gt(0.5).float().mean())
        drawn = torch.zeros(64, 44)
        drawn[row[seen], column[seen]] = 1
        drawn = torch.nn.functional.max_pool2d(drawn[None], 5, 1, 2)[0]
        explained.append((drawn * image).sum() / image.sum())
    return torch.stack(covered).mean(), torch.stack(explained).mean()


@pytest.mark.slow
def test_truth_of_the_walkers_lies_on_their_silhouettes_also_after_augmentation(maker, store):
    """Ties together the walkers' renderer, the store, the augmentation's pixels, and the targets."""
    from meshgait.data.transforms import Augmentation

    chosen = [i for i, s in enumerate(store.sequences) if s.condition == "nm-01"]
    silhouettes = torch.stack([torch.from_numpy(store.silhouettes(i)).float() / 255 for i in chosen])
    rows = [store.smpl(i) for i in chosen]
    truth = SmplTruth(
        *(torch.stack([torch.from_numpy(r[k]) for r in rows]) for k in ("poses", "betas", "cameras", "valid"))
    )
    covered, explained = _covered(silhouettes.flatten(0, 1), targets(maker, truth).vertices)
    assert covered > 0.95 and explained > 0.9
    strong = Augmentation(flip=0.5, rotate=20, scale=0.15, shift=4)
    warped, done = strong(silhouettes, torch.Generator().manual_seed(3))
    followed = follow(truth, FRAME, done.flip, done.angle, done.scale, done.shift)
    covered, explained = _covered(warped.flatten(0, 1), targets(maker, followed).vertices)
    assert covered > 0.95 and explained > 0.9
    assert _covered(warped.flatten(0, 1), targets(maker, truth).vertices)[0] < 0.85  # the test can tell
