import numpy as np
import pytest
import torch
from lightning import Trainer
from PIL import Image

from meshgait.callbacks import panels
from meshgait.callbacks.panels import HeatmapPanels, panel_rows
from meshgait.data.datamodule import BodyDataModule, SilhouetteDataModule
from meshgait.data.dataset import SequenceDataset
from meshgait.data.frame_sampler import FrameSampler
from meshgait.models.meshgait import NetworkConfig
from meshgait.stages.recognise import RecogniseStage
from meshgait.stages.reconstruct import ReconstructStage
from meshgait.viz.panels import PanelRow


@pytest.fixture
def drawn(monkeypatch):
    """Rows that would be drawn; the drawing itself is left out."""
    seen = []

    def draw(rows, faces, *_):
        seen.append(rows)
        return np.zeros((8, 8, 3), np.uint8)

    monkeypatch.setattr(panels, "heatmap_panel", draw)
    return seen


def fit(tmp_path, stage, data, callback, **options):
    runner = Trainer(
        default_root_dir=tmp_path, accelerator="cpu", logger=False, enable_progress_bar=False,
        enable_model_summary=False, enable_checkpointing=False, use_distributed_sampler=False,
        num_sanity_val_steps=0, limit_val_batches=1, callbacks=[callback], **options,
    )  # fmt: skip
    runner.fit(stage, data)


def names(tmp_path):
    return sorted(path.name for path in (tmp_path / "pictures").glob("*"))


def test_a_picture_per_validation_is_named_by_its_step(tmp_path, tiny_size, tiny_store, drawn):
    data = BodyDataModule(str(tiny_store), batch_size=4, batches=2, eval_frames=2)
    fit(tmp_path, ReconstructStage(tiny_size), data, HeatmapPanels(rows=3), max_epochs=2)
    assert names(tmp_path) == ["heatmaps-000002.png", "heatmaps-000004.png"]
    assert Image.open(tmp_path / "pictures" / "heatmaps-000002.png").size == (8, 8)
    assert [len(rows) for rows in drawn] == [3, 3]
    for one, two in zip(*drawn, strict=True):  # the same frames each time, so that progress can be seen
        np.testing.assert_array_equal(one.silhouette, two.silhouette)
        assert not np.array_equal(one.points, two.points)


def test_pictures_can_be_rarer_and_the_last_is_always_drawn(tmp_path, tiny_size, tiny_store, drawn):
    data = BodyDataModule(str(tiny_store), batch_size=4, batches=1, eval_frames=1)
    fit(tmp_path, ReconstructStage(tiny_size), data, HeatmapPanels(rows=1, every=2), max_epochs=5)
    assert names(tmp_path) == ["heatmaps-000002.png", "heatmaps-000004.png", "heatmaps-000005.png"]


def test_without_a_3d_branch_there_is_nothing_to_draw(tmp_path, tiny_size, tiny_store, drawn):
    data = SilhouetteDataModule(str(tiny_store), subjects=2, sequences=2, frames=2, batches=1)
    fit(
        tmp_path,
        RecogniseStage(tiny_size, 4, network=NetworkConfig(use_3d=False)),
        data,
        HeatmapPanels(),
        max_epochs=1,
    )
    assert not (tmp_path / "pictures").exists()


def test_frames_come_from_different_test_subjects(tmp_path, tiny_size, tiny_store, store, drawn):
    data = SilhouetteDataModule(str(tiny_store), subjects=2, sequences=2, frames=2, batches=1)
    fit(tmp_path, RecogniseStage(tiny_size, 4), data, HeatmapPanels(rows=4), max_epochs=1)
    tested = [i for i, walk in enumerate(store.sequences) if walk.subject in {"005", "006", "007", "008"}]
    owners = []
    for row in drawn[0]:
        found = [
            i for i in tested for frame in store.silhouettes(i) if np.array_equal(frame / 255, row.silhouette)
        ]
        owners.append(store.sequences[found[0]].subject)
    assert len(set(owners)) == 4


