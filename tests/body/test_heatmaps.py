import pytest
import torch

from meshgait.body.heatmaps import (
    axis_cells,
    expected_points,
    point_confidence,
    read_volumes,
    voxel_centres,
    voxel_index,
)

FRAME = (64, 44)
VOLUME = (8, 16, 11)


def soft_argmax(volumes, frame):
    return read_volumes(volumes, frame)[0]


def centre(d, v, u, volume=VOLUME, frame=FRAME):
    """Centre of one voxel by the definition: the volume spans W in u, H in v, and H in d around zero."""
    depth, height, width = volume
    return [
        (u + 0.5) * frame[1] / width,
        (v + 0.5) * frame[0] / height,
        (d + 0.5) * frame[0] / depth - frame[0] / 2,
    ]


VOXELS = [(0, 0, 0), (7, 15, 10), (2, 0, 0), (0, 5, 0), (0, 0, 7), (3, 9, 4)]


@pytest.mark.parametrize("voxel", VOXELS)
def test_all_mass_in_one_voxel_gives_its_centre(voxel):
    volumes = torch.zeros(1, 1, *VOLUME)
    volumes[0, 0][voxel] = 1
    torch.testing.assert_close(soft_argmax(volumes, FRAME)[0, 0], torch.tensor(centre(*voxel)))


def test_one_voxel_is_worth_a_known_number_of_pixels_per_axis():
    """Swapped axes or a missing half voxel fail here: u, v and d have 11, 16 and 8 voxels."""
    assert centre(0, 0, 0) == [2.0, 2.0, -28.0]
    assert centre(1, 1, 1) == [6.0, 6.0, -20.0]


def test_even_mass_lies_in_the_middle_with_depth_zero():
    volumes = torch.full((1, 1, *VOLUME), 1 / (8 * 16 * 11))
    torch.testing.assert_close(
        soft_argmax(volumes, FRAME)[0, 0], torch.tensor([22.0, 32.0, 0.0]), atol=1e-4, rtol=0
    )


def test_the_expectation_is_that_of_plain_loops():
    volumes = torch.softmax(torch.randn(2, 3, 4 * 5 * 3) * 3, -1).reshape(2, 3, 4, 5, 3)
    got = soft_argmax(volumes, (20, 9))
    for n in range(2):
        for k in range(3):
            expected = [0.0, 0.0, 0.0]
            for d in range(4):
                for v in range(5):
                    for u in range(3):
                        place = centre(d, v, u, (4, 5, 3), (20, 9))
                        for axis in range(3):
                            expected[axis] += volumes[n, k, d, v, u].item() * place[axis]
            assert got[n, k].tolist() == pytest.approx(expected, abs=1e-4)


def test_soft_argmax_is_float32_whatever_comes_and_under_autocast():
    volumes = torch.softmax(torch.randn(1, 2, 8 * 16 * 11), -1).reshape(1, 2, *VOLUME)
    expected = soft_argmax(volumes, FRAME)
    assert soft_argmax(volumes.bfloat16(), FRAME).dtype == torch.float32
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(soft_argmax(volumes, FRAME), expected)


def test_a_gradient_moves_mass_towards_the_wanted_side():
    logits = torch.zeros(1, 1, 8 * 16 * 11, requires_grad=True)
    volumes = torch.softmax(logits, -1).reshape(1, 1, *VOLUME)
    soft_argmax(volumes, FRAME)[0, 0, 2].backward()  # d alone
    slope = logits.grad.reshape(VOLUME)
    assert (slope[4:] > 0).all() and (slope[:4] < 0).all()


def test_centres_and_indices_are_inverse():
    centres = voxel_centres(VOLUME, FRAME, torch.zeros(()))
    index, inside = voxel_index(centres, VOLUME, FRAME)
    assert index.tolist() == list(range(8 * 16 * 11))
    assert inside.all()
    assert centres[0].tolist() == centre(0, 0, 0)
    assert centres[1].tolist() == centre(0, 0, 1)  # u runs fastest
    assert centres[11].tolist() == centre(0, 1, 0)
    assert centres[11 * 16].tolist() == centre(1, 0, 0)


