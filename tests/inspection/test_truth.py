"""SMPL truth that is wrong, and meshes beside their silhouettes."""

import numpy as np
import pytest
import torch

from meshgait.body.outline import iou
from meshgait.body.targets import to_pixels
from meshgait.data.store import Store, StoreWriter
from meshgait.inspection.index import Index
from meshgait.inspection.report import CheckOptions, check
from meshgait.inspection.truth import MESHES, MOST_WORST, sample
from tests.body.test_raster import plain

QUIET = CheckOptions(short=0, frames=6, show=False)
VICTIM = 5


@pytest.fixture
def spoilt(tiny_store, tmp_path):
    """Copies the tiny store; `change` alters arrays of the victim in place."""

    def write(change, source=None):
        store = Store(tiny_store)
        writer = StoreWriter(tmp_path / "store", smpl=True, source=source)
        for number, row in enumerate(store.sequences):
            arrays = {"silhouettes": store.silhouettes(number), **store.smpl(number)}
            arrays = {name: array.copy() for name, array in arrays.items()}
            if number == VICTIM:
                change(arrays)
            writer.add(row.subject, row.condition, row.view, **arrays)
        writer.finish(partition=store.partition)
        return tmp_path / "store", "/".join(store.sequences[VICTIM][:3])

    return write


def put(name, where, value):
    def change(arrays):
        arrays[name][where] = value

    return change


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "code", "frames"),
    [
        (put("poses", (3, 40), np.nan), "not-finite", 1),
        (put("betas", (slice(2, 4), 0), np.inf), "not-finite", 2),
        (put("cameras", (0, 2), np.nan), "not-finite", 1),
        (put("cameras", (slice(0, 2), 0), 0.0), "camera", 2),
        (put("cameras", (slice(None), 1), 90.0), "misaligned", 6),
        (put("silhouettes", slice(None), 0), "empty", 6),
    ],
)
def test_truth_that_is_wrong(spoilt, change, code, frames):
    store, name = spoilt(change)
    (finding,) = check(store, QUIET).findings
    assert (finding.code, finding.count, finding.where) == (code, frames, (f"{name} ({frames} of 6)",))


def test_degrees(spoilt):
    def degrees(arrays):
        arrays["poses"][:, 3:6] = np.degrees([0, 0, 0.5])  # a hip; the mesh is wrong, too, but hardly at once

    store, name = spoilt(degrees)
    found = {finding.code: finding for finding in check(store, QUIET).findings}
    assert found["angles"].where == (f"{name} (6 of 6)",)
    assert set(found) <= {"angles", "misaligned"}


def test_frames_that_are_not_valid_may_hold_anything_finite(spoilt):
    def change(arrays):
        arrays["valid"][:] = False
        arrays["poses"][:] = 100
        arrays["cameras"][:] = 0

    store, _ = spoilt(change)
    report = check(store, QUIET)
    frames = Store(store).meta["frames"]
    assert report.findings == ()
    assert report.valid == report.alignment.frames == frames - 6


def test_truth_of_another_body_is_not_compared(spoilt):
    store, _ = spoilt(put("valid", 0, True), source={"body": "0123"})
    report = check(store, QUIET)
    (finding,) = report.findings
    assert finding.code == "body" and "0123" in finding.where[0]
    assert report.alignment is None


@pytest.mark.slow
def test_iou_is_that_of_the_drawn_mesh(tiny_store, default_model):
    """The worst frames, drawn again by a test of every pixel and triangle."""
    report, store = check(tiny_store, QUIET), Store(tiny_store)
    fit = report.alignment
    names = ["/".join(row[:3]) for row in store.sequences]
    assert [one.iou for one in fit.worst] == sorted(one.iou for one in fit.worst)
    assert len({one.name for one in fit.worst}) == len(fit.worst) == MOST_WORST < len(names)
    for one in fit.worst[:2]:
        number = names.index(one.name)
        truth = {k: torch.from_numpy(v) for k, v in store.smpl(number, np.array([one.frame])).items()}
        with torch.no_grad():
            posed = default_model(truth["betas"], truth["poses"])
        (points,) = to_pixels(posed.vertices - posed.joints[:, :1], truth["cameras"]).numpy()[..., :2]
        figure = store.silhouettes(number, np.array([one.frame])) > 127
        again = plain(points, default_model.faces, store.size)[None]
        assert one.iou == pytest.approx(iou(again, figure)[0], abs=0.01)
        np.testing.assert_array_equal(one.silhouette > 127, figure[0])


@pytest.mark.slow
def test_statistics_of_the_sample(tiny_store):
    fit = check(tiny_store, QUIET).alignment
    assert fit.frames == fit.counts.sum() == Store(tiny_store).meta["frames"]
    middles = (np.arange(50) + 0.5) / 50
    assert fit.mean == pytest.approx((fit.counts * middles).sum() / fit.frames, abs=0.01)
    assert fit.quantile(0.05) <= fit.quantile(0.5) <= fit.quantile(0.95)
    assert fit.quantile(0.5) == pytest.approx(np.median(np.repeat(middles, fit.counts)), abs=0.021)
    assert fit.low == 0
    limit = fit.worst[3].iou  # below it lie three sequences, with a frame or more each
    strict = check(tiny_store, CheckOptions(short=0, frames=6, iou=limit, show=False))
    (finding,) = strict.findings
    assert finding.count == strict.alignment.low >= 3 and " in 3 sequences " in finding.what


def test_the_sample_is_seeded_and_its_size_bounded(tiny_store):
    store = Store(tiny_store)
    first, again, other = (
        [(number, frames.tolist()) for batch in sample(store, Index(store), 2, seed) for number, frames in batch]
        for seed in (0, 0, 1)
    )
    assert first == again != other
    assert [number for number, _ in first] == list(range(len(store.sequences)))
    assert all(len(frames) == 2 and frames == sorted(set(frames)) for _, frames in first)
    sizes = [sum(len(frames) for _, frames in batch) for batch in sample(store, Index(store), 6, 0)]
    assert max(sizes) < MESHES + 6 and sum(sizes) == store.meta["frames"]


def test_no_frames_no_comparison(tiny_store):
    report = check(tiny_store, CheckOptions(short=0, frames=0, show=False))
    assert report.alignment is None and report.findings == ()