def test_rows_hold_what_belongs_together(tiny_size, store):
    stage = RecogniseStage(tiny_size, 4).eval()
    data = SequenceDataset(store, None, FrameSampler(2, "spread"), truth=True)
    batch = data.__getitems__([3, 9])
    rows = panel_rows(stage.network.reconstructor(), stage.supervision, batch)
    assert len(rows) == 4
    target = stage.supervision.targets(
        batch.truth.poses[1, :1], batch.truth.betas[1, :1], batch.truth.cameras[1, :1]
    )
    np.testing.assert_array_equal(rows[2].silhouette, batch.silhouettes[1, 0].numpy())
    np.testing.assert_allclose(rows[2].true_points, target.joints[0].numpy(), atol=1e-3)
    np.testing.assert_allclose(rows[2].true_vertices, target.vertices[0].numpy(), atol=1e-3)
    assert rows[2].volumes.shape == (88, *tiny_size.volume)
    batch.truth = None
    assert panel_rows(stage.network.reconstructor(), stage.supervision, batch)[0].true_points is None


def test_drawing_leaves_the_modes_of_the_network_alone(tiny_size, store):
    """A frozen branch that came out of it in training mode would move its running statistics from then on."""
    stage = RecogniseStage(tiny_size, 4).eval()
    batch = SequenceDataset(store, None, FrameSampler(1, "spread"), truth=True)[0]
    panel_rows(stage.network.reconstructor(), stage.supervision, batch)
    assert not any(module.training for module in stage.network.modules())
    assert torch.is_grad_enabled()


def test_meshes_are_kept_in_metres_upright_and_at_the_pelvis(tmp_path, tiny_size, tiny_store, store, drawn):
    data = BodyDataModule(str(tiny_store), batch_size=4, batches=1, eval_frames=1)
    stage = ReconstructStage(tiny_size)
    fit(tmp_path, stage, data, HeatmapPanels(rows=3, meshes=2), max_epochs=1)
    with np.load(tmp_path / "mesh.npz", allow_pickle=False) as file:
        arrays = dict(file)
    assert arrays["vertices"].shape == arrays["true_vertices"].shape == (2, len(drawn[0][0].vertices), 3)
    assert arrays["vertices"].dtype == np.float16 and arrays["silhouettes"].shape == (2, 64, 44)
    np.testing.assert_array_equal(arrays["faces"], stage.supervision.faces)
    tested = np.flatnonzero(data.split.test)
    for name, silhouette, true in zip(
        arrays["names"], arrays["silhouettes"], arrays["true_vertices"], strict=True
    ):
        (index,) = [i for i in tested if "-".join(store.sequences[i][:3]) == name]
        (frame,) = np.flatnonzero([np.array_equal(x, silhouette) for x in store.silhouettes(index)])[:1]
        truth = {key: torch.from_numpy(array[frame : frame + 1]) for key, array in store.smpl(index).items()}
        # a second route: the body itself, in the camera's frame, which is upright and in metres
        posed = stage.supervision.targets.body(truth["betas"], truth["poses"])
        np.testing.assert_allclose(true, (posed.vertices - posed.joints[:, :1])[0].numpy(), atol=2e-3)


def test_without_truth_a_mesh_has_the_usual_stature():
    vertices = np.array([[0, 10, 0], [0, 61, 0]], float)
    row = PanelRow(np.zeros((64, 44)), None, np.array([[1.0, 30, 2]]), vertices)
    arrays = panels.mesh_arrays([row], np.zeros((1, 3)), ["a"], None)
    assert np.ptp(arrays["vertices"][0, :, 1]) == pytest.approx(panels.STATURE, rel=1e-3)
    assert arrays["vertices"][0, 0, 1] > 0 > arrays["vertices"][0, 1, 1]  # what was above is above
    assert "true_vertices" not in arrays