def test_marginals_are_sums_along_the_other_axes():
    volumes = torch.softmax(torch.randn(2, 3, 8 * 16 * 11) * 3, -1).reshape(2, 3, *VOLUME)
    u, v, d = read_volumes(volumes, FRAME)[1].split((11, 16, 8), dim=-1)
    torch.testing.assert_close(u, volumes.sum((2, 3)))
    torch.testing.assert_close(v, volumes.sum((2, 4)))
    torch.testing.assert_close(d, volumes.sum((3, 4)))


def test_cells_are_counted_along_u_v_d():
    cells, inside = axis_cells(torch.tensor([[9.9, 3.9, -0.1], [43.9, 63.9, 31.9]]), VOLUME, FRAME)
    assert cells.tolist() == [[2, 0, 3], [10, 15, 7]]
    assert inside.all()


@pytest.mark.parametrize("shift", [-0.49, 0.49])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_fraction_of_a_voxel_stays_in_its_voxel(axis, shift):
    """A fraction in depth, multiplied by H' W' before it is rounded, would spill into rows and columns."""
    centres = voxel_centres(VOLUME, FRAME, torch.zeros(()))
    side = (44 / 11, 64 / 16, 64 / 8)[axis]
    centres[:, axis] += shift * side
    index, inside = voxel_index(centres, VOLUME, FRAME)
    assert index.tolist() == list(range(8 * 16 * 11))
    assert inside.all()


def test_fractions_on_all_axes_at_once():
    points = torch.rand(500, 3) * torch.tensor([44.0, 64.0, 64.0]) - torch.tensor([0.0, 0.0, 32.0])
    index, inside = voxel_index(points, VOLUME, FRAME)
    assert inside.all()
    for point, got in zip(points.tolist(), index.tolist(), strict=True):
        u, v, d = int(point[0] // 4), int(point[1] // 4), int((point[2] + 32) // 8)
        assert got == d * 16 * 11 + v * 11 + u


@pytest.mark.parametrize(
    ("point", "voxel"),
    [
        ((-0.1, 10.0, 0.0), (4, 2, 0)),
        ((44.1, 10.0, 0.0), (4, 2, 10)),
        ((10.0, -0.1, 0.0), (4, 0, 2)),
        ((10.0, 64.1, 0.0), (4, 15, 2)),
        ((10.0, 10.0, -32.1), (0, 2, 2)),
        ((10.0, 10.0, 32.1), (7, 2, 2)),
    ],
)
def test_points_outside_are_marked_and_go_to_the_nearest_voxel(point, voxel):
    index, inside = voxel_index(torch.tensor(point), VOLUME, FRAME)
    assert not inside
    d, v, u = voxel
    assert index.item() == (d * 16 + v) * 11 + u


def test_points_alone_are_those_that_come_with_marginals():
    volumes = torch.softmax(3 * torch.randn(2, 5, 8 * 16 * 11), -1).reshape(2, 5, *VOLUME)
    torch.testing.assert_close(expected_points(volumes, FRAME), read_volumes(volumes, FRAME)[0])


def test_confidence_is_the_mass_where_the_point_lies():
    volumes = torch.softmax(torch.randn(1, 3, 4 * 16 * 11), -1).reshape(1, 3, 4, 16, 11)
    points = torch.tensor([[[0.1, 0.1, -31.9], [43.0, 63.0, 31.0], [10.0, 21.0, -1.0]]])
    got = point_confidence(volumes, points, (64, 44))[0].tolist()
    places = [(0, 0, 0), (3, 15, 10), (1, 5, 2)]
    assert got == pytest.approx([volumes[0, k][place].item() for k, place in enumerate(places)])


def test_the_confidence_that_is_read_is_that_of_the_points_that_are_read():
    volumes = torch.softmax(3 * torch.randn(2, 3, 8 * 16 * 11), -1).reshape(2, 3, 8, 16, 11).requires_grad_()
    points, _, confidence = read_volumes(volumes, FRAME)
    assert not confidence.requires_grad
    for n in range(2):
        for k in range(3):
            u, v, d = points[n, k].tolist()
            cell = volumes[n, k, int((d + 32) / 8), int(v / 4), int(u / 4)]
            assert confidence[n, k].item() == pytest.approx(cell.item())
