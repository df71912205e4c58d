"""All checks of a packed store in one go."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from meshgait.body.smpl import BodyModel
from meshgait.data.partitions import Partition
from meshgait.data.protocols import PROTOCOLS, EvaluationProtocol, get_protocol
from meshgait.data.store import Store
from meshgait.errors import ConfigError, DataError, StoreError
from meshgait.inspection.files import check_files
from meshgait.inspection.finding_kinds import KINDS
from meshgait.inspection.findings import Finding, Findings
from meshgait.inspection.identities import Group, check_people
from meshgait.inspection.index import Index
from meshgait.inspection.listing import check_listing
from meshgait.inspection.silhouettes import SilhouetteCounts, check_silhouettes
from meshgait.inspection.truth import Alignment, check_alignment, check_truth

QUANTILES = (0.05, 0.5, 0.95)


@dataclass(frozen=True)
class CheckOptions:
    """What is checked, and how strictly.

    Attributes:
        protocol: name of the protocol; None: what the store says.
        partition: JSON with TRAIN_SET and TEST_SET; None: the store's own.
        short: sequences of fewer frames are reported.
        frames: compared with the mesh per sequence; 0: none.
        iou: below it mesh and silhouette disagree.
        seed: of the sampling.
        body: model that the truth is of; None: the default body.
        checksums: read every byte of the files.
        ignore: codes of findings that are left out.
        show: whether progress is shown.
    """

    protocol: str | None = None
    partition: Path | None = None
    short: int = 10
    frames: int = 2
    iou: float = 0.5
    seed: int = 0
    body: str | None = None
    checksums: bool = False
    ignore: tuple[str, ...] = ()
    show: bool = True

    def __post_init__(self) -> None:
        """Refuse what makes no sense.

        Raises:
            ConfigError: a setting is out of its range.
        """
        if not 0 <= self.iou <= 1:
            raise ConfigError(f"--iou is {self.iou}", "it lies between 0 and 1")
        if self.short < 0 or self.frames < 0:
            raise ConfigError(
                f"--short is {self.short} and --frames-per-sequence {self.frames}", "neither is negative"
            )
        if unknown := sorted(set(self.ignore) - KINDS.keys()):
            raise ConfigError(f"--ignore {unknown[0]} is no finding", f"there are {', '.join(KINDS)}")


@dataclass(frozen=True)
class StoreReport:
    """Result of a check.

    Attributes:
        path: of the store.
        hash: of the store's content; "" where it cannot be opened.
        size: (H, W) of a silhouette.
        bits: 1 or 8.
        groups: how much is in each part of the split; "all" is everything.
        protocol: that was applied, "" for none.
        figures: 5 %, 50 % and 95 % of height and width [pixels] and of mass [% of the crop].
        valid: frames with valid SMPL truth; None without truth.
        alignment: of meshes and silhouettes, or None.
        findings: what is wrong, errors first.
        survey: examples for pictures, or None.
        damage: why the store cannot be opened, or "".
    """

    path: str
    hash: str = ""
    size: tuple[int, int] = (0, 0)
    bits: int = 0
    groups: dict[str, Group] | None = None
    protocol: str = ""
    figures: dict[str, list[int]] | None = None
    valid: int | None = None
    alignment: Alignment | None = None
    findings: tuple[Finding, ...] = ()
    survey: SilhouetteCounts | None = None
    damage: str = ""

    def plain(self) -> dict[str, Any]:
        """Everything but the pictures, for JSON."""
        content = {
            name: getattr(self, name)
            for name in ("path", "hash", "size", "bits", "protocol", "figures", "valid", "damage")
        }
        content["groups"] = {name: asdict(group) for name, group in (self.groups or {}).items()}
        content["alignment"] = None
        if self.alignment and self.alignment.frames:
            content["alignment"] = {
                "frames": self.alignment.frames,
                "mean": self.alignment.mean,
                "low": self.alignment.low,
                "quantiles": {str(share): self.alignment.quantile(share) for share in QUANTILES},
                "histogram": self.alignment.counts.tolist(),
                "worst": [
                    {"sequence": one.name, "frame": one.frame, "iou": one.iou} for one in self.alignment.worst
                ],
            }
        return content | {"findings": [asdict(finding) for finding in self.findings]}


def check(path: Path | str, options: CheckOptions | None = None) -> StoreReport:
    """Check a packed store.

    Memory: some 40 bytes a sequence besides the store's own table and the names that a protocol compares; frames
    are read a few thousand at a time.

    Args:
        path: folder of the store.
        options: what is checked.

    Returns:
        The report; one with findings in the files alone where the store cannot be opened.

    Raises:
        StoreError: there is no store.
        ConfigError: the protocol is unknown.
        DataError: the partition given cannot be read.
        BodyModelError: the body cannot be read.
    """
    path, options = Path(path), options or CheckOptions()
    found = Findings(options.ignore)
    if not (path / "meta.json").is_file():
        Store(path)  # its error says what the folder is instead
    check_files(path, found, options.checksums, options.show)
    try:
        store = Store(path, check_rows=False)
    except StoreError as error:
        found.error("unreadable", error)
        return StoreReport(str(path), findings=found.listed(), damage=str(error))
    partition, protocol = _rules(store, options, found)
    index = Index(store)
    check_listing(index, found, options.short)
    groups = check_people(store.sequences, index.lengths, protocol, partition, found)
    survey = check_silhouettes(store, index, found, options.show)
    valid, alignment = None, None
    if store.has_smpl:
        valid = check_truth(store, index, found, options.show)
        alignment = _alignment(store, index, found, options)
    return StoreReport(
        path=str(path),
        hash=store.hash,
        size=store.size,
        bits=store.bits,
        groups=groups,
        protocol=protocol.name if protocol else "",
        figures=_figures(survey),
        valid=valid,
        alignment=alignment,
        findings=found.listed(),
        survey=survey,
    )


def _rules(
    store: Store, options: CheckOptions, found: Findings
) -> tuple[Partition | None, EvaluationProtocol | None]:
    """The lists and the rules: those given, else the store's own."""
    partition = None
    if options.partition is not None:
        partition = Partition.read(options.partition)
    elif store.partition is not None:
        try:
            partition = Partition.of(store.partition, "partition.json")
        except DataError as error:
            found.error("protocol", error)
    if options.protocol is not None:
        return partition, get_protocol(options.protocol)
    name = store.meta.get("protocol")
    if name is None and partition is not None:
        name = "gait3d" if partition.probes else "walkers"
    if name is not None and name not in PROTOCOLS:
        found.add("protocol", f"meta.json names {name}, which is unknown")
    return partition, PROTOCOLS.get(name) if name else None


def _alignment(store: Store, index: Index, found: Findings, options: CheckOptions) -> Alignment | None:
    if not options.frames:
        return None
    body = BodyModel.load(options.body)
    source = store.meta.get("source")
    of = source.get("body") if isinstance(source, dict) else None
    if isinstance(of, str) and of != body.hash:
        found.add("body", f"truth is of body {of}, compared with {body.hash}")
        return None
    return check_alignment(store, index, found, body, options.frames, options.iou, options.seed, options.show)


def _figures(survey: SilhouetteCounts) -> dict[str, list[int]] | None:
    if not survey.heights.any():
        return None
    histograms = {"height": survey.heights, "width": survey.widths, "mass": survey.masses}
    return {
        name: [int(np.searchsorted(np.cumsum(counts), share * counts.sum())) for share in QUANTILES]
        for name, counts in histograms.items()
    }
