import pytest

from meshgait.errors import ConfigError
from meshgait.models.size import NetworkSize


def test_the_defaults_are_those_of_the_design():
    size = NetworkSize()
    assert size.frame == (64, 44)
    assert size.channels == (64, 128, 256, 512)
    assert size.points == 24 + 64
    assert size.volume == (16, 32, 22)
    assert size.early_stride == 1


def test_a_volume_follows_the_frame():
    size = NetworkSize(frame=(128, 88), volume_depth=8, volume_stride=4)
    assert size.volume == (8, 32, 22)


@pytest.mark.parametrize(
    ("wrong", "what"),
    [
        ({"strides": (1, 1, 2, 1, 1)}, "strides"),
        ({"strides": (2, 2, 2, 1, 1)}, "strides"),
        ({"volume_stride": 3}, "volume_stride"),
        ({"strides": (2, 2, 1, 1, 1), "volume_stride": 2}, "volume_stride"),
        ({"frame": (60, 44)}, "frame"),
        ({"frame": (64, 45)}, "frame"),
        ({"strips": 5}, "strips"),
        ({"strips": 0}, "strips"),
        ({"channels": (64, 0, 256, 512)}, "channels"),
        ({"blocks": (1, 0, 1, 1)}, "blocks"),
        ({"joints": 0}, "joints"),
        ({"markers": -1}, "markers"),
        ({"volume_depth": 0}, "volume_depth"),
        ({"embedding": 0}, "embedding"),
        ({"strides": (1, -1, -2, 2, 1)}, "strides"),
    ],
    ids=str,
)
def test_sizes_that_cannot_be_built_are_refused(wrong, what):
    with pytest.raises(ConfigError, match=what):
        NetworkSize(**wrong)
