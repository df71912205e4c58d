"""Tables of pictures of one size, with the names of their columns on top."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from meshgait.viz.palette import INK, PAPER

GAP, HEAD = 4, 22


def picture_table(
    rows: Sequence[Sequence[np.ndarray]], names: Sequence[str], colours: Sequence[Sequence[int]] | None = None
) -> np.ndarray:
    """One picture of many.

    Args:
        rows: each as many RGB pictures uint8 as there are names, all of one size.
        names: of the columns.
        colours: of the names; None writes them in one ink.

    Returns:
        RGB picture uint8.
    """
    height, width = rows[0][0].shape[:2]
    sheet = Image.new("RGB", (len(names) * (width + GAP) - GAP, HEAD + len(rows) * (height + GAP) - GAP), PAPER)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=13)
    for column, name in enumerate(names):
        colour = tuple(colours[column]) if colours else INK
        draw.text((column * (width + GAP) + 4, 3), name, fill=colour, font=font)
    for line, row in enumerate(rows):
        for column, picture in enumerate(row):
            sheet.paste(Image.fromarray(picture), (column * (width + GAP), HEAD + line * (height + GAP)))
    return np.asarray(sheet)
