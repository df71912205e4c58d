"""Blocks in order, whatever the threads, and PyTorch's number of threads left as it was."""

import pytest
import torch

from meshgait.evaluation.parallel import over_blocks


@pytest.mark.parametrize("threads", [1, 3])
def test_blocks_come_in_order(threads):
    before = torch.get_num_threads()
    found = list(over_blocks(lambda part: (part.start, part.stop), 10, 4, threads))
    assert found == [(0, 4), (4, 8), (8, 10)]
    assert torch.get_num_threads() == before
    assert list(over_blocks(lambda part: part, 0, 4, threads)) == []


def test_errors_come_through():
    def fail(part):
        raise ValueError(part.start)

    with pytest.raises(ValueError, match="0"):
        list(over_blocks(fail, 10, 2, 2))
