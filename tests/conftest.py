"""Fixtures shared by all tests."""

import os
from pathlib import Path

import pytest
import torch

from meshgait.body.markers import Markers
from meshgait.body.smpl import BodyModel
from meshgait.data.store import Store
from meshgait.models.size import NetworkSize
from meshgait.synthetic.generate import generate
from meshgait.synthetic.population import WalkerSettings

torch.set_num_threads(1)  # tests may run side by side, and sums come out the same on every machine

TINY = NetworkSize(
    channels=(4, 8, 8, 8),
    strides=(2, 1, 2, 1, 1),
    volume_depth=4,
    volume_stride=4,
    lifter_channels=8,
    lifter_hidden=16,
    reader_channels=8,
    embedding=8,
)


SLOW = {
    "callbacks", "gallery", "report", "sweeps", "synthetic", "tools", "video", "web", "test_cli.py",
    "test_experiments.py", "test_launch.py", "test_notebooks.py", "test_pretrained.py", "test_resume.py",
    "test_resume_otherwise.py", "test_training.py", "test_zero_shot.py", "textfiles/test_mutations.py",
    "viz/test_labels.py", "viz/test_plots.py",
}  # fmt: skip
"""Folders and files of tests that train, run commands, draw many pictures or start processes: all are slow."""


def is_slow(path: Path) -> bool:
    """Whether a file or folder is in `SLOW`."""
    inner = path.relative_to(Path(__file__).parent)
    return not SLOW.isdisjoint(part.as_posix() for part in (inner, *inner.parents))


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """`make test-fast` does not even import slow files: that takes as long as its tests."""
    return True if config.option.markexpr == "not slow" and is_slow(collection_path) else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests of slow files."""
    for item in items:
        if is_slow(item.path):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of the reference data; tests that need it are skipped where it is absent."""
    default = Path(__file__).parents[2] / "shared" / "data"
    path = Path(os.environ.get("MESHGAIT_SHARED_DATA", default))
    if not path.is_dir():
        pytest.skip("reference data absent; set MESHGAIT_SHARED_DATA to its folder")
    return path


@pytest.fixture(scope="session")
def tiny_size() -> NetworkSize:
    """A network that runs in milliseconds."""
    return TINY


@pytest.fixture(scope="session")
def tiny_store(tmp_path_factory) -> Path:
    """Walkers with truth: 8 subjects (4 of them test) x (nm-01..03, bg-01, cl-01) x 2 views x 6 frames."""
    path = tmp_path_factory.mktemp("walkers") / "store"
    conditions = ("nm-01", "nm-02", "nm-03", "bg-01", "cl-01")
    settings = WalkerSettings(
        bodies=4, styles=4, test_fraction=0.5, views=(0, 72), conditions=conditions, frames=6
    )
    generate(path, settings, progress=False)
    return path


@pytest.fixture
def store(tiny_store) -> Store:
    """The tiny store, opened."""
    return Store(tiny_store)


@pytest.fixture(scope="session")
def default_model() -> BodyModel:
    """The default body."""
    return BodyModel.default()


@pytest.fixture(scope="session")
def default_markers() -> Markers:
    """Its markers."""
    return Markers.default()


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)
