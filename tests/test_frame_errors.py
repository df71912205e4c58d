import numpy as np
import pytest
import torch
from einops import rearrange

from meshgait.data.datamodule import BodyDataModule
from meshgait.data.frame_sampler import sample_frames
from meshgait.errors import ConfigError
from meshgait.evaluation.body import BodyErrors
from meshgait.frame_errors import (
    FrameAddress,
    FrameErrors,
    frame_rows,
    held_out_frames,
    measure_frame_errors,
    read_frames,
)
from meshgait.models.meshgait import NetworkConfig
from meshgait.recogniser import Recogniser
from meshgait.stages.recognise import RecogniseStage


@pytest.fixture(scope="module")
def recogniser(tiny_size):
    torch.manual_seed(0)
    return Recogniser(RecogniseStage(tiny_size, num_subjects=4))


@pytest.fixture(scope="module")
def data(tiny_store):
    return BodyDataModule(str(tiny_store), eval_frames=2)


def test_the_frames_are_those_that_a_fit_is_validated_on(data):
    places = held_out_frames(data)
    batch = read_frames(data.store, places)
    loaded = list(data.val_dataloader())
    silhouettes = torch.cat([rearrange(part.silhouettes, "b t h w -> (b t) 1 h w") for part in loaded])
    assert torch.equal(batch.silhouettes, silhouettes)
    assert torch.equal(
        batch.truth.poses, torch.cat([rearrange(b.truth.poses, "b t c -> (b t) 1 c") for b in loaded])
    )


def test_frames_whose_truth_is_not_to_be_trusted_are_left_out(data, monkeypatch):
    smpl = type(data.store).smpl

    def doubtful(self, index, frames=None):
        return smpl(self, index, frames) | {"valid": np.array([False, True])}

    everything = held_out_frames(data)
    monkeypatch.setattr(type(data.store), "smpl", doubtful)
    second = sample_frames(6, 2, "spread")[1]
    assert held_out_frames(data) == tuple(place for place in everything if place.frame == second)


def test_errors_average_to_what_a_fit_reports(recogniser, data):
    places = held_out_frames(data)[:70]  # more than a block
    found = measure_frame_errors(recogniser, data.store, places)
    batch, metric = read_frames(data.store, places), BodyErrors()
    with torch.no_grad():
        estimate = recogniser.network.reconstructor()(rearrange(batch.silhouettes, "b t h w -> (b t) h w"))
        _, _, reading = recogniser.require_3d()(estimate, batch.truth, batch.mask)
    metric.update(reading.joints, reading.true_joints, reading.vertices, reading.true_vertices)
    assert found.errors.shape == (70, recogniser.require_3d().targets.body.num_vertices)
    assert found.errors.mean() == pytest.approx(float(metric.compute()["mpvpe"]), rel=1e-4)


def test_true_meshes_have_the_bodys_size(recogniser, data):
    found = measure_frame_errors(recogniser, data.store, held_out_frames(data)[:3])
    heights = np.ptp(found.true_vertices[..., 1], axis=1)
    assert (heights > 1.3).all() and (heights < 2.2).all()
    assert (np.abs(found.true_vertices.mean(1)) < 0.3).all()  # around the pelvis


def test_worst_frames_come_first_and_from_different_sequences():
    true = np.zeros((4, 2, 3))
    shift = np.array([0.01, 0.04, 0.03, 0.02])
    places = (FrameAddress(0, 1), FrameAddress(5, 0), FrameAddress(5, 3), FrameAddress(7, 2))
    found = FrameErrors(places, true + shift[:, None, None] * np.array([1.0, 0, 0]), true)
    assert found.worst(3).tolist() == [1, 3, 0]
    assert found.worst(1).tolist() == [1]


def test_rows_hold_joints_and_markers_of_both(recogniser, data):
    places = held_out_frames(data)[:2]
    rows = frame_rows(recogniser, data.store, places)
    for row, place in zip(rows, places, strict=True):
        assert row.points.shape == row.true_points.shape == (24 + 64, 3)
        figure = data.store.silhouettes(place.sequence, np.array([place.frame]))[0]
        np.testing.assert_array_equal(row.silhouette * 255, figure)
        u, v = np.floor(row.true_points[24:, :2]).astype(int).T
        near = [figure[max(0, y - 2) : y + 3, max(0, x - 2) : x + 3].any() for x, y in zip(u, v, strict=True)]
        assert np.mean(near) > 0.95  # markers lie on the figure


def test_a_run_without_3d_is_refused(tiny_size, data):
    flat = Recogniser(RecogniseStage(tiny_size, num_subjects=4, network=NetworkConfig(use_3d=False)))
    for function in (measure_frame_errors, frame_rows):
        with pytest.raises(ConfigError, match="no 3D branch"):
            function(flat, data.store, held_out_frames(data)[:1])
