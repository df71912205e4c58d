"""Where the sequences of a data set lie: known folder trees in a table, any other by a pattern.

Known trees: CASIA-B (Yu et al., ICPR 2006), OUMVLP (Takemura et al., IPSJ CVA 2018), GREW (Zhu et al., ICCV 2021;
``grew-raw`` is the tree that its archives make, ``grew`` the one that OpenGait rearranges it to), Gait3D (Zheng et
al., CVPR 2022), CCPG (Li et al., CVPR 2023), SUSTech1K (Shen et al., CVPR 2023), and OpenGait's tree of pickles.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal, NamedTuple

from meshgait.data.folders import list_folder
from meshgait.data.sources import FRAME_SUFFIXES
from meshgait.data.storefiles import check_names
from meshgait.errors import ConfigError, DataError
from meshgait.text import shown

DEFAULTS = {"subject": "000", "condition": "00", "view": "000"}
"""Names of a sequence where the folders do not give them."""
DEEPEST = 12
"""Folders inside each other; a deeper tree has a link that leads back."""
# a condition such as bg-01 may contain the dash between the names; subject and view match as little as possible
_NAMES = {"subject": r"(?P<subject>.+?)", "condition": r"(?P<condition>.+)", "view": r"(?P<view>[^-]+|.+?)"}


class SequenceFolder(NamedTuple):
    """One sequence to read: its names, and its folder relative to the data set's."""

    subject: str
    condition: str
    view: str
    folder: str


@dataclass(frozen=True)
class PathRule:
    """How the names follow from the folders.

    Attributes:
        pattern: path below the data set's folder, made of text, {subject}, {condition}, {view} and * (anything).
        subject: the name, made of what the pattern found and {number}, the folder's place among its siblings (from
            1).
        condition: the same.
        view: the same.
    """

    pattern: str
    subject: str = "{subject}"
    condition: str = "{condition}"
    view: str = "{view}"


@dataclass(frozen=True)
class Layout:
    """How a data set lies on disk.

    Attributes:
        rules: of its folders; none: OpenGait's, subject first, view last, condition in between, of any depth.
        kind: what the folders hold.
        crop: whether frames are put through the crop rule; otherwise they have the figure in its place already.
        protocol: by which it is evaluated.
    """

    rules: tuple[PathRule, ...] = (PathRule("{subject}/{condition}/{view}"),)
    kind: Literal["frames", "pickles"] = "frames"
    crop: bool = True
    protocol: str | None = None


LAYOUTS: dict[str, Layout] = {
    "opengait": Layout((), "pickles"),
    "frames": Layout(),
    "casia-b": Layout(protocol="casia-b"),
    "oumvlp": Layout((PathRule("Silhouette_{view}-{condition}/{subject}"),), protocol="oumvlp"),
    "grew": Layout(crop=False, protocol="grew"),
    "grew-raw": Layout(
        (
            PathRule("train/{subject}/{view}", subject="{subject}train", condition="00"),
            PathRule("test/gallery/{subject}/{view}", condition="{number:02d}"),
            PathRule("test/probe/{view}", subject="probe", condition="03"),
        ),
        crop=False,
        protocol="grew",
    ),
    "gait3d": Layout(protocol="gait3d"),
    "ccpg": Layout(),
    "sustech1k": Layout((PathRule("{subject}/{condition}/{view}/Sils_aligned"),)),
}


def compile_pattern(pattern: str) -> list[re.Pattern[str]]:
    """One regular expression for each folder of a pattern.

    Raises:
        ConfigError: it has unknown or repeated placeholders, or leads nowhere.
    """
    parts = pattern.strip("/").split("/")
    found = re.findall(r"\{(.*?)\}", pattern)
    unknown = [name for name in found if name not in DEFAULTS]
    if unknown or len(set(found)) < len(found) or {"", ".", ".."} & set(parts):
        problem = (
            f"{{{unknown[0]}}} is unknown" if unknown else "each part is a folder, each placeholder comes once"
        )
        raise ConfigError(
            f"pattern {pattern!r}: {problem}",
            "write it like {subject}/{condition}/{view} or Silhouette_{view}-{condition}/{subject}",
        )
    # names with a line break match too; they are refused later, by an error that names them
    return [re.compile("".join(map(_expression, re.split(r"(\{.*?\}|\*)", part))), re.DOTALL) for part in parts]


