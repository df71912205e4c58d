import numpy as np

from meshgait.viz.confusions import GAP, HEAD, TEXT, ConfusionRow, confusion_sheet, strip
from meshgait.viz.palette import INK, PREDICTED, TRUE


def test_each_sequence_is_shown_in_its_column_and_colour():
    rng = np.random.default_rng(0)
    sequences = [(rng.random((3, 10, 8)) > 0.5) * np.uint8(255) for _ in range(6)]
    rows = [ConfusionRow(("a taken for b", "nm"), *sequences[:3]), ConfusionRow(("c",), *sequences[3:])]
    sheet = confusion_sheet(rows)
    assert sheet.shape == (HEAD + 2 * (10 + GAP), TEXT + 3 * 24 + 2 * GAP, 3) and sheet.dtype == np.uint8
    for number, sequence in enumerate(sequences):
        top, left = HEAD + number // 3 * (10 + GAP), TEXT + number % 3 * (24 + GAP)
        shown = sheet[top : top + 10, left : left + 24]
        colour = (INK, PREDICTED, TRUE)[number % 3]
        np.testing.assert_array_equal((shown == colour).all(-1), strip(sequence) == 255)
    text = sheet[HEAD:, :TEXT].max(-1) > 150
    assert text[: 10 + GAP].sum() > text[10 + GAP :].sum() > 0


def test_a_strip_keeps_the_order_of_frames():
    np.testing.assert_array_equal(
        strip(np.arange(12).reshape(2, 2, 3)), [[0, 1, 2, 6, 7, 8], [3, 4, 5, 9, 10, 11]]
    )
