import dataclasses

import cv2
import numpy as np
import pytest
import torch

from meshgait.data.transforms import Augmentation
from meshgait.errors import ConfigError

HEIGHT, WIDTH = 64, 44


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def blob(u, v, count=1, frames=2):
    """Silhouettes (count, frames, H, W) with a 3 x 3 blob whose centre is at (u, v) of continuous pixels."""
    silhouettes = torch.zeros(count, frames, HEIGHT, WIDTH)
    column, row = round(u - 0.5), round(v - 0.5)
    silhouettes[..., row - 1 : row + 2, column - 1 : column + 2] = 1
    return silhouettes


def centroid(image):
    """(u, v) of the mass of an image; pixel i covers [i, i + 1)."""
    rows, columns = torch.meshgrid(torch.arange(HEIGHT) + 0.5, torch.arange(WIDTH) + 0.5, indexing="ij")
    return complex((image * columns).sum() / image.sum(), (image * rows).sum() / image.sum())


def moved(point, geometry, which):
    """Where a point (u + i v) of the crop goes; v being down, exp(i angle) turns clockwise on the screen."""
    centre = complex(WIDTH / 2, HEIGHT / 2)
    offset = point - centre
    if geometry.flip[which]:
        offset = complex(-offset.real, offset.imag)
    turn = torch.polar(geometry.scale[which].double(), geometry.angle[which].double()).item()
    return offset * turn + centre + complex(*geometry.shift[which].tolist())


@pytest.mark.parametrize(
    "strengths",
    [
        {"flip": 0.5},
        {"rotate": 25.0},
        {"scale": 0.3},
        {"shift": 6.0},
        {"flip": 0.5, "rotate": 20.0, "scale": 0.2, "shift": 4.0},
    ],
    ids=lambda strengths: "+".join(strengths),
)
def test_pixels_go_where_the_geometry_says(strengths):
    point = complex(28.5, 20.5)  # off both axes of the crop, so that any swap of signs or axes shows
    count = 16
    silhouettes, geometry = Augmentation(**strengths)(blob(point.real, point.imag, count), generator())
    travelled = []
    for which in range(count):
        expected = moved(point, geometry, which)
        for image in silhouettes[which]:
            assert abs(centroid(image) - expected) < 0.25
        travelled.append(abs(expected - point))
    assert max(travelled) > 2


def test_the_geometry_keeps_to_its_limits_and_uses_them():
    drawn = Augmentation(flip=0.3, rotate=10, scale=0.2, shift=3).draw(4000, generator())
    assert drawn.flip.float().mean() == pytest.approx(0.3, abs=0.03)
    for values, limit, middle in (
        (torch.rad2deg(drawn.angle), 10, 0),
        (drawn.scale, 0.2, 1),
        (drawn.shift[:, 0], 3, 0),
        (drawn.shift[:, 1], 3, 0),
    ):
        offsets = values - middle
        assert offsets.abs().max() <= limit * 1.0001
        assert offsets.max() > 0.95 * limit and offsets.min() < -0.95 * limit
        assert offsets.mean().abs() < 0.05 * limit
    assert torch.corrcoef(drawn.shift.T)[0, 1].abs() < 0.1


def test_nothing_asked_nothing_done():
    silhouettes = torch.rand(3, 2, HEIGHT, WIDTH)
    same, geometry = Augmentation()(silhouettes, generator())
    assert torch.equal(same, silhouettes)
    assert not geometry.flip.any()
    assert torch.equal(geometry.scale, torch.ones(3))
    assert geometry.angle.abs().max() == geometry.shift.abs().max() == 0


def test_the_corners_of_the_crop_go_where_the_geometry_says():
    """Also together with all that comes before the perspective."""
    augmentation = Augmentation(flip=0.5, rotate=10, scale=0.1, shift=2, perspective=0.15, perspective_chance=0.8)
    count, point = 24, complex(28.5, 20.5)
    silhouettes, geometry = augmentation(blob(point.real, point.imag, count), generator())
    corners = np.float32([[0, 0], [WIDTH, 0], [0, HEIGHT], [WIDTH, HEIGHT]])
    travelled = []
    for which in range(count):
        bends = cv2.getPerspectiveTransform(corners, corners + geometry.corners[which].numpy())
        affine = moved(point, geometry, which)
        u, v, w = bends @ (affine.real, affine.imag, 1)
        travelled.append(abs(complex(u, v) / w - affine))
        for image in silhouettes[which]:
            assert abs(centroid(image) - complex(u, v) / w) < 0.3
    assert max(travelled) > 1.5
    assert geometry.has_perspective.tolist() == [step > 0 for step in travelled]
    assert 0.5 < geometry.has_perspective.float().mean() < 1


