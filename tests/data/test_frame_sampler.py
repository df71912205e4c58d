"""Sampling modes of frames: what the field calls fixed, unfixed, ordered and unordered."""

from collections import Counter

import numpy as np
import pytest

from meshgait.data.frame_sampler import FrameSampler, sample_frames

SEEDS = np.random.default_rng(0).integers(2**62, size=2000)


def chosen(choice, total, seeds=SEEDS):
    """Frame numbers of many draws of one sequence, without padding."""
    numbers, mask = choice(np.full(len(seeds), total), seeds)
    assert (numbers[~mask] == 0).all()
    assert (np.diff(mask.astype(int), axis=1) <= 0).all()  # padding is behind
    return [row[real].tolist() for row, real in zip(numbers, mask, strict=True)]


def test_all_frames_in_order_up_to_the_cap():
    assert sample_frames(5, 0, "all").tolist() == [0, 1, 2, 3, 4]
    assert sample_frames(5, 3, "all").tolist() == [0, 1, 2]
    assert sample_frames(5, 9, "all").tolist() == [0, 1, 2, 3, 4]


def test_spread_takes_the_middle_of_equal_parts():
    assert sample_frames(9, 3, "spread").tolist() == [1, 4, 7]
    assert sample_frames(4, 9, "spread").tolist() == [0, 1, 2, 3]
    assert sample_frames(100, 1, "spread").tolist() == [50]


def test_a_window_is_consecutive_and_reaches_both_ends():
    starts = set()
    for seed in range(200):
        frames = sample_frames(10, 4, "window", seed)
        assert np.diff(frames).tolist() == [1, 1, 1]
        assert frames[0] >= 0 and frames[-1] <= 9
        starts.add(int(frames[0]))
    assert starts == set(range(7))


def test_a_window_of_a_short_sequence_goes_round():
    for seed in range(20):
        frames = sample_frames(3, 7, "window", seed)
        assert len(frames) == 7
        assert set(np.diff(frames)) <= {1, -2}


def test_a_subset_is_sorted_and_without_repeats_while_it_can_be():
    seen = Counter()
    for seed in range(300):
        frames = sample_frames(10, 4, "subset", seed)
        assert len(set(frames.tolist())) == 4
        assert (np.diff(frames) > 0).all()
        seen.update(frames.tolist())
    assert set(seen) == set(range(10))
    assert min(seen.values()) > 80  # expected 120, standard deviation 8.5


def test_a_subset_of_a_short_sequence_goes_round():
    for seed in range(20):
        counts = Counter(sample_frames(3, 7, "subset", seed).tolist())
        assert sum(counts.values()) == 7
        assert set(counts) == {0, 1, 2}
        assert max(counts.values()) <= 3


def test_the_choice_is_that_of_the_seed():
    assert sample_frames(50, 8, "subset", 4).tolist() == sample_frames(50, 8, "subset", 4).tolist()
    assert sample_frames(50, 8, "subset", 4).tolist() != sample_frames(50, 8, "subset", 5).tolist()


@pytest.mark.parametrize("mode", ["subset", "window"])
def test_lengths_are_drawn_evenly_between_the_two_limits(mode):
    lengths = Counter(map(len, chosen(FrameSampler(3, mode, most=6), 9)))
    assert set(lengths) == {3, 4, 5, 6}
    assert all(abs(count - 500) < 100 for count in lengths.values())  # a standard deviation is 19


def test_subsets_of_drawn_lengths_are_even_over_the_frames():
    draws = chosen(FrameSampler(2, "subset", most=4), 5)
    assert all(sorted(set(frames)) == frames for frames in draws)
    seen = Counter(frame for frames in draws for frame in frames)
    assert all(abs(seen[frame] - 1200) < 120 for frame in range(5))  # 2000 draws of 3 in the mean, of 5 frames


def test_a_window_that_skips_leaves_frames_out_of_a_longer_one():
    draws = chosen(FrameSampler(4, "window", skip=2), 8)
    assert all(len(frames) == 4 and (np.diff(frames) > 0).all() for frames in draws)
    assert all(frames[-1] - frames[0] < 6 for frames in draws)
    seen = {tuple(frames) for frames in draws}
    # all ways to take 4 of 6 frames from each of 3 windows; some windows share them
    wanted = {tuple(start + i for i in range(6) if i not in (a, b))
              for start in range(3) for a in range(6) for b in range(a)}  # fmt: skip
    assert seen == wanted


def test_a_short_sequence_goes_round_before_frames_are_skipped():
    for frames in chosen(FrameSampler(4, "window", skip=2), 3):
        steps = set(np.diff(frames) % 3)
        assert len(frames) == 4 and steps <= {0, 1, 2} and len(set(frames)) >= 2


@pytest.mark.parametrize("mode", ["subset", "window", "spread", "all"])
def test_a_draw_is_the_same_alone_and_among_others(mode):
    totals = np.random.default_rng(1).integers(1, 40, 64)
    many = FrameSampler(5, mode, most=12, skip=3 * (mode == "window"))
    numbers, mask = many(totals, SEEDS[:64])
    for row, (total, seed) in enumerate(zip(totals, SEEDS, strict=False)):
        alone, real = many(np.array([total]), np.array([seed]))
        assert real.all()
        assert alone[0].tolist() == numbers[row][mask[row]].tolist()
        assert alone.min() >= 0 and alone.max() < total


def test_pairs_of_frames_are_chosen_independently():
    """A counter-based generator whose draws hung together would favour some pairs."""
    pairs = Counter(tuple(frames) for frames in chosen(FrameSampler(2, "subset"), 6, np.arange(6000)))
    assert len(pairs) == 15
    expected = 6000 / 15
    assert (
        sum((count - expected) ** 2 / expected for count in pairs.values()) < 36
    )  # chi squared, 14 degrees: 0.1 %
