import numpy as np
import torch

from meshgait.body.poses import sample_meshes, walking_poses
from meshgait.body.skeleton import JOINT_NAMES
from meshgait.body.smpl import BodyModel


def test_walking_is_plausible():
    body = BodyModel.default()
    poses = walking_poses(np.random.default_rng(0), 200, noise=0.0)
    assert (np.abs(poses[:, :3]) == 0).all()
    with torch.no_grad():
        joints = body(torch.zeros(1, 10), torch.from_numpy(poses).float()).joints.numpy()
    place = {name: joints[:, index] for index, name in enumerate(JOINT_NAMES)}
    for side in ("left", "right"):
        assert (place[f"{side}_wrist"][:, 1] < place[f"{side}_shoulder"][:, 1] - 0.2).all()  # arms down
        knee = np.degrees(poses[:, 3 * JOINT_NAMES.index(f"{side}_knee")])
        assert knee.min() >= 0 and knee.max() < 80
    # each arm swings opposite to the leg of its side
    for side in ("left", "right"):
        arm, leg = (place[f"{side}_{part}"][:, 2] - place["pelvis"][:, 2] for part in ("wrist", "ankle"))
        assert np.corrcoef(arm, leg)[0, 1] < -0.3


def test_knees_never_bend_backwards():
    poses = walking_poses(np.random.default_rng(1), 300)
    assert poses[:, 3 * JOINT_NAMES.index("left_knee")].min() >= 0


def test_same_seed_same_meshes():
    body = BodyModel.default()
    here, again, other = (sample_meshes(body, 40, seed) for seed in (3, 3, 4))
    assert here.shape == (40, body.num_vertices, 3) and here.dtype == np.float32
    assert np.array_equal(here, again) and not np.array_equal(here, other)
