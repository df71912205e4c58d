import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from meshgait.body.geometry import mirror_points, mirror_pose
from meshgait.body.skeleton import JOINT_FLIP, JOINT_NAMES, PARENTS
from meshgait.body.smpl import BodyModel, rest_mesh
from meshgait.errors import BodyModelError


@pytest.fixture(scope="module")
def body() -> BodyModel:
    return BodyModel.default()


def joint(name: str) -> int:
    return JOINT_NAMES.index(name)


def random_people(count: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    rng = np.random.default_rng(seed)
    betas, poses = rng.normal(size=(count, 10)), rng.normal(0, 0.5, size=(count, 72))
    return torch.from_numpy(betas).float(), torch.from_numpy(poses).float()


def by_hand(body: BodyModel, betas: np.ndarray, pose: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """SMPL's equations one joint and one vertex at a time, in double precision, without smplx."""
    arrays = {key: array.astype(np.float64) for key, array in body.arrays.items()}
    shaped = arrays["v_template"] + sum(betas[i] * arrays["shapedirs"][..., i] for i in range(10))
    rest = np.array([sum(w * v for w, v in zip(row, shaped, strict=True)) for row in arrays["J_regressor"]])
    turns, places = [], []
    for j, parent in enumerate(PARENTS):
        local = Rotation.from_rotvec(pose[3 * j : 3 * j + 3]).as_matrix()
        turns.append(local if parent < 0 else turns[parent] @ local)
        places.append(rest[j] if parent < 0 else places[parent] + turns[parent] @ (rest[j] - rest[parent]))
    vertices = [
        sum(w * (turns[j] @ (vertex - rest[j]) + places[j]) for j, w in enumerate(weights) if w)
        for vertex, weights in zip(shaped, arrays["weights"], strict=True)
    ]
    return np.array(vertices), np.array(places)


def test_agrees_with_smpls_equations_by_hand(body):
    betas, poses = random_people(2)
    found = body(betas, poses)
    for number in range(2):
        vertices, joints = by_hand(body, betas[number].double().numpy(), poses[number].double().numpy())
        np.testing.assert_allclose(found.vertices[number], vertices, atol=1e-5)
        np.testing.assert_allclose(found.joints[number], joints, atol=1e-5)


def test_rest_body_stands_upright_and_faces_forward(body):
    x, y, z = body(torch.zeros(1, 10), torch.zeros(1, 72)).joints[0].T
    up = ["left_ankle", "left_knee", "left_hip", "pelvis", "spine1", "spine2", "spine3", "neck", "head"]
    heights = [float(y[joint(name)]) for name in up]
    assert heights == sorted(heights)
    for side, sign in (("left", 1), ("right", -1)):
        out = [
            sign * float(x[joint(f"{side}_{part}")]) for part in ("collar", "shoulder", "elbow", "wrist", "hand")
        ]
        assert out == sorted(out) and out[0] > 0
        assert sign * x[joint(f"{side}_hip")] > 0.05
        assert z[joint(f"{side}_foot")] > z[joint(f"{side}_ankle")] + 0.08  # toes in front
        arm = [float(y[joint(f"{side}_{part}")]) for part in ("shoulder", "elbow", "wrist")]
        assert np.ptp(arm) < 0.02  # a T
    vertices = rest_mesh(body)
    nose = vertices[np.abs(vertices[:, 1] - float(y[joint("head")])) < 0.1]
    assert nose[:, 2].max() - float(z[joint("head")]) > float(z[joint("head")]) - nose[:, 2].min() - 0.05


def test_flexed_knee_moves_the_foot_backwards(body):
    pose = torch.zeros(1, 72)
    pose[0, 3 * joint("left_knee")] = 1.0
    rest, bent = (body(torch.zeros(1, 10), p).joints[0] for p in (torch.zeros(1, 72), pose))
    assert bent[joint("left_ankle"), 2] < rest[joint("left_ankle"), 2] - 0.2
    torch.testing.assert_close(bent[joint("right_ankle")], rest[joint("right_ankle")])


def test_mirrored_pose_gives_the_mirrored_body(body):
    betas, poses = random_people(6)
    here, there = body(betas, poses), body(betas, mirror_pose(poses))
    # the pelvis lies on the midline of every shape, so the global turn is about a point of the mirror plane
    torch.testing.assert_close(there.joints, mirror_points(here.joints, JOINT_FLIP), atol=1e-5, rtol=0)
    assert body.symmetric
    torch.testing.assert_close(there.vertices, mirror_points(here.vertices, body.mirror), atol=1e-5, rtol=0)


def test_global_orientation_is_rigid_about_the_pelvis(body):
    betas, poses = random_people(3)
    still = poses.clone()
    still[:, :3] = 0
    turned, plain = body(betas, poses), body(betas, still)
    pelvis = plain.joints[:, :1]
    turn = torch.from_numpy(Rotation.from_rotvec(poses[:, :3].numpy()).as_matrix()).float()
    expected = (plain.vertices - pelvis) @ turn.mT + pelvis
    torch.testing.assert_close(turned.vertices, expected, atol=1e-5, rtol=0)


def test_one_shape_serves_many_poses_and_gradients_flow(body):
    betas, poses = random_people(4)
    torch.testing.assert_close(
        body(betas[:1], poses).vertices, body(betas[:1].repeat(4, 1), poses).vertices, atol=1e-6, rtol=0
    )
    poses.requires_grad_()
    betas.requires_grad_()
    body(betas, poses).joints.square().sum().backward()
    assert torch.isfinite(poses.grad).all() and betas.grad.abs().sum() > 0
    empty = body(torch.zeros(0, 10), torch.zeros(0, 72))
    assert empty.vertices.shape == (0, body.num_vertices, 3) and empty.joints.shape == (0, 24, 3)


@pytest.mark.parametrize("shapes", [((2, 9), (2, 72)), ((2, 10), (2, 69)), ((3, 10), (2, 72)), ((10,), (1, 72))])
def test_wrong_shapes_are_named(body, shapes):
    with pytest.raises(BodyModelError):
        body(torch.zeros(shapes[0]), torch.zeros(shapes[1]))


def test_arrays_of_the_default_body(body):
    arrays = body.arrays
    np.testing.assert_allclose(arrays["weights"].sum(1), 1, atol=1e-6)
    np.testing.assert_allclose(arrays["J_regressor"].sum(1), 1, atol=1e-5)
    assert arrays["weights"].min() >= 0 and arrays["J_regressor"].min() >= 0
    assert (arrays["weights"] > 0).sum(1).max() <= 8
    edges = np.sort(np.concatenate([body.faces[:, [0, 1]], body.faces[:, [1, 2]], body.faces[:, [2, 0]]]), axis=1)
    assert (np.unique(edges, axis=0, return_counts=True)[1] == 2).all()  # closed surface
    corners = arrays["v_template"].astype(np.float64)[body.faces]
    volume = np.einsum("fc,fc->", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])) / 6
    assert 0.045 < volume < 0.09  # cubic metres, and positive: faces look outwards
    assert 1.6 < np.ptp(arrays["v_template"][:, 1]) < 1.8


def test_betas_give_plausible_people(body):
    betas, _ = random_people(50)
    with torch.no_grad():
        statures = np.ptp(body(betas, torch.zeros(50, 72)).vertices[..., 1].numpy(), axis=1)
    assert statures.min() > 1.35 and statures.max() < 2.1
    taller = [np.ptp(rest_mesh(body, sign * 2 * np.eye(10)[0])[:, 1]) for sign in (-1, 1)]
    assert taller[1] > taller[0] + 0.2


def test_checkpoints_do_not_carry_the_body(body):
    assert not body.state_dict() and not list(body.parameters())
    assert (
        body.to(torch.float64)(torch.zeros(1, 10).double(), torch.zeros(1, 72).double()).joints.dtype
        == torch.float64
    )
    body.to(torch.float32)


def test_smplx_stays_silent(capsys):
    BodyModel.default()
    assert capsys.readouterr() == ("", "")