def _expression(piece: str) -> str:
    if piece == "*":
        return ".*"
    return _NAMES[piece[1:-1]] if piece.startswith("{") else re.escape(piece)


def custom_rule(pattern: str) -> PathRule:
    """Rule of a user's pattern; names that are not in it get a default.

    Raises:
        ConfigError: the pattern has no {subject} or is malformed.
    """
    compile_pattern(pattern)
    if "{subject}" not in pattern:
        raise ConfigError(f"pattern {pattern!r} does not say who walks", "put {subject} where the name is")
    names = {name: f"{{{name}}}" if f"{{{name}}}" in pattern else default for name, default in DEFAULTS.items()}
    return PathRule(pattern, **names)


class SequenceListing:
    """All sequences of a tree in a fixed order; each iteration reads the folders again and keeps none of them.

    Args:
        source: folder of the data set.
        tree: how it lies there.
        files: which files of a folder count, where the tree is of pickles.

    Attributes:
        strays: folders seen by the last iteration that fit no rule.
        stray: one of them.
    """

    def __init__(self, source: Path, tree: Layout, files: str = "*.pkl") -> None:
        self.source, self.tree, self.files = source, tree, files
        self.strays, self.stray = 0, ""

    def __iter__(self) -> Iterator[SequenceFolder]:
        self.strays, self.stray = 0, ""
        if not self.tree.rules:
            yield from self._any_depth()
        for rule in self.tree.rules:
            for folder, found, number in self._walk(compile_pattern(rule.pattern), "", {}):
                parts: dict[str, str | int] = {**found, "number": number}
                names = (rule.subject.format(**parts), rule.condition.format(**parts), rule.view.format(**parts))
                yield SequenceFolder(*names, folder)

    def _walk(
        self, parts: list[re.Pattern[str]], folder: str, found: dict[str, str]
    ) -> Iterator[tuple[str, dict[str, str], int]]:
        """(folder, what the pattern found, its number among its siblings) of all folders that fit."""
        number = 0
        for name in _folders(self.source / folder):
            match = parts[0].fullmatch(name)
            path = f"{folder}/{name}" if folder else name
            if match is None:
                # what lies beside a folder of a fixed name is something else; what fits no placeholder counts
                if parts[0].groups:
                    self.strays, self.stray = self.strays + 1, self.stray or path
                continue
            number += 1
            names = found | match.groupdict()
            if len(parts) == 1:
                yield path, names, number
            else:
                yield from self._walk(parts[1:], path, names)

    def _any_depth(self, folder: str = "") -> Iterator[SequenceFolder]:
        """OpenGait's tree: folders with pickles, and leaves without any, which are reported when they are read."""
        parts = folder.split("/") if folder else []
        if len(parts) > DEEPEST:
            raise DataError(f"{self.source / folder} lies {len(parts)} folders deep", "does a link lead back?")
        inner, has_files = _content(self.source / folder, self.files)
        if parts and (has_files or not inner):
            if len(parts) < 3 and has_files:
                raise DataError(
                    f"{self.source / folder} has pickles {len(parts)} folders deep, OpenGait's tree is "
                    "subject/condition/view",
                    "give the folder of the subjects, or --pattern (as {subject}/{view})",
                )
            if len(parts) >= 3:
                yield SequenceFolder(parts[0], "-".join(parts[1:-1]), parts[-1], folder)
            else:
                self.strays, self.stray = self.strays + 1, self.stray or folder
        for name in inner:
            yield from self._any_depth(f"{folder}/{name}" if folder else name)


class ListingSummary(NamedTuple):
    """What a tree holds: sequences, a digest of their names and folders, folders that fit no rule, one of them."""

    sequences: int
    digest: str
    strays: int
    stray: str


