"""Bodies beyond the common: nothing changes at variety 0, flesh is where it belongs, the crop hides a size."""

from dataclasses import replace

import numpy as np
import pytest

from meshgait.synthetic.bodies import FLESH, REGIONS, Build
from meshgait.synthetic.sequence import SequenceJob, SequenceRenderer
from meshgait.synthetic.style import Style
from tests.synthetic.conftest import draw_betas


def builds(variety: float, count: int = 300) -> list[Build]:
    return [Build.sample(np.random.default_rng(k), draw_betas(k), variety) for k in range(count)]


def test_variety_zero_is_the_body_itself():
    for k, build in enumerate(builds(0.0, 5)):
        assert np.array_equal(build.betas, draw_betas(k))
        assert not build.flesh.any()
        assert (build.head, build.stature, build.age) == (0.0, 1.0, 0.0)
        assert build.walks(Style()) == Style()


def test_full_variety_spreads_wider_and_has_children_and_old_people():
    wide, plain = builds(1.0), builds(0.0)
    spread = [np.std([build.betas for build in group]) for group in (wide, plain)]
    assert 1.1 < spread[0] / spread[1] < 1.5
    assert np.abs([build.betas for build in wide]).max() <= 3.5
    children = [build for build in wide if build.stature < 1]
    assert 0.05 < len(children) / len(wide) < 0.2
    assert all(build.stature >= 0.6 and build.head > 0 for build in children)
    assert 0.06 < np.mean([build.age > 0 for build in wide]) < 0.2


def test_old_people_stoop_and_take_short_steps_children_quick_ones():
    adult = Build(np.zeros(10), np.zeros(len(REGIONS)))
    old, child = replace(adult, age=1.0).walks(Style()), replace(adult, stature=0.7).walks(Style())
    assert old.stoop > Style().stoop + 5
    assert old.hip_amplitude < Style().hip_amplitude
    assert child.cadence > 1.1 * Style().cadence


@pytest.mark.parametrize("region", range(len(REGIONS)))
def test_flesh_is_where_it_belongs(renderer, region):
    skin = renderer.skin(0)
    flesh = np.zeros(len(REGIONS))
    flesh[region] = 0.02
    thick = Build(np.zeros(10), flesh).thickness(skin)
    assert 0.01 < thick.max() <= 0.021
    height = np.average(skin.points[:, 1], weights=thick)
    below = {"thigh", "calf", "hips"}
    assert (height < skin.figure.joints[0, 1] + 0.05) == (REGIONS[region] in below)


def test_negative_flesh_is_mild():
    assert min(build.flesh.min() for build in builds(1.0)) >= -0.7 * FLESH.max() - 1e-9


def test_a_child_is_a_smaller_person_seen_by_the_same_camera(rig, small):
    """Equal settings but stature: pixels per metre of the body model fall with it, the crop hides it."""
    renderer = SequenceRenderer(replace(small, body_variety=1.0), rig)
    grown = Build(np.zeros(10), np.zeros(len(REGIONS)))
    job = SequenceJob(small.subjects()[0], "nm-01", 90)
    sequences = []
    for stature in (1.0, 0.7):
        renderer.build = lambda body, s=stature: replace(grown, stature=s)
        sequences.append(renderer.render(job))
    assert np.array_equal(sequences[0].betas, sequences[1].betas)
    assert np.mean(sequences[1].cameras[:, 0] / sequences[0].cameras[:, 0]) == pytest.approx(1.0, abs=0.05)
