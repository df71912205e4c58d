"""The wide wardrobe: arms are where they are held, luggage adds to the figure, and the truth stays SMPL's own."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from meshgait.synthetic.camera import following_camera
from meshgait.synthetic.carriage import ARMS, HOLDS, hold_arms
from meshgait.synthetic.dress import Dressed, Skirt
from meshgait.synthetic.gait import Gait
from meshgait.synthetic.images import render_images
from meshgait.synthetic.luggage import HEADWEAR, KINDS, Luggage
from meshgait.synthetic.sequence import SequenceJob, SequenceRenderer
from meshgait.synthetic.style import Style
from meshgait.synthetic.wardrobe import coat, dress_for, everyday


@pytest.fixture(scope="module")
def scene(renderer):
    skin = renderer.skin(0)
    return skin, Gait(Style(), skin.figure).frames(np.arange(3) / 4.3)


def area(scene, outfit, view=0.0, **worn) -> float:
    """Square metres of the figure."""
    skin, motion = scene
    camera = following_camera(motion.path, view, 8.0, 1.2)
    images, _ = render_images(Dressed(skin, outfit, **worn), motion, camera)
    return float(((images > 0).sum(axis=(1, 2)) / camera.scale**2).mean())


@pytest.mark.parametrize("name", HOLDS)
def test_wrists_are_where_they_are_held(scene, name):
    """Within reach of the arm; bones keep their lengths, and what is no arm does not move."""
    skin, motion = scene
    held = hold_arms(motion, skin.figure, {1: name, -1: name})
    hold = HOLDS[name]
    for side, (_, shoulder, elbow, wrist) in ARMS.items():
        place = np.array(hold.wrist) * [side, 1, 1]
        axes, origin = motion.rotations[:, hold.joint], motion.joints[:, hold.joint]
        target = origin + np.einsum("tij,j->ti", axes, place)
        bones = [np.linalg.norm(skin.figure.bones[joint]) for joint in (elbow, wrist)]
        far = np.linalg.norm(target - motion.joints[:, shoulder], axis=1)
        missed = np.linalg.norm(held.joints[:, wrist] - target, axis=1)
        assert (missed < 0.03 + np.maximum(far - 0.995 * sum(bones), 0)).all()
        for joint, parent, bone in ((elbow, shoulder, bones[0]), (wrist, elbow, bones[1])):
            length = np.linalg.norm(held.joints[:, joint] - held.joints[:, parent], axis=1)
            assert length == pytest.approx(np.full(len(length), bone), rel=1e-6)
    arms = [joint for chain in ARMS.values() for joint in chain[1:3]]
    others = [joint for joint in range(24) if joint not in arms]
    assert np.array_equal(held.local[:, others], motion.local[:, others])
    turned = held.local @ np.swapaxes(held.local, -1, -2)
    assert np.abs(turned - np.eye(3)).max() < 1e-6


def test_the_other_arm_swings_on(scene):
    skin, _ = scene
    motion = Gait(Style(), skin.figure).frames(np.array([0.0, 0.2]))
    holds = [hold_arms(motion, skin.figure, {side: "pocket"}) for side in (1, -1)]
    free = [hold.joints[:, ARMS[-side][3]] for hold, side in zip(holds, (1, -1), strict=True)]
    assert np.allclose(free[0], motion.joints[:, ARMS[-1][3]])
    assert np.allclose(free[1], motion.joints[:, ARMS[1][3]])


@pytest.mark.parametrize("kind", KINDS)
def test_luggage_adds_to_the_figure_and_reaches_what_it_should(scene, naked, kind):
    rng = np.random.default_rng(0)
    item = next(x for x in iter(lambda: Luggage.sample(rng), None) if x.kind == kind)
    skin, motion = scene
    added = sum(area(scene, naked, view, luggage=item) - area(scene, naked, view) for view in (0.0, 90.0))
    assert added > 0.008
    points = np.concatenate([part.pose(motion) for part in item.parts(skin, 0.01)], axis=1)
    lowest = (points[1] + motion.path[:, 1]).min()
    assert lowest > -0.06
    if kind in ("suitcase", "stroller"):
        assert lowest < 0.08  # they roll on the ground
    assert item.varied(rng, 0.0) == item
    assert item.scaled(2.0).half[0] == 2 * item.half[0]


@pytest.mark.parametrize("kind", HEADWEAR[1:])
def test_headwear_adds_to_the_head_only(scene, naked, kind):
    skin, motion = scene
    plain, worn = Dressed(skin, naked), Dressed(skin, replace(naked, headwear=kind))
    count = plain.pose(motion)[0].shape[1]
    added = worn.pose(motion)[0][:, count:]
    assert added.shape[1] > 0
    assert (added[1] > motion.joints[:, 9, 1] - 0.35).all()  # above the belly


def test_a_longer_skirt_covers_more(scene, naked):
    areas = [area(scene, replace(naked, skirt=Skirt(hem, 0.05)), 90.0) for hem in (0.2, 0.5, 0.8)]
    assert area(scene, naked, 90.0) < areas[0] < areas[1] < areas[2]


def test_clothes_of_variety_zero_are_the_common_ones_and_the_numbers_decide():
    plain = [everyday(np.random.default_rng(seed), 0.0) for seed in range(40)]
    assert all(outfit.skirt is None and outfit.headwear == "none" for outfit in plain)
    wide = [everyday(np.random.default_rng(seed), 1.0) for seed in range(40)]
    assert any(outfit.skirt for outfit in wide) and any(outfit.headwear != "none" for outfit in wide)
    assert wide[0] == everyday(np.random.default_rng(0), 1.0)
    hems = [coat(np.random.default_rng(seed)).hem for seed in range(60)]
    assert min(hems) < 0.15 < 0.6 < max(hems)


def test_hands_that_carry_are_not_in_pockets():
    for seed in range(60):
        rng = np.random.default_rng(seed)
        look = dress_for(everyday(rng, 1.0), "bg", rng, rng, 1.0)
        carrying = {side for side, still in zip((1, -1), look.luggage.stilled(), strict=True) if still}
        assert not carrying & set(look.holds)
        assert look.luggage.holds().items() <= look.holds.items()


def test_truth_is_smpls_own_whatever_is_worn(rig, small, body):
    """Joints by smplx from the stored poses and betas, through the stored camera, lie on the figure."""
    settings = replace(small, wardrobe_variety=1.0, body_variety=1.0)
    renderer = SequenceRenderer(settings, rig)
    inside = []
    for subject in settings.subjects()[:4]:
        sequence = renderer.render(SequenceJob(subject, "nm-01", 90))
        joints = body(torch.tensor(sequence.betas), torch.tensor(sequence.poses)).joints.numpy()
        s, tx, ty = sequence.cameras.T[..., None]
        points = joints - joints[:, :1]
        u, v = s * points[..., 0] + tx, ty - s * points[..., 1]
        keep = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 15]
        rows, columns = (np.clip(np.floor(x[:, keep]).astype(int), 0, n - 1) for x, n in ((v, 64), (u, 44)))
        inside.append(sequence.silhouettes[np.arange(len(u))[:, None], rows, columns] > 0)
    assert np.mean(inside) > 0.97


def test_one_condition_wears_the_same_from_all_sides_and_another_condition_something_else(rig, small):
    renderer = SequenceRenderer(replace(small, wardrobe_variety=1.0), rig)
    subject = small.subjects()[0]
    looks = [renderer._look(SequenceJob(subject, *where)) for where in (("cl-01", 0), ("cl-01", 90), ("cl-02", 0))]
    assert looks[0] == looks[1]
    assert looks[0].outfit.top != looks[2].outfit.top
    assert looks[0].outfit.trousers == looks[2].outfit.trousers
