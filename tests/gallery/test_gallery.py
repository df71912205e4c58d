"""The gallery from Python: names or unknown, whose model, names of all kinds, nothing half done."""

from datetime import date

import numpy as np
import pytest
import torch

import meshgait
from meshgait.data.readers import read_silhouettes
from meshgait.errors import DataError, GalleryError
from meshgait.gallery.gallery import Gallery
from meshgait.gallery.sources import Pass
from meshgait.recogniser import Recogniser
from tests.gallery.models import MeanModel
from tests.gallery.walkers import walk

NAMES = [
    "Zoë",
    "李小龍",
    "../x",
    "/etc/passwd",
    "a\nb",
    "\x1b[2Jclear",
    "\u202eturned",
    "'; DROP TABLE people; --",
    "=1+1",
    "%s{0}[bold]",
    "👣",
    "-rf",
    "n" * 255,
]


def test_enrolled_people_are_named_and_strangers_are_not(gallery, strangers):
    calibrated = gallery.calibrate(strangers, fpir=10)
    for person, name in enumerate(("Anna", "Ben", "Cleo")):
        found = gallery.identify([walk(person, 8), walk(person, 9)])
        assert (found.status, found.name, found.passes, found.frames) == ("named", name, 2, 20)
        assert found.distance <= calibrated.threshold < found.runner_up_distance
        assert found.runner_up != name and not found.mirrored
    # people who took no part in the calibration
    named = [gallery.identify(walk(person)).name for person in range(200, 240)]
    assert sum(name is not None for name in named) <= 10
    found = gallery.identify(walk(239))
    assert found.status == "unknown" and found.name is None and found.level == "none"
    assert found.nearest in ("Anna", "Ben", "Cleo") and "10 % are allowed" in found.confidence


def test_the_distance_is_that_of_loops(gallery, mean_model):
    """By hand: of each pass the nearest walk or mirror image of a person, then the mean over the passes."""
    passes = [walk(1, 5), walk(4, 5)]

    def between(a, b):
        return np.mean([np.linalg.norm(x - y) for x, y in zip(mean_model.embed(a)[0], b, strict=True)])

    def images(person):
        for number in range(3):
            yield mean_model.embed(walk(person, number))[0]
            read = mean_model.read(walk(person, number)).frames[:, :, ::-1]
            yield mean_model._embed(read)

    expected = {
        name: np.mean([min(between(one, image) for image in images(person)) for one in passes])
        for person, name in enumerate(("Anna", "Ben", "Cleo"))
    }
    found = gallery.identify(passes)
    first, second, _ = sorted(expected, key=expected.get)
    assert (found.nearest, found.runner_up) == (first, second)
    assert found.distance == pytest.approx(expected[first], rel=1e-5)
    assert found.runner_up_distance == pytest.approx(expected[second], rel=1e-5)


def test_a_walk_that_fits_the_mirror_image_alone_is_marked_weaker(gallery, strangers):
    gallery.calibrate(strangers, fpir=10)
    found = gallery.identify(walk(0, 8, mirrored=True))
    assert found.name == "Anna" and found.mirrored and found.level == "weak"
    assert "mirror image" in found.confidence
    assert not gallery.identify(walk(0, 8)).mirrored


def test_without_a_calibration_nobody_is_named(gallery):
    found = gallery.identify(walk(0, 8))
    assert (found.status, found.name, found.nearest) == ("uncalibrated", None, "Anna")
    assert found.threshold is None and "meshgait gallery calibrate" in found.confidence


def test_a_changed_gallery_says_that_its_calibration_is_old(gallery, strangers):
    gallery.calibrate(strangers, fpir=10)
    assert gallery.calibration.current
    gallery.rename("Ben", "Benno")  # changes nobody's walks
    assert gallery.calibration.current
    gallery.enrol("Drago", walk(9))
    assert not gallery.calibration.current
    found = gallery.identify(walk(0, 8))
    assert found.name == "Anna" and found.level == "weak" and "calibrate again" in found.confidence


@pytest.mark.parametrize("name", NAMES)
def test_names_are_kept_as_they_are(path, mean_model, name):
    gallery = Gallery(path, mean_model)
    gallery.enrol(name, walk(0))
    assert [person.name for person in gallery.people()] == [name]
    assert gallery.identify(walk(0, 1)).nearest == name
    assert gallery.erase(name).proven
    assert gallery.people() == []


def test_one_name_in_two_spellings_of_unicode_is_one_person(path, mean_model):
    gallery = Gallery(path, mean_model)
    gallery.enrol("Zoe\u0308", walk(0))
    assert gallery.enrol("  Zoë ", walk(0, 1)).person.walks == 2
    assert gallery.person("Zoe\u0308").name == "Zoë"


@pytest.mark.parametrize("name", ["", "  ", "\n", "n" * 256, "half \ud800", "nul\0"])
def test_names_that_are_none_are_refused(path, mean_model, name):
    with pytest.raises(DataError, match="give another name"):
        Gallery(path, mean_model).enrol(name, walk(0))
    assert not path.exists()


