import numpy as np
import pytest
import trimesh

from meshgait.body.smpl import BodyModel, rest_mesh
from meshgait.errors import OutputError
from meshgait.viz.mesh import Mesh, vertex_normals, write_obj


@pytest.fixture(scope="module")
def solid() -> Mesh:
    body = BodyModel.default()
    return Mesh.of(rest_mesh(body), body.faces)


def test_vertex_normals_of_a_ball_point_outwards():
    ball = trimesh.creation.icosphere(subdivisions=3)
    np.testing.assert_allclose(vertex_normals(ball.vertices, ball.faces), ball.vertices, atol=0.02)


def test_wavefront_export(tmp_path, solid):
    write_obj(tmp_path / "a.obj", solid)
    back = trimesh.load(tmp_path / "a.obj", process=False)
    np.testing.assert_allclose(back.vertices, solid.vertices, atol=1e-6)
    assert np.array_equal(back.faces, solid.faces)
    assert [path.name for path in tmp_path.iterdir()] == ["a.obj"]
    with pytest.raises(OutputError, match="choose another place"):
        write_obj(tmp_path / "a.obj" / "a.obj", solid)
