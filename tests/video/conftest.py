"""Videos of rendered walkers with exact masks, made once for all tests."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from meshgait.synthetic.film import Film, backdrop, shoot, walking_actor, write_video

SIZE = (240, 320)


class Shot(NamedTuple):
    path: Path
    film: Film


@pytest.fixture(scope="session")
def videos(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("videos")


@pytest.fixture(scope="session")
def background() -> np.ndarray:
    return backdrop(SIZE, 150, seed=1)


@pytest.fixture(scope="session")
def one_walker(videos, background) -> Shot:
    """Somebody walks to the right through the whole picture, with a shadow."""
    film = shoot([walking_actor(1, 75, (15, 215), 120)], background, 85)
    write_video(videos / "one.mp4", film.frames)
    return Shot(videos / "one.mp4", film)


@pytest.fixture(scope="session")
def crossing(videos, background) -> Shot:
    """Two people come from both sides and pass each other."""
    actors = [walking_actor(1, 80, (10, 205), 115), walking_actor(4, 80, (310, 220), 120, view=90)]
    film = shoot(actors, background, 90)
    write_video(videos / "crossing.avi", film.frames, codec="MJPG")
    return Shot(videos / "crossing.avi", film)
