"""The shipped sizes are the published networks: parameters and FLOPs with 3,000 classes at 64 x 44."""

from pathlib import Path

import pytest
import yaml

from meshgait.models.meshgait import MeshGait
from meshgait.models.size import NetworkSize
from meshgait.profiling import count_flops, count_parameters, random_batch

FOLDER = Path(__file__).parents[2] / "experiments" / "sizes"
FRAMES = 2  # the 3D branch looks at every second one

# parameters in M, GFLOPs of 30 frames; of the published implementations, measured with 3,000 classes
PUBLISHED = {
    "gaitbase": (19.29, 70.7),
    "deepgaitv2": (25.49, 170.4),
    "deepgaitv2-small": (8.157, 20.82),
}


def network(name, **settings):
    content = yaml.safe_load((FOLDER / f"{name}.yaml").read_text())
    size = NetworkSize(**{key: tuple(v) if isinstance(v, list) else v for key, v in content.items()})
    return MeshGait(size, 3000, **settings)


@pytest.mark.slow
@pytest.mark.parametrize("name", PUBLISHED)
def test_parameters_and_flops_are_the_published_ones(name):
    built = network(name, use_3d=False)
    parameters, flops = PUBLISHED[name]
    assert count_parameters(built)["total"] == pytest.approx(1e6 * parameters, rel=0.002)
    flops_of_few = count_flops(built, random_batch(1, FRAMES, (64, 44), "cpu"))["total"]
    assert flops_of_few * 30 / FRAMES == pytest.approx(1e9 * flops, rel=0.01)


@pytest.mark.slow
def test_a_3d_branch_adds_at_most_a_quarter_to_the_flops_of_gaitbase():
    batch = random_batch(1, FRAMES, (64, 44), "cpu")
    flat, deep = (count_flops(network("gaitbase", use_3d=use), batch) for use in (False, True))
    assert deep["total"] < 1.25 * flat["total"]
    assert deep["stem"] + deep["2d"] == flat["stem"] + flat["2d"]
    assert deep["3d"] > 0 == flat["3d"]
