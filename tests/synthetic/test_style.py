"""Styles: ranges, spread, repeatability."""

from dataclasses import fields

import numpy as np

from meshgait.synthetic.style import Style


def test_samples_stay_in_range_and_spread_as_told():
    rng = np.random.default_rng(0)
    people = [Style.sample(rng, 1.0) for _ in range(400)]
    for trait in fields(Style):
        values = np.array([getattr(style, trait.name) for style in people])
        limit = np.max(trait.metadata["sd"]) if values.ndim > 1 else 1.0
        assert values.min() >= trait.metadata["low"] * limit - 1e-9
        assert values.max() <= trait.metadata["high"] * limit + 1e-9
        # ranges cut tails off, so the spread is a little less than nominal
        assert (values.std(axis=0) > 0.7 * np.asarray(trait.metadata["sd"])).all()
        assert (values.std(axis=0) < 1.1 * np.asarray(trait.metadata["sd"])).all()


def test_no_spread_is_the_average_and_seeds_repeat():
    assert Style.sample(np.random.default_rng(0), 0.0) == Style()
    assert Style.sample(np.random.default_rng(5)) == Style.sample(np.random.default_rng(5))
    assert Style.sample(np.random.default_rng(5)) != Style.sample(np.random.default_rng(6))
