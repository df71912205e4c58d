import numpy as np
import pytest
import trimesh

from meshgait.body.smpl import BodyModel, rest_mesh
from meshgait.viz.mesh import Mesh, spheres
from meshgait.viz.render import camera, render, turntable, views


@pytest.fixture(scope="module")
def solid() -> Mesh:
    body = BodyModel.default()
    return Mesh.of(rest_mesh(body), body.faces)


def drawn(picture: np.ndarray, background: tuple[int, int, int]) -> np.ndarray:
    return (np.abs(picture.astype(int) - background) > 6).any(-1)


def test_camera_circles_to_the_bodys_left():
    np.testing.assert_allclose(camera(0), np.eye(3), atol=1e-12)
    np.testing.assert_allclose(camera(90) @ [1, 0, 0], [0, 0, 1], atol=1e-12)  # +x comes towards the camera
    np.testing.assert_allclose(
        camera(90) @ [0, 0, 1], [-1, 0, 0], atol=1e-12
    )  # the front points left in the image
    above = camera(0, 90)
    np.testing.assert_allclose(above @ [0, 1, 0], [0, 0, 1], atol=1e-12)
    for azimuth, elevation in ((33, 20), (200, -10)):
        rotation = camera(azimuth, elevation)
        np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
        assert np.linalg.det(rotation) == pytest.approx(1)


def test_left_hand_is_at_the_images_right(solid):
    hand = spheres(np.array([[0.8, 0.2, 0.06]]), 0.05, (255, 0, 0))
    picture = render(solid + hand, (200, 200), scale=100, centre=np.array([0, -0.3, 0])).astype(int)
    rows, columns = np.nonzero(picture[..., 0] - picture[..., 2] > 90)
    assert columns.mean() == pytest.approx(100 + 80, abs=2) and rows.mean() == pytest.approx(100 - 50, abs=2)


@pytest.mark.slow
def test_silhouette_area_is_the_projected_area(solid):
    background = (0, 0, 0)
    picture = render(solid, (400, 400), scale=200, background=background)
    area = drawn(picture, background).sum() / 200**2
    ball = trimesh.creation.icosphere(subdivisions=4, radius=0.5)
    round_picture = render(Mesh.of(ball.vertices, ball.faces), (400, 400), scale=300, background=background)
    assert drawn(round_picture, background).sum() / 300**2 == pytest.approx(np.pi / 4, rel=0.02)
    assert 0.4 < area < 0.8  # square metres of a person with spread arms


def test_nearer_surface_hides_the_farther():
    ball = trimesh.creation.icosphere(subdivisions=2, radius=1)
    red, blue = (
        Mesh.of(ball.vertices + np.array([0, 0, z]), ball.faces, colour)
        for z, colour in ((3, (255, 0, 0)), (0, (0, 0, 255)))
    )
    for scene in (red + blue, blue + red):
        middle = render(scene, (64, 64))[32, 32].astype(int)
        assert middle[0] > middle[2] + 60
        behind = render(scene, (64, 64), camera(180))[32, 32].astype(int)
        assert behind[2] > behind[0] + 60


def test_colours_and_background(solid):
    colours = np.where(solid.vertices[:, :1] > 0, (255, 60, 60), (60, 60, 255))
    mesh = Mesh.of(solid.vertices, solid.faces, colours)
    picture = render(mesh, (240, 300), background=(10, 20, 30)).astype(int)
    assert picture[0, 0].tolist() == [10, 20, 30] and picture.shape == (240, 300, 3)
    left, right = picture[:, 160:].reshape(-1, 3), picture[:, :140].reshape(-1, 3)
    assert (left[:, 0] - left[:, 2]).max() > 100 and (right[:, 2] - right[:, 0]).max() > 100


def test_fewer_samples_change_edges_alone(solid):
    fine, coarse = (render(solid, (200, 160), samples=samples).astype(int) for samples in (3, 2))
    assert fine.shape == coarse.shape and not np.array_equal(fine, coarse)
    assert np.abs(fine - coarse).mean() < 1


def test_what_faces_away_is_not_drawn():
    back = Mesh.of(np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0]], float), np.array([[0, 2, 1]]))
    assert (render(back, (20, 20), scale=8.0, centre=np.zeros(3), background=(7, 8, 9)) == (7, 8, 9)).all()


def test_views_and_turntable(solid):
    sheet = views(solid, (0, 90), height=120)
    assert sheet.shape[0] == 120 and sheet.dtype == np.uint8
    frames = turntable(solid, frames=4, size=(90, 90))
    masks = [drawn(frame, (246, 247, 249)) for frame in frames]
    assert masks[0].sum() > 1.3 * masks[1].sum()  # arms seen from the front, hidden from the side
    agreement = (masks[0] & masks[2][:, ::-1]).sum() / (masks[0] | masks[2][:, ::-1]).sum()
    assert agreement > 0.97  # the back is the front's mirror image


def test_views_share_a_scale_that_can_be_given(solid):
    height = np.ptp(solid.vertices[:, 1])
    small = views(solid, (0,), 120, tall=2 * height, background=(0, 0, 0))
    large = views(solid, (0,), 120, background=(0, 0, 0))
    rows = [np.flatnonzero(drawn(picture, (0, 0, 0)).any(1)) for picture in (small, large)]
    assert np.ptp(rows[0]) == pytest.approx(np.ptp(rows[1]) / 2, abs=2)
