"""Segmenters: the same for the same numbers, harmless at strength 0, and faults where they are meant to be."""

from dataclasses import replace

import numpy as np
import pytest

from meshgait.synthetic import appearance
from meshgait.synthetic.images import crop, render_images
from meshgait.synthetic.learned import LearnedSegmenter
from meshgait.synthetic.segmentation import NOISES, choose_segmenter, scene_of
from meshgait.synthetic.sequence import SequenceJob, SequenceRenderer
from meshgait.synthetic.subtraction import Subtraction, without_holes, without_pieces
from meshgait.synthetic.viewpoints import Viewpoint


@pytest.fixture(scope="module")
def scene(renderer):
    motion, dressed, _ = renderer.walk(SequenceJob(renderer.settings.subjects()[0], "bg-01", 90))
    camera = Viewpoint.sample(np.random.default_rng(0), 90, 8.0, 1.2, 0.0).camera(motion.path)
    images, pelvis = render_images(dressed, motion, camera)
    return scene_of(dressed, motion, camera, images, pelvis)


def overlap(first, second) -> float:
    one, other = first > 0, second > 0
    return float((one & other).sum() / (one | other).sum())


@pytest.mark.parametrize("noise", NOISES[1:])
def test_same_numbers_same_bytes_and_never_empty(scene, noise):
    first, second, other = (choose_segmenter(noise, 1.0, np.random.default_rng(seed))(scene) for seed in (1, 1, 2))
    assert np.array_equal(first, second)
    assert not np.array_equal(first, other)
    assert set(np.unique(first)) == {0, 255}
    assert first.any(axis=(1, 2)).all()


@pytest.mark.parametrize("noise", ["subtraction", "learned"])
def test_stronger_is_worse_and_zero_keeps_the_figure(scene, noise):
    rates = [
        np.mean(
            [overlap(choose_segmenter(noise, s, np.random.default_rng(k))(scene), scene.images) for k in range(8)]
        )
        for s in (0.0, 1.0)
    ]
    assert rates[0] > 0.85
    assert rates[1] < rates[0] - 0.02


def test_none_is_no_segmenter():
    assert choose_segmenter("none", 1.0, np.random.default_rng(0)) is None


def test_parts_are_where_the_body_has_them(scene):
    for frame in range(len(scene.images)):
        parts, joints = scene.parts(frame), scene.joints[frame]

        def at(point, parts=parts):
            return parts[int(point[1]), int(point[0])]

        assert at(joints[12] + [0, 0.25 * scene.scale[frame]]) in (
            appearance.TOP,
            appearance.SLEEVE,
            appearance.BAG,
        )
        assert at((joints[10] + joints[7]) / 2) == appearance.SHOE
        assert at(joints[15] - [0, 0.2 * scene.scale[frame]]) == appearance.HAIR


def test_a_part_like_the_background_is_lost_and_the_crop_scales_the_rest_up(scene):
    clear = Subtraction.sample(np.random.default_rng(0), 0.0)
    clear = replace(
        clear, luma=np.full(9, 0.9, np.float32), contrast=0.0, threshold=0.2, median=0, growing=0, closing=0
    )
    clear = replace(clear, colour=np.full(9, 0.5, np.float32), shadow=0.0, opening=0, holes=0.0, kept=0.5)
    colour = clear.colour.copy()
    colour[[appearance.HAIR, appearance.FACE]] = 0.0
    headless = replace(clear, colour=colour, luma=np.array([0.5, 0.5, *[0.9] * 7], np.float32))
    pelvis = scene.joints[:, 0]
    whole, cut = (
        crop(s.apply(scene, np.random.default_rng(7)), pelvis, scene.scale)[1] for s in (clear, headless)
    )
    # the backdrop's own brightness is drawn around 0.5, the head is as bright, all else differs in colour
    assert (cut[:, 0] > 1.04 * whole[:, 0]).all()  # more pixels per metre
    assert (cut[:, 2] < whole[:, 2]).all()  # the pelvis is higher in the crop


def test_networks_lose_bags_they_do_not_know(scene):
    sure = LearnedSegmenter.sample(np.random.default_rng(0), 0.0)
    doubt = sure.doubt.copy()
    doubt[appearance.BAG] = 0.9
    kept, lost = (s.apply(scene, np.random.default_rng(0)) for s in (sure, replace(sure, doubt=doubt)))
    bag = np.stack([scene.parts(frame) == appearance.BAG for frame in range(len(kept))]) & (scene.images > 0)
    assert (kept[bag] > 0).mean() > 0.85 > 0.4 > (lost[bag] > 0).mean()


def test_small_pieces_go():
    figure = np.zeros((20, 20), np.uint8)
    figure[2:12, 2:12], figure[15:17, 15:17] = 255, 255
    assert np.array_equal(without_pieces(figure, 0.03), figure)
    assert without_pieces(figure, 0.5)[15:17, 15:17].sum() == 0
    assert np.array_equal(without_pieces(figure, 0.5)[2:12, 2:12], figure[2:12, 2:12])


def test_small_holes_are_closed_and_the_background_is_not():
    figure = np.full((20, 20), 255, np.uint8)
    figure[5:7, 5:7] = 0  # a hole of 4 pixels
    figure[10:14, 10:14] = 0  # one of 16
    figure[:, 0] = 0  # background, less than either the figure or what counts as a hole
    closed = without_holes(figure, 100.0)
    assert (closed[:, 0] == 0).all()
    assert (closed[:, 1:] == 255).all()
    some = without_holes(figure, 10.0)
    assert (some[5:7, 5:7] == 255).all()
    assert (some[10:14, 10:14] == 0).all()
    assert np.array_equal(without_holes(figure, 1.0), figure)


def test_truth_does_not_depend_on_the_segmenter_but_for_the_crop(rig, small):
    """Poses and betas are equal; both cameras put the same joint where its own image has it."""
    job = SequenceJob(small.subjects()[0], "nm-01", 90)
    clean, noisy = (
        SequenceRenderer(replace(small, noise=noise), rig).render(job) for noise in ("none", "subtraction")
    )
    assert np.array_equal(clean.poses, noisy.poses)
    assert np.array_equal(clean.betas, noisy.betas)
    assert not np.array_equal(clean.silhouettes, noisy.silhouettes)
