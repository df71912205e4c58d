"""Walkers for tests: the default body, one average and some personal gaits."""

import numpy as np
import pytest

from meshgait.body.smpl import BodyModel
from meshgait.synthetic.dress import Outfit, Top
from meshgait.synthetic.population import WalkerSettings
from meshgait.synthetic.rig import Rig
from meshgait.synthetic.sequence import SequenceRenderer


@pytest.fixture(scope="session")
def body() -> BodyModel:
    return BodyModel.default()


@pytest.fixture(scope="session")
def rig(body) -> Rig:
    return Rig(body.arrays)


@pytest.fixture(scope="session")
def small() -> WalkerSettings:
    """Eight subjects of two bodies and styles a set, few frames."""
    return WalkerSettings(bodies=4, styles=4, views=(0, 90), conditions=("nm-01", "bg-01", "cl-01"), frames=4)


@pytest.fixture(scope="session")
def renderer(small, rig) -> SequenceRenderer:
    return SequenceRenderer(small, rig)


@pytest.fixture(scope="session")
def naked() -> Outfit:
    return Outfit(Top((0.0,) * 4, (0.0,) * 3, collar=0.0), (0.0,) * 4, shoe=0.0, hair=0.0, style="short")


def draw_betas(seed: int) -> np.ndarray:
    return np.clip(np.random.default_rng(seed).standard_normal(10), -2.5, 2.5)
