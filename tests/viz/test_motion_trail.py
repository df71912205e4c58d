import numpy as np

from meshgait.body.skeleton import JOINT_NAMES, PARENTS
from meshgait.viz.motion_trail import LEFT, RIGHT, motion_trail
from meshgait.viz.render import BACKGROUND


def standing(**moved):
    """All joints on a line that goes up, but for those named."""
    joints = np.zeros((24, 3))
    joints[:, 1] = 0.9
    for name, place in moved.items():
        joints[JOINT_NAMES.index(name)] = place
    return joints


def near(picture, colour):
    """Pixels of about that colour."""
    return np.argwhere(np.abs(picture.astype(int) - np.array(colour)).sum(-1) < 60)


def test_who_walks_along_z_walks_to_the_right():
    # one instant with the left hand high, one, two metres on, with the right foot low
    early, late = standing(left_hand=(0, 1.7, 0)), standing(right_foot=(0, 0.0, 0)) + np.array([0, 0, 2.0])
    picture = motion_trail([np.stack([early, late])], height=260)
    scale = 260 / (1.7 + 2 * 0.12)
    assert picture.shape == (260, round((2 + 2 * 0.12) * scale), 3)
    hand, foot = near(picture[:, :100], LEFT), near(picture[:, 100:], RIGHT) + np.array([0, 100])
    assert abs(hand[:, 1].mean() - 0.12 * scale) < 2 and abs(hand[:, 0].min() - 0.12 * scale) < 3
    assert abs(foot[:, 1].mean() - 2.12 * scale) < 2 and abs(foot[:, 0].max() - 1.82 * scale) < 3


def test_every_bone_is_drawn_and_nothing_else():
    rng = np.random.default_rng(0)
    joints = rng.random((1, 24, 3)) * (1, 1.7, 1)
    picture = motion_trail([joints], height=400, azimuth=0)
    scale = 400 / (np.ptp(joints[..., 1]) + 0.24)
    low, high = joints[0].min(0) - 0.12, joints[0].max(0) + 0.12
    distance = np.full(picture.shape[:2], np.inf)
    rows, columns = np.mgrid[: picture.shape[0], : picture.shape[1]] + 0.5
    for joint, parent in enumerate(PARENTS):
        if parent < 0:
            continue
        ends = [(scale * (joints[0, j, 0] - low[0]), scale * (high[1] - joints[0, j, 1])) for j in (joint, parent)]
        (x0, y0), (x1, y1) = ends
        share = ((columns - x0) * (x1 - x0) + (rows - y0) * (y1 - y0)) / ((x1 - x0) ** 2 + (y1 - y0) ** 2)
        share = share.clip(0, 1)
        distance = np.minimum(distance, np.hypot(x0 + share * (x1 - x0) - columns, y0 + share * (y1 - y0) - rows))
    drawn = (picture != np.array(BACKGROUND)).any(-1)
    assert drawn[distance < 0.5].all()
    assert not drawn[distance > 4].any()


def test_walks_stand_below_one_another_at_one_scale():
    short = standing(right_foot=(0, 0.0, 0))[None]
    far = short + np.array([0, 0, 1.5])
    picture = motion_trail([short, far], height=200)
    assert len(picture) == 400
    (upper, lower) = (
        np.argwhere((part != np.array(BACKGROUND)).any(-1)) for part in (picture[:200], picture[200:])
    )
    assert lower[:, 1].mean() - upper[:, 1].mean() > 1.5 * 200 / 1.2
    np.testing.assert_array_equal(np.unique(upper[:, 0]), np.unique(lower[:, 0]))
