"""Masks of meshes against a test of every pixel, and of walkers against their own silhouettes."""

import numpy as np
import pytest
import torch

from meshgait.body.outline import BLOCK, iou, outline_masks
from meshgait.body.raster import Topology
from meshgait.body.targets import to_pixels
from meshgait.data.store import Store
from tests.body.test_raster import plain


def upright(body, frames=2):
    """The body at rest, somewhat larger from frame to frame, in a crop of 64 x 44: (T, V, 3)."""
    vertices = body.arrays["v_template"]
    scale = np.linspace(30, 34, frames)[:, None, None]
    return np.array([22, 28, 0]) + scale * vertices * np.array([1, -1, 1])


@pytest.mark.parametrize("axes", [2, 3])
def test_a_mask_is_what_the_triangles_cover(default_model, axes):
    vertices = upright(default_model)
    masks = outline_masks(vertices[..., :axes], default_model.faces)
    assert masks.shape == (2, 64, 44) and masks.dtype == bool
    for mask, points in zip(masks, vertices, strict=True):
        assert (mask != plain(points[:, :2], default_model.faces, (64, 44))).sum() <= 1


def test_blocks_do_not_show(default_model):
    vertices = upright(default_model, BLOCK + 3)
    masks = outline_masks(vertices, Topology.of(default_model.faces), (64, 48))
    for frame in (0, BLOCK - 1, BLOCK, BLOCK + 2):
        np.testing.assert_array_equal(
            masks[frame], outline_masks(vertices[frame : frame + 1], default_model.faces, (64, 48))[0]
        )


def test_a_fit_that_is_no_number_or_far_away_covers_nothing(default_model):
    vertices = upright(default_model, 4)
    vertices[0, 7, 1] = np.nan
    vertices[1, 3] = np.inf
    vertices[2, :, 0] += 1e30
    masks = outline_masks(vertices, default_model.faces)
    assert masks.any(axis=(1, 2)).tolist() == [False, False, False, True]


def test_iou_of_squares():
    first, second = np.zeros((4, 6, 8), bool), np.zeros((4, 6, 8), bool)
    first[0, :4, :4], second[0, :4, 2:6] = True, True  # 8 common of 24
    first[1, 1:3], second[1, 1:3] = True, True
    first[2, 0], second[2, 1] = True, True
    assert iou(first, second).tolist() == [8 / 24, 1, 0, 0]


@pytest.mark.slow
def test_walkers_lie_under_their_own_mesh(tiny_store, default_model):
    """Hair, shoes and clothes are not in the mesh, so it covers less than the silhouette, but hardly more."""
    store = Store(tiny_store)
    overlaps, outside = [], []
    for number in (i for i, sequence in enumerate(store.sequences) if sequence.condition == "nm-01"):
        truth = {name: torch.from_numpy(array) for name, array in store.smpl(number).items()}
        with torch.no_grad():
            posed = default_model(truth["betas"], truth["poses"])
        vertices = to_pixels(posed.vertices - posed.joints[:, :1], truth["cameras"]).numpy()
        masks, figures = outline_masks(vertices, default_model.faces), store.silhouettes(number) > 127
        overlaps.append(iou(masks, figures))
        outside.append((masks & ~figures).sum() / masks.sum())
        assert iou(masks, np.roll(figures, 8, axis=2)).max() < overlaps[-1].min()
    assert np.min(overlaps) > 0.65
    assert np.mean(overlaps) > 0.75
    assert np.max(outside) < 0.04
