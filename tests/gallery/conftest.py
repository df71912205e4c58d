import pytest

from meshgait.gallery.gallery import Gallery
from tests.gallery.models import MeanModel
from tests.gallery.walkers import walk


@pytest.fixture(scope="session")
def mean_model():
    return MeanModel()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "people.gallery"


@pytest.fixture
def gallery(path, mean_model):
    """Anna, Ben and Cleo with three walks each; not calibrated."""
    gallery = Gallery(path, mean_model)
    for person, name in enumerate(("Anna", "Ben", "Cleo")):
        gallery.enrol(name, [walk(person, number) for number in range(3)], consent=f"form {name} in the drawer")
    yield gallery
    gallery.close()


@pytest.fixture
def strangers():
    """Two walks each of 40 people who are not enrolled."""
    return {f"stranger {person}": [walk(person, 0), walk(person, 1)] for person in range(100, 140)}