def summarise_listing(listing: SequenceListing) -> ListingSummary:
    """Go through a tree once.

    Raises:
        DataError: there is no sequence, two have the same names, or a name cannot be used; the message names an
            example.
    """
    digest, seen, count = hashlib.sha256(), set(), 0
    for job in listing:
        try:
            check_names(*job[:3])
        except DataError as error:
            raise DataError(f"{shown(listing.source / job.folder)}: {error.what}", error.remedy) from None
        count += 1
        digest.update("\0".join(job).encode("utf-8", "surrogateescape") + b"\n")
        seen.add(hash(job[:3]))
        if len(seen) < count:
            raise DataError(
                f"{listing.source / job.folder} is a second sequence {job.subject}/{job.condition}/{job.view}",
                "tell them apart by a --pattern with more placeholders",
            )
    if not count:
        raise DataError(_nothing_fits(listing))
    return ListingSummary(count, digest.hexdigest(), listing.strays, listing.stray)


def _nothing_fits(listing: SequenceListing) -> str:
    example = ""
    while (folders := _folders(listing.source / example)) and example.count("/") < DEEPEST:
        example = f"{example}/{folders[0]}" if example else folders[0]
    wanted = " or ".join(rule.pattern for rule in listing.tree.rules) or "subject/condition/view/*.pkl"
    found = f"{example} does not fit" if example else "it has no folders to fit"
    return f"{listing.source} has no sequence: {found} {wanted}; {_remedy(listing.source, example)}"


def _remedy(source: Path, example: str) -> str:
    """What fits a tree whose first end is the folder ``example``."""
    depth = len(Path(example).parts)
    frames = [name for name in list_folder(source / example).files if name.lower().endswith(FRAME_SUFFIXES)]
    if not depth and frames:
        return (
            f"its frames ({frames[0]}, ...) lie in it directly; move those of each sequence into a folder of its "
            "own, as subject/condition/view, or give the folder that holds this one with --pattern {subject}"
        )
    if not depth or not frames:
        return "choose another --layout or give a --pattern like {subject}/{condition}/{view}"
    usual = "*/" * (depth - 3) + "{subject}/{condition}/{view}"
    pattern = {1: "{subject}", 2: "{subject}/{view}"}.get(depth, usual)
    return f"its frames lie {depth} folders deep, which --pattern '{pattern}' fits; or choose another --layout"


def guess_layout(source: Path) -> str:
    """Name of the tree that a folder looks like, by its first sequence; "usf" is one of them.

    Raises:
        DataError: it looks like none.
    """
    if (source / "Gal.npz").is_file():
        return "usf"
    names = _folders(source)
    if (source / "train").is_dir() and (source / "test" / "gallery").is_dir():
        return "grew-raw"
    if any(name.startswith("Silhouette_") for name in names):
        return "oumvlp"
    first: list[str] = []
    while (inner := _folders(source.joinpath(*first))) and len(first) < DEEPEST:
        # of the kinds of pictures that SUSTech1K keeps side by side
        first.append("Sils_aligned" if "Sils_aligned" in inner else inner[0])
    if _content(source.joinpath(*first), "*.pkl")[1]:
        return "opengait"
    if first and first[-1] == "Sils_aligned":
        return "sustech1k"
    if len(first) == 3:
        if any(name.endswith("train") for name in names):
            return "grew"
        if re.fullmatch(r"\d{3}", first[0]) and re.fullmatch(r"(nm|bg|cl)-\d\d", first[1]):
            return "casia-b"
        return "gait3d" if re.fullmatch(r"camid\d+_videoid\d+", first[1]) else "frames"
    raise DataError(
        f"{source} looks like no known tree (its first end is {'/'.join(first) or 'itself'})",
        f"{_remedy(source, '/'.join(first))}",
    )


def _folders(path: Path) -> list[str]:
    return _content(path, "")[0]


def _content(path: Path, files: str) -> tuple[list[str], bool]:
    """Sorted names of the folders in a folder, and whether it has a file that fits ``files``."""
    try:
        content = list_folder(path)
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror})", "check the path and its rights") from None
    return content.folders, bool(files) and any(fnmatchcase(name, files) for name in content.files)
