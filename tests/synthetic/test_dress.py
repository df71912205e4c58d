"""Clothes cover the body, coats more than shirts; bags are where they are carried."""

from dataclasses import replace

import numpy as np
import pytest

from meshgait.synthetic.camera import following_camera
from meshgait.synthetic.dress import Dressed, Outfit, Top
from meshgait.synthetic.gait import Gait
from meshgait.synthetic.images import render_images
from meshgait.synthetic.parts import BAGS, sample_bag
from meshgait.synthetic.style import Style


@pytest.fixture(scope="module")
def scene(renderer):
    skin = renderer.skin(0)
    motion = Gait(Style(), skin.figure).frames(np.arange(4) / 4.3)
    return skin, motion


def images(scene, outfit, bag=None, view=90.0):
    """Images placed so that the pelvis has the same pixel in all."""
    skin, motion = scene
    picture, (x, y) = render_images(
        Dressed(skin, outfit, bag), motion, following_camera(motion.path, view, 8.0, 1.2)
    )
    canvas = np.zeros((len(picture), 260, 240), bool)
    top, left = 120 - int(y), 120 - int(x)
    canvas[:, top : top + picture.shape[1], left : left + picture.shape[2]] = picture > 0
    return canvas


@pytest.mark.parametrize("seed", range(5))
def test_clothes_cover_the_body_and_coats_add_to_them(scene, naked, seed):
    rng = np.random.default_rng(seed)
    outfit, coat = Outfit.sample(rng), Top.coat(rng)
    bare, dressed, coated = (images(scene, o) for o in (naked, outfit, replace(outfit, top=coat)))
    assert (bare & ~dressed).sum() / bare.sum() < 0.01
    assert 1.03 < dressed.sum() / bare.sum() < 1.7
    assert coated.sum() > 1.05 * images(scene, replace(outfit, top=Top((0.005,) * 4, (0.005,) * 3))).sum()


def test_longer_coat_covers_the_legs_gap(scene, naked):
    """Between the thighs of a spread step there is background; a coat to the knee hides it, one to the hip not."""
    short, long = (
        images(scene, replace(naked, top=Top((0.02,) * 4, (0.01,) * 3, hem=hem, free=True))) for hem in (0.1, 0.45)
    )
    rows = slice(120 + 15, 120 + 28)  # 20 to 38 cm below the pelvis
    assert long[:, rows].sum() > 1.15 * short[:, rows].sum()


@pytest.mark.parametrize("kind", BAGS)
def test_bag_adds_area_where_it_is_carried(scene, naked, kind):
    rng = np.random.default_rng(1)
    bag = next(b for b in iter(lambda: sample_bag(rng), None) if b["kind"] == kind)
    added = sum((images(scene, naked, bag, v) & ~images(scene, naked, None, v)).sum() for v in (0.0, 90.0))
    assert added > 150
    if kind == "backpack":  # behind the back: at view 90 the walker faces left
        extra = images(scene, naked, bag) & ~images(scene, naked)
        v, u = np.nonzero(extra.any(axis=0))
        assert u.mean() > 120
        assert v.mean() < 120


def test_variation_is_mild_and_zero_is_none():
    rng = np.random.default_rng(0)
    outfit = Outfit.sample(rng)
    assert outfit.varied(rng, 0.0) == outfit
    varied = outfit.varied(rng, 0.15)
    assert varied != outfit
    assert 0.5 < varied.trousers[1] / outfit.trousers[1] < 2
