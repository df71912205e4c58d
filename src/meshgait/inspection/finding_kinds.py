"""Table of what can be wrong with a store, how bad it is, and what to do about it."""

from __future__ import annotations

from typing import Literal, NamedTuple

Severity = Literal["error", "warning"]


class FindingKind(NamedTuple):
    """One thing that can be wrong.

    Attributes:
        severity: "error" makes figures wrong or training fail, "warning" is to be looked at.
        unit: what is counted, in the plural.
        what: goes on after "1 frame" and "N frames" alike.
        remedy: what to do.
    """

    severity: Severity
    unit: str
    what: str
    remedy: str


PACK_AGAIN = "pack the data set again"
COPY_AGAIN = f"copy the store again, or {PACK_AGAIN}"
KINDS: dict[str, FindingKind] = {
    # files
    "missing-file": FindingKind("error", "files", "missing though meta.json lists them", COPY_AGAIN),
    "truncated": FindingKind("error", "files", "shorter than their headers say", COPY_AGAIN),
    "checksum": FindingKind(
        "error", "files", "unlike their checksums in meta.json",
        f"copy the store again; if you changed it on purpose, {PACK_AGAIN} instead",
    ),
    "unreadable": FindingKind("error", "stores", "damaged", COPY_AGAIN),
    # index
    "rows": FindingKind(
        "error", "sequences", "outside of the arrays or on frames of another one",
        f"sequences.csv was changed; restore it, or {PACK_AGAIN}",
    ),
    "same-name": FindingKind(
        "warning", "sequences", "named like an earlier one (subject, condition and view)",
        "give each a condition of its own in the source and pack again, or the lists of probes are ambiguous",
    ),
    "short": FindingKind(
        "warning", "sequences", "of few frames",
        "leave them out of the source, or accept that training repeats their frames (--short sets the limit)",
    ),
    # silhouettes
    "empty": FindingKind(
        "warning", "frames", "without a figure", "pack again from raw frames; the crop drops them"
    ),
    "full": FindingKind("warning", "frames", "full of figure", "the segmentation failed; leave these frames out"),
    "dim": FindingKind(
        "error", "frames", "neither black nor with a value above 127",
        "values must be 0 to 255; multiply the source by 255 (or 127 for values 0 to 2) and pack again",
    ),
    "polarity": FindingKind(
        "error", "frames", "inverted: white surroundings, a black person",
        "invert the source (255 - value) and pack again; 255 must be the person",
    ),
    "tiny": FindingKind(
        "warning", "frames", "with a figure of hardly any pixels",
        "specks of a failed segmentation; raise the least mass of raw frames, or leave these frames out",
    ),
    "height": FindingKind(
        "warning", "frames", "with a figure that does not fill the height",
        "if they are many, pack again with the crop (without --no-crop); if few, the segmentation failed there",
    ),
    "centre": FindingKind(
        "warning", "frames", "with a figure off the centre",
        "if they are many, pack again with the crop (without --no-crop), which centres by mass; if few, the "
        "segmentation failed there",
    ),
    "grey": FindingKind(
        "error", "frames", "of shades: photographs or mean images, no silhouettes",
        "segment the walkers first, and pack black and white silhouettes",
    ),
    "noise": FindingKind(
        "warning", "frames", "with faint pixels around the figure, as a codec leaves them",
        "they move the crop; pack again from the source with this version, which takes them away",
    ),
    "several": FindingKind(
        "error", "frames", "that show several figures side by side",
        "leave these frames out of the source, or give each walker a sequence of its own",
    ),
    "frozen": FindingKind(
        "warning", "sequences", "of one frame repeated",
        "look at the source: a video that stood still, or one image copied; leave them out",
    ),
    "duplicate": FindingKind(
        "warning", "sequences", "equal, frame by frame, to another one of the same subject",
        "leave the copies out, or probes find themselves in the gallery",
    ),
    "duplicate-subject": FindingKind(
        "error", "sequences", "equal, frame by frame, to one of another subject",
        "one of the two labels is wrong; find out which and pack again",
    ),
    # SMPL truth
    "not-finite": FindingKind(
        "error", "frames", "with SMPL parameters that are NaN or infinite",
        "set them to zero and valid to false in the source; one NaN spoils a whole batch",
    ),
    "camera": FindingKind(
        "error", "valid frames", "with a camera whose scale is not above zero",
        "cameras are s, tx, ty with s in pixels per metre; check the order of the source's columns",
    ),
    "angles": FindingKind(
        "warning", "valid frames", "with a joint that turns by more than a full circle",
        "poses are axis-angle vectors in radians; check for degrees or for rotation matrices",
    ),
    "body": FindingKind(
        "error", "stores", "with truth of another body than that of this check", "name it by --body"
    ),
    "misaligned": FindingKind(
        "warning", "sampled frames", "with a mesh that disagrees with the silhouette",
        "look at the pictures (--pictures): mark such frames as not valid, or check the cameras and the crop",
    ),
    # protocol
    "protocol": FindingKind("error", "stores", "unfit for the protocol", "choose the one that fits by --protocol"),
    "unassigned": FindingKind(
        "warning", "subjects", "neither in training nor in test",
        "add them to a list of the partition, or leave them out of the store",
    ),
    "absent": FindingKind(
        "warning", "subjects", "of the partition that the store lacks",
        "compare the spelling, also leading zeros; figures of a part are not those of the benchmark",
    ),
    "lone-training": FindingKind(
        "warning", "training subjects", "with one sequence only",
        "the triplet loss finds no positive for them; add sequences or leave them out of training",
    ),
    "absent-probe": FindingKind(
        "warning", "probes", "of the partition's PROBE_SET that the test sequences lack",
        "compare the spelling (subject-condition-view); figures of a part are not those of the benchmark",
    ),
    "no-mate": FindingKind(
        "warning", "probe sequences", "without a gallery sequence to be compared with",
        "they count as errors or are refused; add gallery sequences of their subjects (in another view)",
    ),
    "thin-view": FindingKind(
        "warning", "views", "with fewer than half as many test subjects as the best view",
        "cells of these views are scored over few people; leave the views out, or add the subjects",
    ),
}  # fmt: skip
"""Everything that can be found, by its code."""
