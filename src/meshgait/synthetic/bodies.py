"""Bodies beyond ten standard-normal shape coefficients: wider ones, flesh they do not describe, age, children.

The truth is SMPL's: coefficients, pose and camera. What they cannot say is worn like clothes (flesh, a child's
large head) or cannot be seen in a crop (a child's size), so that the truth stays exact.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from meshgait.synthetic.style import Style
from meshgait.synthetic.surface import Skin

REGIONS = ("shoulders", "chest", "belly", "hips", "thigh", "calf", "arm", "neck")
FLESH = np.array([0.008, 0.006, 0.012, 0.007, 0.006, 0.004, 0.004, 0.004])
"""Deviation of the flesh of each region between people, metres."""

MEAN_FLESH = np.array([0.014, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.004])
"""What the default body lacks on average beside real silhouettes: its shoulders are lower and slimmer."""

UPRIGHT = -4.5
"""Degrees by which real people lean less than styles do, whose heads are too far ahead of their hips."""

CHILDREN, ELDERLY = 0.1, 0.12
"""Shares of bodies at full variety."""


@dataclass(frozen=True)
class Build:
    """A person's body.

    Attributes:
        betas: (10,) shape coefficients.
        flesh: (REGIONS,) metres added along the skin's normals.
        head: metres added to the head.
        stature: real metres per metre of the body model, below 1 for a child.
        age: 0 = an adult, towards 1 = very old.
        lean: degrees added to the lean of a style.
    """

    betas: np.ndarray
    flesh: np.ndarray
    head: float = 0.0
    stature: float = 1.0
    age: float = 0.0
    lean: float = 0.0

    @classmethod
    def sample(cls, rng: np.random.Generator, betas: np.ndarray, variety: float) -> Build:
        """Draw a body; at `variety` 0 it has the given coefficients (10,) and nothing else."""
        spread = np.exp(0.4 * variety * rng.random())
        limit = 2.5 + 1.0 * variety
        flesh = variety * (MEAN_FLESH + np.clip(rng.standard_normal(len(REGIONS)), -0.7, 2.2) * FLESH)
        kind = rng.random()
        grown = rng.uniform(0.0, 1.0)
        child, old = kind < CHILDREN * variety, kind > 1 - ELDERLY * variety
        return cls(
            np.clip(spread * betas, -limit, limit),
            flesh * (0.5 if child else 1.0),
            head=(0.030 - 0.022 * grown) * variety if child else 0.0,
            stature=0.62 + 0.3 * grown if child else 1.0,
            age=0.3 + 0.7 * grown if old else 0.0,
            lean=UPRIGHT * variety,
        )

    def walks(self, style: Style) -> Style:
        """Style of a person of this age and size whose style as an adult is given."""
        style = replace(
            style,
            lean=style.lean + self.lean + 3.0 * self.age,
            stoop=style.stoop + 9.0 * self.age,
            neck=style.neck + 7.0 * self.age,
            hip_amplitude=style.hip_amplitude * (1 - 0.2 * self.age),
            knee_amplitude=style.knee_amplitude * (1 - 0.12 * self.age),
            arm_amplitude=style.arm_amplitude * (1 - 0.4 * self.age),
            foot_pitch=style.foot_pitch * (1 - 0.15 * self.age),
            elbow_offset=style.elbow_offset + 8.0 * self.age,
        )
        # a shorter pendulum swings faster
        return replace(style, cadence=style.cadence * self.stature**-0.4 * (1 - 0.12 * self.age))

    def thickness(self, skin: Skin) -> np.ndarray:
        """Thickness (N,) of the flesh over each point of the skin, metres."""
        share, along = skin.share, skin.along
        shoulders, chest, belly, hips, thigh, calf, arm, neck = self.flesh
        trunk = np.interp(along["torso"], [-0.3, 0.05, 0.35, 0.7, 0.95], [hips, hips, belly, chest, shoulders])
        leg = np.interp(along["leg"], [0.0, 0.35, 1.0, 1.4, 1.9], [hips, thigh, 0.3 * thigh, calf, 0.0])
        upper = np.interp(along["arm"], [0.0, 0.5, 1.0, 1.9], [shoulders, arm, 0.5 * arm, 0.0])
        top = skin.points[:, 1] - skin.figure.joints[15, 1]
        skull = np.interp(top, [-0.05, 0.03], [neck, self.head])
        return share["torso"] * trunk + share["leg"] * leg + share["arm"] * upper + share["head"] * skull
