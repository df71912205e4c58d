import numpy as np
import pytest

from tests.gallery.walkers import walk
from tests.video.conftest import background, one_walker, videos  # noqa: F401


@pytest.fixture(scope="session")
def strangers(tmp_path_factory):
    """Paths of the walks of forty people who are not enrolled."""
    folder = tmp_path_factory.mktemp("strangers")
    for number in range(100, 140):
        np.save(folder / f"s{number}.npy", walk(number))
    return [str(path) for path in sorted(folder.iterdir())]
