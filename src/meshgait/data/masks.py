"""What is the figure in a sequence's pictures, decided by their content.

People keep masks as white on black, as palette indices, class numbers, transparency, soft edges, 16 bit, or with
the noise of a codec around the figure. `choose_mask_rule` looks at some frames of a sequence and returns a
`MaskRule` that brings every frame to the one form that other modules read: uint8, 0 background, 255 figure. It
refuses photographs, inverted masks, several figures, and class numbers without a choice, each by name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from meshgait.data.mask_checks import (
    LARGEST_LABEL,
    MOST_LABELS,
    SEGMENT,
    MaskError,
    above,
    border_of,
    check_areas,
    check_figures,
    check_polarity,
    check_shades,
    classes_text,
    is_noisy,
    levels,
    take_sample,
)
from meshgait.data.pictures import Picture

BRIGHT = 224
"""From this level on a figure is called white."""

Channel = Literal["grey", "index", "colour", "alpha"]
Channels = Mapping[Channel, np.ndarray]
"""What could hold the mask of n frames, (n, h, w) each: grey values, palette indices or colours (as numbers), and
transparency."""


@dataclass(frozen=True)
class MaskRule:
    """What is the figure in a picture.

    Attributes:
        channel: what is looked at.
        value: of the figure; None: the figure is above the middle of ``levels``.
        levels: (background, figure) values; of soft edges, what lies between them is in proportion.
        clean: frames are made black and white before anything else, as a codec's noise surrounds the figure.
        text: the rule in words.
        exact: besides ``value`` there is the background's value alone.
    """

    channel: Channel
    value: int | None
    levels: tuple[int, int]
    clean: bool
    text: str
    exact: bool = True

    def mask(self, picture: Picture) -> np.ndarray:
        """(h, w) uint8, 0 or 255.

        Raises:
            MaskError: the picture is stored in another way, or has values that the rule does not know.
        """
        return self.mask_of(self._band(picture))

    def grey(self, picture: Picture) -> np.ndarray:
        """(h, w) uint8, 0 background, 255 figure, soft edges in between unless `clean`.

        Raises:
            MaskError: as `mask`.
        """
        return self.grey_of(self._band(picture))

    def mask_of(self, band: np.ndarray) -> np.ndarray:
        """The same as `mask` of values (h, w) or (n, h, w) of the rule's channel."""
        if self.value is None:
            return above(band, *self.levels)
        mask = band == self.value
        if self.exact and not (mask | (band == self.levels[0])).all():
            raise MaskError(
                f"has values besides the {self.text} of the frames before it", "save all frames in one way"
            )
        return mask.astype(np.uint8) * np.uint8(255)

    def grey_of(self, band: np.ndarray) -> np.ndarray:
        """The same as `grey` of values (h, w) or (n, h, w) of the rule's channel."""
        if self.clean or self.value is not None:
            return self.mask_of(band)
        low, high = self.levels
        if (low, high) == (0, 255) and band.dtype == np.uint8:
            return band
        scaled = (band.astype(np.float32) - low) * (255 / (high - low))
        return np.rint(scaled.clip(0, 255)).astype(np.uint8)

    def _band(self, picture: Picture) -> np.ndarray:
        channels = channels_of(picture)
        if self.channel in channels:
            return channels[self.channel][0]
        if _is_flat(channels):  # an empty frame may be stored in a plainer way
            return np.full(picture.values.shape[:2], self.levels[0], np.uint8)
        raise MaskError(
            f"is stored in another way than the frames before it, whose figure is {self.text}",
            "save all frames of a sequence in one way",
        )


def channels_of(picture: Picture) -> Channels:
    """What could hold the mask of one picture, (1, h, w) each."""
    values = picture.values[None]
    found: dict[Channel, np.ndarray] = {}
    if picture.palette is not None:
        found["index"] = values
    elif values.ndim == 3:
        found["grey"] = values
    else:
        red, green, blue = (values[..., band].astype(np.int32) for band in range(3))
        found["colour"] = red << 16 | green << 8 | blue
    if picture.alpha is not None:
        found["alpha"] = picture.alpha[None]
    return found


def choose_mask_rule(
    samples: Sequence[Channels], lossy: bool = False, person: int | None = None
) -> MaskRule | None:
    """Decide what is the figure in a sequence's pictures.

    Args:
        samples: some frames of the sequence.
        lossy: whether their compression leaves noise (JPEG).
        person: the class number (palette index or grey value) that is the person, or None.

    Returns:
        The rule, or None if nothing is to be seen in these frames.

    Raises:
        MaskError: they are no silhouettes; the message says what they are, and the remedy.
    """
    samples = [channels for channels in samples if not _is_flat(channels)]
    if not samples:
        return None
    if len({tuple(channels) for channels in samples}) > 1:
        raise MaskError(
            "has frames stored in different ways (grey, palette, colour or transparent)", "save all in one way"
        )
    first, *transparent = samples[0]
    if person is not None:
        return _person_rule(first, person)
    rule = _alpha_rule(samples, first, lossy) if transparent else _rule(samples, first, lossy)
    if rule is not None:
        check_figures([rule.mask_of(channels[rule.channel]) for channels in samples])
    return rule


