"""Seeded damage to text files: what a cut, a slip of the hand or malice make of them."""

import copy
import random

VALUES = (
    None, True, -1, 0, 10**17, 10**400, 1e308, float("inf"), float("nan"), "", "x", "9" * 500, "\x1b[31m", "a\nb",
    "\ud800", "[/b]", [], {}, [[[]]], {"a": {"b": 1}}, {"values": [{}]}, {"min": 1, "max": 10**18},
    {"distribution": [], "min": 1, "max": 2}, {"distribution": "log_uniform", "min": 1, "max": 1e300},
    {"distribution": "q_uniform", "min": 0, "max": 1e12, "q": 1e-3}, {"parameters": 3},
    {"type": "hyperband", "max_iter": 10**17, "s": 10**17, "eta": 10**17},
)  # fmt: skip
BITS = ("[", "{", '"', "\x00", "\u2028", "\x85", "\r", "1e999", "9" * 30, "NaN", "null", "-", ":", ",", "\n", "\\")


def mutated(content, rng):
    """Plain content with a value dropped, replaced, or one more."""
    content = copy.deepcopy(content)
    for _ in range(rng.randint(1, 2)):
        places = list(_places(content))
        if not places:
            return rng.choice(VALUES)
        holder, key = rng.choice(places)
        kind = rng.randrange(3)
        if kind == 0:
            del holder[key]
        elif kind == 1:
            holder[key] = rng.choice(VALUES)
        elif isinstance(holder, dict):
            holder[rng.choice(("x", "a.b", "parameters"))] = rng.choice(VALUES)
    return content


def _places(content):
    keys = list(content) if isinstance(content, dict) else range(len(content)) if isinstance(content, list) else ()
    for key in keys:
        yield content, key
        yield from _places(content[key])


def damaged(text, rng):
    """Text that is cut, doubled in part, or has something put in."""
    start = rng.randrange(len(text))
    stop = min(len(text), start + rng.randint(1, 40))
    return rng.choice(
        (
            text[:start],
            text[:stop] + text[start:],
            text[:start] + text[stop:],
            text[:start] + rng.choice(BITS) + text[start:],
            text[:start] + "[" * 3000 + text[start:],
        )
    )


def generators(count):
    """Random generators, the same ones each time."""
    return [random.Random(seed) for seed in range(count)]
