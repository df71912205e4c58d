"""Crossing of bodies and styles, and settings out of range."""

from collections import Counter

import pytest

from meshgait.errors import ConfigError
from meshgait.synthetic.population import LATER, WalkerSettings


@pytest.mark.parametrize(("bodies", "fraction"), [(30, 1 / 3), (4, 0.5), (7, 0.4), (2, 0.0), (3, 1.0), (5, 0.01)])
def test_each_body_and_each_style_walks_twice_and_sets_share_nothing(bodies, fraction):
    subjects = WalkerSettings(bodies=bodies, styles=bodies, test_fraction=fraction).subjects()
    assert len({s.name for s in subjects}) == len(subjects) == 2 * bodies
    assert set(Counter(s.body for s in subjects).values()) == {2}
    assert set(Counter(s.style for s in subjects).values()) == {2}
    assert len({(s.body, s.style) for s in subjects}) == 2 * bodies
    for trait in ("name", "body", "style"):
        train, test = ({getattr(s, trait) for s in subjects if s.test == kind} for kind in (False, True))
        assert not train & test


def test_long_walks_are_allowed_from_the_side_and_from_afar():
    WalkerSettings(frames=300, views=(90,))
    WalkerSettings(frames=300, camera_distance=13.0)


def test_default_has_forty_to_train_and_twenty_to_test():
    subjects = WalkerSettings().subjects()
    assert Counter(s.test for s in subjects) == {False: 40, True: 20}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"bodies": 1, "styles": 1}, ("--bodies 1", "2")),
        ({"styles": 29}, ("--styles 29", "--bodies 30")),
        ({"test_fraction": 1.2}, ("--test-fraction 1.2", "between 0.0 and 1.0")),
        ({"bodies": 3, "styles": 3}, ("--test-fraction", "--bodies")),
        ({"views": ()}, ("--views", "empty")),
        ({"views": (0, 360)}, ("--views 360", "0 to 359")),
        ({"views": (0, 36, 0)}, ("--views", "0 more than once")),
        ({"conditions": ("nm-1",)}, ("--conditions nm-1", "nm-01")),
        ({"conditions": ("xx-01",)}, ("--conditions xx-01",)),
        ({"frames": 0}, ("--frames 0", "1")),
        ({"fps": 0.0}, ("--fps 0.0",)),
        ({"seed": -1}, ("--seed -1",)),
        ({"camera_height": 0.0}, ("--camera-height 0.0", "0.1")),
        ({"camera_distance": 1.0}, ("--camera-distance 1.0", "3.0")),
        ({"camera_distance": float("nan")}, ("--camera-distance nan",)),
        ({"frames": 300}, ("--camera-distance 8", "--frames 300", "view 0", " m away")),
        ({"noise": "wild"}, ("--noise wild", "mild")),
        ({"noise_strength": -0.1}, ("--noise-strength -0.1",)),
        ({"camera_variety": 1.5}, ("--camera-variety 1.5", "1.0")),
        ({"wardrobe_variety": float("nan")}, ("--wardrobe-variety nan",)),
        ({"body_variety": -1.0}, ("--body-variety -1.0",)),
    ],
)
def test_settings_out_of_range_name_option_value_and_range(change, words):
    with pytest.raises(ConfigError) as caught:
        WalkerSettings(**change)
    for word in words:
        assert word in str(caught.value)
    assert "\n" not in str(caught.value)


def test_later_settings_are_named_only_where_they_are_used():
    """A store made before they existed is still recognised as one of the same settings."""
    assert not set(WalkerSettings().as_dict()) & set(LATER)
    assert WalkerSettings(camera_variety=0.5).as_dict()["camera_variety"] == 0.5
