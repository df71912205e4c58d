import numpy as np

from meshgait.viz.suspicious_frames import (
    FIGURE,
    GAP,
    HEAD,
    OUTLINE,
    SURROUNDINGS,
    SuspiciousFrame,
    suspicious_frames_sheet,
)


def squares(size=(64, 44)):
    figure, mask = np.zeros(size, np.uint8), np.zeros(size, bool)
    figure[20:40, 10:30] = 255
    mask[20:40, 14:34] = True
    return figure, mask


def test_figure_and_outline_lie_where_they_are():
    figure, mask = squares()
    sheet = np.asarray(suspicious_frames_sheet([SuspiciousFrame(("a/b/c", "frame 1"), figure, mask)], "title"))
    cell = sheet[HEAD : HEAD + 256, GAP : GAP + 176]  # four times as large
    assert tuple(cell[10, 10]) == SURROUNDINGS
    assert tuple(cell[120, 48]) == FIGURE  # figure without mesh
    orange = (cell == OUTLINE).all(axis=2)
    rows, columns = np.nonzero(orange)
    assert abs(rows.min() - 80) <= 1 and abs(rows.max() - 159) <= 1
    assert abs(columns.min() - 56) <= 1 and abs(columns.max() - 135) <= 1
    assert not orange[90:150, 66:126].any()  # an outline, not a filled shape


def test_without_a_mesh_there_is_no_outline():
    sheet = np.asarray(suspicious_frames_sheet([SuspiciousFrame(("a",), squares()[0])], "title"))
    assert not (sheet == OUTLINE).all(axis=2).any()
    assert (sheet == FIGURE).all(axis=2).sum() == 80 * 80


def test_rows_of_six():
    sizes = [
        suspicious_frames_sheet([SuspiciousFrame(("a",), squares()[0])] * count, "t").size
        for count in (6, 7, 12, 13)
    ]
    assert len({width for width, _ in sizes}) == 1
    heights = [height for _, height in sizes]
    assert heights[0] < heights[1] == heights[2] < heights[3]
    assert heights[3] - heights[1] == heights[1] - heights[0]
