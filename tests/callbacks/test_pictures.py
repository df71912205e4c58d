from types import SimpleNamespace

import pytest

from meshgait.callbacks import best_effort as best_effort_module
from meshgait.callbacks.pictures import Pictures, is_last_validation
from meshgait.errors import ConfigError


class Dots(Pictures):
    def __init__(self, every=1):
        super().__init__(every)
        self.drawn = []

    def draw(self, trainer, module):
        self.drawn.append(trainer.current_epoch)


def at_batch(index):
    return SimpleNamespace(epoch_loop=SimpleNamespace(batch_idx=index))


def trainer(epoch=0, **options):
    return SimpleNamespace(**{
        "sanity_checking": False, "fast_dev_run": False, "is_global_zero": True, "current_epoch": epoch,
        "max_epochs": 10, "max_steps": -1, "global_step": 0, "check_val_every_n_epoch": 1, "should_stop": False,
        "num_training_batches": 5, "val_check_batch": 5, "state": SimpleNamespace(fn="fit"), "loggers": [],
        "fit_loop": at_batch(4), **options,
    })  # fmt: skip


@pytest.mark.parametrize(
    ("every", "pause", "epochs", "drawn"),
    [
        (1, 1, 3, [0, 1, 2]),
        (2, 1, 5, [1, 3, 4]),
        (3, 2, 9, [5, 7]),  # validations after epochs 2, 4, 6, 8: the third, and the last
        (100, 8, 8, [7]),
    ],
)
def test_every_so_many_validations_and_always_the_last(every, pause, epochs, drawn):
    dots = Dots(every)
    for epoch in range(pause - 1, epochs, pause):
        dots.on_validation_end(trainer(epoch, max_epochs=epochs, check_val_every_n_epoch=pause), None)
    assert dots.drawn == drawn


def test_a_resumed_fit_draws_when_it_would_have_drawn():
    first, second = Dots(3), Dots(3)
    first.on_validation_end(trainer(0), None)
    first.on_validation_end(trainer(1), None)
    second.load_state_dict(first.state_dict())
    second.on_validation_end(trainer(2), None)
    assert (first.drawn, second.drawn) == ([], [2])


@pytest.mark.parametrize("state", [{"sanity_checking": True}, {"fast_dev_run": True}, {"is_global_zero": False}])
def test_others_do_not_draw(state):
    dots = Dots()
    dots.on_validation_end(trainer(**state), None)
    assert dots.drawn == []


@pytest.mark.parametrize(
    ("options", "last"),
    [
        ({}, False),
        ({"max_epochs": 1}, True),
        ({"max_epochs": None}, False),
        ({"max_epochs": -1}, False),
        ({"max_steps": 10, "global_step": 10}, True),
        ({"max_steps": 10, "global_step": 9}, False),
        ({"should_stop": True}, True),
        ({"state": SimpleNamespace(fn="validate")}, True),
        # several validations in an epoch: after the second of five batches one more comes, after the fourth none
        ({"max_epochs": 1, "val_check_batch": 2, "fit_loop": at_batch(1)}, False),
        ({"max_epochs": 1, "val_check_batch": 2, "fit_loop": at_batch(3)}, True),
    ],
    ids=str,
)  # fmt: skip
def test_which_validation_is_the_last(options, last):
    assert is_last_validation(trainer(**options)) is last


def test_a_picture_is_named_by_its_step(tmp_path):
    there = trainer(default_root_dir=str(tmp_path), global_step=42)
    path = Dots().keep(there, "dots", "png", lambda path: path.write_bytes(b"x"))
    assert path == tmp_path / "pictures" / "dots-000042.png" and path.read_bytes() == b"x"


def test_without_a_place_there_is_none(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(best_effort_module, "_warned", set())
    (tmp_path / "pictures").touch()
    there = trainer(default_root_dir=str(tmp_path))
    assert Dots().keep(there, "dots", "png", lambda path: path.write_bytes(b"x")) is None
    assert "meshgait: warning: " in capsys.readouterr().err


def test_a_cadence_below_one_is_refused():
    with pytest.raises(ConfigError, match="every is 0"):
        Dots(0)