def test_chances_leave_the_other_sequences_as_they_are():
    silhouettes = (torch.rand(300, 1, HEIGHT, WIDTH) > 0.5).float()
    for options in ({"rotate": 15, "rotate_chance": 0.3}, {"perspective": 0.1, "perspective_chance": 0.3}):
        out, geometry = Augmentation(**options)(silhouettes, generator())
        same = (out == silhouettes).flatten(1).all(1)
        assert torch.equal(same, ~geometry.warped)
        assert 60 < geometry.warped.sum() < 120  # a standard deviation is 8
        assert geometry.angle.abs().max() <= np.radians(15)
        assert (geometry.corners.abs() <= torch.tensor([WIDTH, HEIGHT]) * 0.1).all()


ALL = Augmentation(flip=0.5, rotate=10, scale=0.1, shift=2, erase=0.5, coarse=0.5, perspective=0.1)


def test_what_happens_to_a_sequence_does_not_depend_on_how_a_batch_is_shared():
    augmentation = dataclasses.replace(ALL, thickness=0.5)
    silhouettes = (torch.rand(12, 2, HEIGHT, WIDTH) > 0.5).float()
    whole, geometry = augmentation(silhouettes, generator())
    for world in (2, 3):
        shares = [augmentation(x, generator(), n, world) for n, x in enumerate(silhouettes.chunk(world))]
        assert torch.equal(torch.cat([share for share, _ in shares]), whole)
        for name, values in vars(geometry).items():
            assert torch.equal(torch.cat([getattr(moved, name) for _, moved in shares]), values)
    assert not torch.equal(augmentation(silhouettes[:6], generator(), 1, 2)[0], whole[:6])


def test_the_same_generator_gives_the_same_result_and_the_input_is_left_alone():
    silhouettes = (torch.rand(8, 2, HEIGHT, WIDTH) > 0.5).float()
    before = silhouettes.clone()
    one, two, other = (ALL(silhouettes, generator(seed))[0] for seed in (1, 1, 2))
    assert torch.equal(one, two)
    assert not torch.equal(one, other)
    assert torch.equal(silhouettes, before)
    assert one.shape == silhouettes.shape
    assert one.min() >= 0 and one.max() <= 1 + 1e-6


def test_all_frames_of_a_sequence_are_treated_alike():
    silhouettes = (torch.rand(8, 1, HEIGHT, WIDTH) > 0.5).float().expand(-1, 3, -1, -1)
    out, _ = ALL(silhouettes, generator())
    assert torch.equal(out[:, 0], out[:, 1]) and torch.equal(out[:, 0], out[:, 2])


def test_erasing_blanks_one_rectangle_of_the_chosen_sequences():
    out, _ = Augmentation(erase=0.5)(torch.ones(200, 1, HEIGHT, WIDTH), generator())
    erased = 0
    for (image,) in out:
        hole = image == 0
        if not hole.any():
            assert torch.equal(image, torch.ones_like(image))
            continue
        erased += 1
        rows, columns = hole.any(1), hole.any(0)
        assert hole.sum() == rows.sum() * columns.sum()  # a full rectangle
        assert 0.1 * HEIGHT < rows.sum() < 0.45 * HEIGHT
        assert 0.1 * WIDTH < columns.sum() < 0.45 * WIDTH
    assert 70 < erased < 130


def test_coarse_sequences_lose_detail_and_keep_the_large():
    fine = (torch.arange(HEIGHT)[:, None] % 2).float().expand(HEIGHT, WIDTH)  # stripes one pixel wide
    large = torch.zeros(HEIGHT, WIDTH)
    large[16:48, 12:32] = 1
    out, _ = Augmentation(coarse=1.0)(torch.stack([fine, large])[:, None], generator())
    stripes = out[0, 0]
    assert stripes.std() < 0.05
    assert (out[1, 0] - large).abs().mean() < 0.05
    kept, _ = Augmentation(coarse=1e-9)(fine[None, None], generator())
    assert torch.equal(kept[0, 0], fine)


@pytest.mark.parametrize(
    "wrong",
    [
        {"flip": 1.5},
        {"erase": -0.1},
        {"coarse": 2},
        {"rotate": -1},
        {"shift": -1},
        {"scale": -0.1},
        {"scale": 1.0},
        {"perspective": 0.5},
        {"perspective_chance": 1.1},
        {"rotate_chance": -0.1},
    ],
    ids=str,
)
def test_strengths_out_of_range_are_refused(wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        Augmentation(**wrong)


def test_thickness_thins_or_thickens_by_one_or_two_pixels_and_is_one_change_a_sequence():
    frames = torch.zeros(40, 2, 64, 44)
    frames[:, :, 20:40, 10:30] = 1
    changed, _ = Augmentation(thickness=0.8)(frames, torch.Generator().manual_seed(0))
    sides = {round(float(sequence[0].sum()) ** 0.5) for sequence in changed}
    assert sides == {16, 18, 20, 22, 24}
    assert torch.equal(changed[:, 0], changed[:, 1])
