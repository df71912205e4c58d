import math

import pytest
import torch

from meshgait.losses.classification import accuracy, classification_loss


def test_classification_is_that_of_plain_loops():
    logits, labels, scale, smoothing = torch.rand(3, 2, 4) * 2 - 1, torch.tensor([2, 0, 3]), 16.0, 0.1
    total = 0.0
    for b in range(3):
        for s in range(2):
            scaled = [scale * x for x in logits[b, s].tolist()]
            norm = math.log(sum(math.exp(x) for x in scaled))
            for k in range(4):
                wanted = smoothing / 4 + (1 - smoothing) * (k == labels[b].item())
                total -= wanted * (scaled[k] - norm)
    assert classification_loss(logits, labels).item() == pytest.approx(total / 6, rel=1e-5)


def test_accuracy_counts_strips():
    logits = torch.tensor([[[0.9, 0.1], [0.2, 0.8]], [[0.3, 0.7], [0.4, 0.6]]])
    assert accuracy(logits, torch.tensor([0, 1])).item() == pytest.approx(3 / 4)
