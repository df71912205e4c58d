from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from meshgait.callbacks import walk_animation
from meshgait.callbacks.walk_animation import WalkAnimation
from meshgait.data.datamodule import BodyDataModule
from meshgait.models.meshgait import NetworkConfig
from meshgait.stages.recognise import RecogniseStage
from meshgait.stages.reconstruct import ReconstructStage


@pytest.fixture
def trainer(tiny_store, tmp_path):
    data = BodyDataModule(str(tiny_store), eval_frames=2)
    return SimpleNamespace(
        datamodule=data, val_dataloaders=data.val_dataloader(), global_step=3, loggers=[],
        default_root_dir=str(tmp_path),
    )  # fmt: skip


@pytest.fixture
def shown(monkeypatch):
    """Rows that would be drawn; the drawing itself is left out."""
    seen = []
    monkeypatch.setattr(
        walk_animation, "walk_frames", lambda rows, faces: seen.append(rows) or [np.zeros((4, 4, 3), np.uint8)] * 2
    )
    return seen


@pytest.mark.parametrize(("frames", "expected"), [(2, [0, 2]), (3, [0, 2, 4]), (4, [0, 1, 2, 3]), (9, range(6))])
def test_it_is_one_test_sequence_in_order(trainer, tiny_size, store, shown, frames, expected):
    WalkAnimation(frames).draw(trainer, ReconstructStage(tiny_size).eval())
    ((*rows,),) = shown
    tested = trainer.val_dataloaders.dataset.indices
    (index,) = [i for i in tested if np.array_equal(store.silhouettes(i)[0] / 255, rows[0].silhouette)]
    np.testing.assert_array_equal([row.silhouette for row in rows], store.silhouettes(index)[list(expected)] / 255)
    assert all(row.true_vertices is not None for row in rows)


def test_the_gif_lies_among_the_pictures(trainer, tiny_size, tmp_path):
    WalkAnimation(frames=2).draw(trainer, RecogniseStage(tiny_size, 4).eval())
    with Image.open(tmp_path / "pictures" / "walk-000003.gif") as file:
        assert file.n_frames == 2 and file.info["duration"] == 80


def test_without_a_3d_branch_there_is_nothing_to_draw(trainer, tiny_size, shown):
    WalkAnimation().draw(trainer, RecogniseStage(tiny_size, 4, network=NetworkConfig(use_3d=False)))
    assert shown == []