def test_another_model_is_refused_before_anything_is_read(gallery, path, strangers):
    other = Gallery(path, MeanModel(seed=1))
    for use in (
        lambda: other.enrol("Drago", "no such walk"),
        lambda: other.identify("no such walk"),
        lambda: other.calibrate(strangers, 10),
        lambda: other.evaluate({"Anna": [walk(0)]}),
    ):
        with pytest.raises(GalleryError, match=r"was made with the model .* not with"):
            use()
    assert len(gallery.people()) == 3
    assert [person.name for person in other.people()] == ["Anna", "Ben", "Cleo"]  # which needs no model


def test_a_checkpoint_and_its_export_are_one_model(tmp_path, tiny_size, path):
    from meshgait.stages.recognise import RecogniseStage
    from meshgait.stages.weights import write_model

    stage = RecogniseStage(tiny_size, 4)
    folder = tmp_path / "model"
    folder.mkdir()
    write_model(folder, "RecogniseStage", stage.settings, stage.state_dict())
    gallery = Gallery(path, Recogniser(stage))
    gallery.enrol("Anna", walk(0))
    again = Gallery(path, folder)
    assert again.identify(walk(0)).distance < 1e-5
    with torch.no_grad():
        next(stage.network.stem.parameters()).add_(1e-3)
    with pytest.raises(GalleryError, match="was made with the model"):
        Gallery(path, Recogniser(stage)).identify(walk(0))


def test_without_a_model_the_one_that_comes_with_the_package_is_loaded(path, mean_model, monkeypatch):
    asked = []
    monkeypatch.setattr(meshgait, "load", lambda *source: asked.append(source) or mean_model)
    gallery = Gallery(path)
    assert asked == []
    gallery.enrol("Anna", walk(0))
    Gallery(path, "folder/model").identify(walk(0))
    assert asked == [(), ("folder/model",)]


def test_enrolment_is_whole_or_nothing(gallery):
    before = gallery.people()
    with pytest.raises(DataError, match=r"none\.npy does not exist"):
        gallery.enrol("Drago", [walk(9), "none.npy"])
    with pytest.raises(GalleryError, match="is enrolled already, as Anna"):
        gallery.enrol("Drago", [walk(9), walk(0, 1)])
    with pytest.raises(DataError, match="direction up"):
        gallery.enrol("Drago", walk(9), direction="up")
    with pytest.raises(DataError, match="no walk is given"):
        gallery.enrol("Drago", [])
    assert gallery.people() == before
    assert gallery._open().vectors.count() == 18


def test_what_is_missing_is_said(path, mean_model):
    gallery = Gallery(path, mean_model)
    first = gallery.enrol("Anna", walk(0), direction="right")
    assert len(first.advice) == 2 and "to the left" in first.advice[0] and "one walk" in first.advice[1]
    second = gallery.enrol(
        "Anna", Pass(walk(0, 1), "left", "090"), consent="form 3", consent_until=date(2030, 1, 1)
    )
    assert second.advice == () and second.person.directions == ("left", "right")
    assert (second.person.views, second.person.consent) == (("090",), "form 3")
    assert "from several views" in gallery.enrol("Ben", walk(1)).advice[0]


def test_walks_come_in_any_form(gallery, tmp_path):
    np.save(tmp_path / "walk.npy", walk(0, 6))
    forms = [
        walk(0, 6),
        str(tmp_path / "walk.npy"),
        tmp_path / "walk.npy",
        read_silhouettes(tmp_path / "walk.npy"),
    ]
    found = {gallery.identify(form).distance for form in [*forms, lambda: walk(0, 6)]}
    assert len(found) == 1


def test_rename_and_merge(gallery):
    with pytest.raises(GalleryError, match="Ben is enrolled already"):
        gallery.rename("Anna", "Ben")
    assert gallery.rename("Anna", "Anna").name == "Anna"
    gallery.enrol("Drago", walk(9), consent="until summer", consent_until=date(2030, 6, 1))
    merged = gallery.merge("Drago", "Anna")
    assert (merged.walks, merged.consent, merged.consent_until) == (4, "form Anna in the drawer", date(2030, 6, 1))
    assert gallery.identify(walk(9)).nearest == "Anna"
    with pytest.raises(GalleryError, match="are the same person"):
        gallery.merge("Anna", "Anna")
    with pytest.raises(GalleryError, match="nobody is enrolled as Drago"):
        gallery.merge("Drago", "Anna")


def test_a_gallery_that_is_not_there_or_empty_is_named(path, mean_model):
    gallery = Gallery(path, mean_model)
    for use in (
        gallery.people,
        lambda: gallery.identify(walk(0)),
        lambda: gallery.erase("Anna"),
        gallery.evaluate,
    ):
        with pytest.raises(GalleryError, match="there is no gallery"):
            use()
    assert not path.exists()
    gallery.enrol("Anna", walk(0), consent_until=date(2020, 1, 1))
    with pytest.raises(GalleryError, match=r"consent of everybody .* has ended"):
        gallery.identify(walk(0))
    gallery.erase("Anna")
    with pytest.raises(GalleryError, match="nobody is enrolled"):
        gallery.identify(walk(0))


def test_the_public_name(path, mean_model):
    with meshgait.Gallery(path, mean_model) as gallery:
        assert isinstance(gallery, Gallery)
        gallery.enrol("Anna", walk(0))
    assert [person.name for person in gallery.people()] == ["Anna"]  # opened again