def _rule(samples: Sequence[Channels], channel: Channel, lossy: bool) -> MaskRule | None:
    bands = [channels[channel] for channels in samples]
    if channel == "index":
        return _index_rule(bands)
    return _colour_rule(bands, lossy) if channel == "colour" else _grey_rule(bands, channel, lossy)


def _person_rule(channel: Channel, person: int) -> MaskRule:
    """The figure is one class number."""
    if channel == "colour":
        raise MaskError(
            "has colours, no class numbers, so no person can be chosen by number", "save palette or grey"
        )
    background = 0 if person else 1  # any value but the person's
    name = "palette index" if channel == "index" else "class number"
    return MaskRule(channel, person, (background, person), True, f"{name} {person}, as asked for", exact=False)


def _alpha_rule(samples: Sequence[Channels], channel: Channel, lossy: bool) -> MaskRule | None:
    """The figure is what is not transparent, unless the colours are a mask of their own that says otherwise."""
    rule = _rule(samples, "alpha", lossy)
    if rule is None:
        return None
    try:
        other = _rule(samples, channel, lossy)
    except MaskError:
        return rule  # a person cut out of a photograph
    if other is not None:
        pairs = [(rule.mask_of(bands["alpha"]) > 0, other.mask_of(bands[channel]) > 0) for bands in samples]
        common, either = (sum(int(join(a, b).sum()) for a, b in pairs) for join in (np.logical_and, np.logical_or))
        if common < 0.9 * either:
            raise MaskError(
                "has a mask in its colours and another one in its transparency",
                "save one of them, black and white",
            )
    return rule


def _index_rule(bands: list[np.ndarray]) -> MaskRule | None:
    """Palette indices: two of them are background and figure, more are classes or a picture."""
    sample = take_sample(bands)
    used = np.flatnonzero(sample.counts).tolist()
    if len(used) > MOST_LABELS:
        raise MaskError("holds colour frames", SEGMENT)
    if len(used) > 2:
        raise MaskError(classes_text("palette indices", used))
    background = int(sample.border().argmax())
    figure = used[0] if used[1] == background else used[1]
    if 0 in used:  # the background of every palette of masks; its border shows an inverted mask
        background, figure = 0, max(used)
    check_polarity(sample, [figure])
    return MaskRule("index", figure, (background, figure), True, f"palette index {figure}")


def _colour_rule(bands: list[np.ndarray], lossy: bool) -> MaskRule | None:
    """Colours: two of them are background and figure."""
    used = np.unique(np.concatenate([np.unique(band) for band in bands]))
    if lossy or len(used) > MOST_LABELS:
        raise MaskError("holds colour frames", SEGMENT)
    if len(used) > 2:
        raise MaskError(
            f"holds masks of {len(used)} colours",
            "make the person white and all else black, or save class numbers "
            "(palette or grey) and choose one by --person NUMBER",
        )
    values, counts = np.unique(np.concatenate([border_of(band) for band in bands]), return_counts=True)
    background = int(values[counts.argmax()])
    figure = next(int(code) for code in used if code != background)
    if figure == 0:
        raise MaskError(
            f"shows a black figure on the colour #{background:06x}", "make the person white and all else black"
        )
    return MaskRule("colour", figure, (background, figure), True, f"colour #{figure:06x}")


def _grey_rule(bands: list[np.ndarray], channel: Channel, lossy: bool) -> MaskRule | None:
    """Grey values or transparency: two values whatever they are, or two levels with soft edges and noise."""
    sample = take_sample(bands)
    used = np.flatnonzero(sample.counts)
    if len(used) < 2:
        return None
    lowest, highest = int(used[0]), int(used[-1])
    name = "transparency" if channel == "alpha" else "white on black"
    if len(used) == 2:
        check_polarity(sample, [highest])
        if (lowest, highest) == (0, 255):
            return MaskRule(channel, None, (0, 255), False, name)
        return MaskRule(channel, highest, (lowest, highest), True, f"value {highest} (background {lowest})")
    if highest <= LARGEST_LABEL:
        raise MaskError(classes_text("values", used.tolist()))
    low, high = levels(sample)
    check_areas(sample, low, high)
    check_shades(sample, low, high)
    noisy = lossy or is_noisy(sample, low, high)
    usual = low <= LARGEST_LABEL and BRIGHT <= high <= 255  # a codec's levels are no kind of their own
    text = name if usual else f"value {high} (background {low})"
    text += ", made black and white because of a codec's noise" if noisy else " with soft edges"
    return MaskRule(channel, None, (low, high), noisy, text)


def _is_flat(channels: Channels) -> bool:
    """Whether all pixels are alike, so that nothing is to be seen."""
    return all(int(band.min()) == int(band.max()) for band in channels.values())
