"""What is exported comes back; what was changed on the way is refused."""

import stat
from datetime import date

import numpy as np
import pytest

from meshgait.errors import DataError, GalleryError, OutputError
from meshgait.gallery.gallery import Gallery
from tests.gallery.models import MeanModel
from tests.gallery.walkers import walk


@pytest.fixture
def exported(gallery, tmp_path):
    gallery.enrol(
        "Zoë \x1b[1m", walk(5), consent="form 5", consent_until=date(2031, 5, 1), direction="left", view="90"
    )
    out = tmp_path / "people.npz"
    assert gallery.export_people(out) == 4
    return out


def without_numbers(gallery):
    return [
        (p.name, p.consent, p.consent_until, p.walks, p.directions, p.views) for p in gallery.people()
    ]  # fmt: skip


def test_people_come_back_as_they_were(gallery, exported, tmp_path, mean_model):
    other = Gallery(tmp_path / "other.gallery", mean_model)
    assert len(other.import_people(exported)) == 4
    assert without_numbers(other) == without_numbers(gallery)
    for person in range(4):
        assert other.identify(walk(person, 7)).distance == gallery.identify(walk(person, 7)).distance
    assert stat.S_IMODE(exported.stat().st_mode) == 0o600
    assert gallery.log()[-1].action == "identify" and "export" in [entry.action for entry in gallery.log()]


def test_one_person_alone(gallery, tmp_path, mean_model):
    assert gallery.export_people(tmp_path / "ben.npz", ["Ben", "Ben"]) == 1
    other = Gallery(tmp_path / "other.gallery", mean_model)
    assert [person.name for person in other.import_people(tmp_path / "ben.npz")] == ["Ben"]
    assert other._open().vectors.count() == 6
    with pytest.raises(GalleryError, match="nobody is enrolled as Eve"):
        gallery.export_people(tmp_path / "eve.npz", ["Eve"])


def test_merging_adds_what_is_not_there(gallery, exported):
    with pytest.raises(GalleryError, match=r"Anna is enrolled in .*--merge"):
        gallery.import_people(exported)
    gallery.erase("Cleo")
    before = without_numbers(gallery)
    gallery.import_people(exported, merge=True)
    assert [row[3] for row in without_numbers(gallery)] == [3, 3, 3, 1]
    assert without_numbers(gallery)[0] == before[0]


def test_people_of_another_model_are_refused(exported, tmp_path):
    other = Gallery(tmp_path / "other.gallery", MeanModel(seed=1))
    other.enrol("Drago", walk(9))
    with pytest.raises(GalleryError, match="was made with the model"):
        other.import_people(exported)
    assert [person.name for person in other.people()] == ["Drago"]


CHANGES = {
    "a person that is not there": lambda c: c | {"person": c["person"] + 1},
    "numbers that are not finite": lambda c: c | {"embeddings": c["embeddings"] * np.nan},
    "too few walks": lambda c: c | {"embeddings": c["embeddings"][1:]},
    "no mirror images": lambda c: c | {"embeddings": c["embeddings"][:, :1]},
    "too many names": lambda c: c | {"names": np.append(c["names"], "Eve")},
    "one name twice": lambda c: c | {"names": np.array(["Anna"] * 4)},
    "an empty name": lambda c: c | {"names": np.array(["", "b", "c", "d"])},
    "a date that is none": lambda c: c | {"consents_until": np.array(["soon"] * 4)},
    "another format": lambda c: c | {"format": np.array(2)},
    "frames below one": lambda c: c | {"frames": c["frames"] * 0},
    "an unknown direction": lambda c: c | {"directions": np.array(["up"] * len(c["person"]))},
    "an array less": lambda c: {name: array for name, array in c.items() if name != "views"},
    "objects": lambda c: c | {"views": np.array([None] * len(c["person"]), object)},
}


@pytest.mark.parametrize("change", CHANGES)
def test_changed_files_are_refused_and_nothing_is_added(exported, tmp_path, mean_model, change):
    content = CHANGES[change](dict(np.load(exported)))
    np.savez(exported, **content)
    other = Gallery(tmp_path / "other.gallery", mean_model)
    other.enrol("Drago", walk(9))
    with pytest.raises(DataError):
        other.import_people(exported)
    assert [person.name for person in other.people()] == ["Drago"]
    assert other._open().vectors.count() == 2


def test_a_place_that_cannot_be_written_is_named(gallery, tmp_path, monkeypatch):
    def full(*arguments, **named):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(OutputError, match="No space left on device"):
        gallery.export_people(tmp_path / "out.npz")
    assert not (tmp_path / "out.npz").exists() and not (tmp_path / "out.npz.partial").exists()
