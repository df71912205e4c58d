import math
from types import SimpleNamespace

import pytest

from meshgait.stages.resume_position import EPOCH_STEPS, ResumePosition, epoch_steps, resume_position, total_steps


def trainer(batches=10, accumulate=1, max_epochs=6, max_steps=-1):
    """What is asked of a trainer; its own estimate of all steps is that of a training from the beginning."""
    endless = math.isinf(batches) or max_epochs in (None, -1)
    every = math.inf if endless else math.ceil(batches / accumulate) * max_epochs
    return SimpleNamespace(
        num_training_batches=batches, accumulate_grad_batches=accumulate,
        max_epochs=max_epochs, max_steps=max_steps,
        estimated_stepping_batches=every if max_steps == -1 else min(every, max_steps),
    )  # fmt: skip


def test_an_epoch_ends_with_a_step_of_the_batches_that_are_left():
    assert epoch_steps(trainer(10, 4)) == 3
    assert epoch_steps(trainer(math.inf)) == math.inf


def test_the_position_is_that_of_the_loops():
    loops = {
        "epoch_progress": {"current": {"processed": 2}},
        "epoch_loop.batch_progress": {"current": {"processed": 7}},
    }
    checkpoint = {"global_step": 27, "loops": {"fit_loop": loops}, EPOCH_STEPS: 10}
    assert resume_position(checkpoint) == ResumePosition(27, 2, 7, 10)
    for key in checkpoint:
        assert resume_position({name: value for name, value in checkpoint.items() if name != key}) is None


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        (None, {}, 60),  # a new training
        (10, {}, 60),  # epochs as long as before
        (20, {}, 47 + 4 * 10 - 7),  # epochs were twice as long: 4 epochs to come, of the first 7 batches are done
        (20, {"batches": 5}, 47 + 4 * 5 - 5),  # an epoch has fewer batches than are done of it
        (20, {"max_steps": 50}, 50),
        (20, {"max_epochs": -1, "max_steps": 500}, 500),
    ],
)
def test_steps_of_a_whole_training(before, now, expected):
    position = None if before is None else ResumePosition(steps=47, epochs=2, batches=7, epoch_steps=before)
    assert total_steps(trainer(**now), position) == expected
