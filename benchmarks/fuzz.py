"""Changes files of every format that is read at random, and reads them: what a stranger's file may do to a user.

    python benchmarks/fuzz.py [--times 1000] [--seed 0] [--only NAME ...]

For each format a small valid file is made and changed in seeded ways: bytes and numbers set to extremes, parts cut
out, doubled or put elsewhere, text nested deeply, keys and types changed. Each is then read as a user's file is.
Reading must end well or with an error of ours in one line, within ten processor seconds, without 500 MB more
memory, without running anything of the file and without printing control characters. A line is printed for each
format; the exit status is 1 if anything else happened, and the file that did it is kept beside the report.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import io
import json
import multiprocessing
import os
import pickle
import re
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

SECONDS, MEGABYTES = 10, 500
WAITING = 120
"""Seconds by the clock at most: processor seconds, which other load does not move, do not see who waits."""
RUNS = (
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "os.startfile",
    "subprocess.Popen",
    "pty.spawn",
    "socket.connect",
)
"""Audit events of what no reading does."""


class Format(NamedTuple):
    """A kind of file.

    Attributes:
        name: of the kind.
        make: writes what a valid file needs into a folder; returns the file that is to be changed.
        read: reads that file as a user's.
        text: whether it is text.
    """

    name: str
    make: Callable[[Path], Path]
    read: Callable[[Path], object]
    text: bool = False


class Outcome(NamedTuple):
    """What came of one format: files read, refused, worst seconds, megabytes at most, what went wrong."""

    name: str
    read: int
    refused: int
    seconds: float
    megabytes: float
    wrong: list[str]


def mutate(content: bytes, rng: np.random.Generator, text: bool) -> bytes:
    """The content, changed in one to four places."""
    ways = [_bytes, _number, _cut, _double, _swap, *([_nest, _word, _line] * 2 if text else [_bytes, _number])]
    for _ in range(rng.integers(1, 5)):
        if not content:
            break
        content = ways[rng.integers(len(ways))](content, rng)
    return content


def repair(content: bytes, whole: bytes, rng: np.random.Generator, text: bool) -> bytes:
    """A change of what an archive or a PNG holds, whose checksums are right again; else `mutate`."""
    if whole.startswith(b"PK"):
        changed = io.BytesIO()
        with zipfile.ZipFile(io.BytesIO(whole)) as old, zipfile.ZipFile(changed, "w", zipfile.ZIP_DEFLATED) as new:
            names = old.namelist()
            chosen = names[rng.integers(len(names))]
            for name in names:
                data = old.read(name)
                head = data[:128] if rng.random() < 0.7 else data  # most of what may be wrong is in its header
                new.writestr(name, mutate(head, rng, text) + data[len(head) :] if name == chosen else data)
        return changed.getvalue()
    if whole.startswith(b"\x89PNG"):
        changed, place = bytearray(content), 8
        while place + 12 <= len(changed):
            end = place + 8 + int.from_bytes(changed[place : place + 4], "big")
            changed[end : end + 4] = zlib.crc32(changed[place + 4 : end]).to_bytes(4, "big")
            place = end + 4
        return bytes(changed)
    return content


def _place(content: bytes, rng: np.random.Generator) -> tuple[int, int]:
    start = int(rng.integers(len(content)))
    return start, min(len(content), start + int(2 ** rng.uniform(0, np.log2(len(content) + 1))))


def _bytes(content: bytes, rng: np.random.Generator) -> bytes:
    changed = bytearray(content)
    for place in rng.integers(0, len(content), rng.integers(1, 9)):
        changed[place] = rng.choice([0, 1, 127, 128, 255, rng.integers(256)])
    return bytes(changed)


def _number(content: bytes, rng: np.random.Generator) -> bytes:
    size = int(rng.choice([2, 4, 8]))
    value = int(rng.choice([0, 1, 2 ** (8 * size - 1) - 1, -1, 2**24 % 2 ** (8 * size - 1)]))
    start = int(rng.integers(max(1, len(content) - size)))
    packed = value.to_bytes(size, rng.choice(["little", "big"]), signed=True)
    return content[:start] + packed + content[start + size :]


def _cut(content: bytes, rng: np.random.Generator) -> bytes:
    start, end = _place(content, rng)
    return content[:start] + (b"" if rng.random() < 0.5 else content[end:])


def _double(content: bytes, rng: np.random.Generator) -> bytes:
    start, end = _place(content, rng)
    return content[:end] + content[start:end] * int(rng.integers(1, 4)) + content[end:]


def _swap(content: bytes, rng: np.random.Generator) -> bytes:
    start, end = _place(content, rng)
    place = int(rng.integers(len(content)))
    return content[:place] + content[start:end] + content[place + end - start :]


def _nest(content: bytes, rng: np.random.Generator) -> bytes:
    place, depth = int(rng.integers(len(content))), int(rng.choice([3, 500, 100_000]))
    opening, closing = [(b"[", b"]"), (b'{"a":', b"}"), (b"- ", b""), (b"(", b")")][rng.integers(4)]
    return content[:place] + opening * depth + b"1" + closing * depth * int(rng.integers(2)) + content[place:]


WORDS = (
    b"9" * 400, b"-1", b"1e999", b"NaN", b"null", b"true", b"[]", b"{}", b'""', b"../../x", b"1e-5", b"\xff\xfe",
    b"&a [*a]", b"!!python/object/apply:os.system ['true']", b"\x1b[2J", "\u2028\x85".encode(), b"0", b"=1+1",
    b"\r", b"${oc.env:HOME}", b"0" * 70, b"class_path: os.system", b"\0",
)  # fmt: skip


def _word(content: bytes, rng: np.random.Generator) -> bytes:
    """Another word in the place of one."""
    words = [match.span() for match in re.finditer(rb"[^\s,:{}\[\]]+", content)]
    if not words:
        return content
    start, end = words[rng.integers(len(words))]
    return content[:start] + WORDS[rng.integers(len(WORDS))] + content[end:]


def _line(content: bytes, rng: np.random.Generator) -> bytes:
    """A line left out, doubled, or in another place."""
    lines = content.splitlines(keepends=True)
    line = lines.pop(rng.integers(len(lines)))
    for _ in range(rng.integers(3)):
        lines.insert(rng.integers(len(lines) + 1), line)
    return b"".join(lines)


def walk(count: int = 5, size: tuple[int, int] = (48, 36)) -> np.ndarray:
    """(T, h, w) uint8 of blocks that pass for a walker."""
    frames = np.zeros((count, *size), np.uint8)
    for step, frame in enumerate(frames):
        frame[4:44, 14:22] = 255
        frame[30:44, 12 - step % 3 : 24 + step % 3] = 255
    return frames


def _silhouettes(suffix: str) -> Format:
    from PIL import Image

    from meshgait.data.readers import read_silhouettes

    def make(folder: Path) -> Path:
        frames, path = walk(), folder / f"x.{suffix}"
        pictures = [Image.fromarray(frame) for frame in frames]
        if suffix in ("png", "jpg", "palette.png"):
            for number, picture in enumerate(pictures):
                chosen = picture if suffix != "palette.png" else picture.quantize(2)
                (folder / "f").mkdir(exist_ok=True)
                chosen.save(folder / f"f/{number}.{suffix}")
            return folder / f"f/0.{suffix}"
        if suffix == "gif":
            pictures[0].save(path, save_all=True, append_images=pictures[1:])
        elif suffix == "npy":
            np.save(path, frames)
        elif suffix == "npz":
            np.savez_compressed(path, frames)
        else:
            path.write_bytes(pickle.dumps(frames, 2 if suffix == "old.pkl" else 4))
        return path

    picture = suffix.endswith(("png", "jpg"))
    return Format(f"silhouettes .{suffix}", make, lambda path: read_silhouettes(path.parent if picture else path))


def _command(*words: object) -> None:
    """A verb, as a user types it; errors of ours are raised again."""
    from meshgait.cli import main
    from meshgait.errors import DataError

    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        status = main(list(map(str, words)))
    if re.search(r"[\x00-\x08\x0b-\x1f\x7f\x80-\x9f]", said.getvalue().replace("\x1b[", "").replace("\r", "")):
        raise RuntimeError(f"control characters in {said.getvalue()[:200]!r}")
    if status:
        raise DataError(said.getvalue().strip().splitlines()[-1])


def _store(file: str, text: bool = False) -> Format:
    def make(folder: Path) -> Path:
        from meshgait.data.store import StoreWriter

        rng = np.random.default_rng(0)
        with StoreWriter(folder / "s", smpl=True, source={"made_by": "fuzz"}) as writer:
            for number in range(4):
                frames = np.pad(walk(6, (48, 36)), ((0, 0), (8, 8), (4, 4)))
                smpl = {name: rng.normal(size=(6, width)) for name, width in (("poses", 72), ("betas", 10))}
                smpl |= {"cameras": np.tile([30.0, 22, 32], (6, 1)), "valid": np.ones(6, bool)}
                writer.add(f"s{number}", "nm-01", "000", frames, **smpl)
            writer.finish(
                partition={"TRAIN_SET": ["s0", "s1"], "TEST_SET": ["s2", "s3"]}, extra={"protocol": "walkers"}
            )
        return folder / "s" / file

    return Format(f"store {file}", make, lambda path: _command("check", path.parent), text)


def _run(file: str, text: bool = False) -> Format:
    """Files of a run, as `compare` and `report` read them."""

    def make(folder: Path) -> Path:
        run = folder / "run"
        run.mkdir()
        figures = {"val/rank1_nm": 50.0, "val/rank1": 50.0, "val/map": 40.0, "val/minp": 3.0, "val/mpjpe": 33.0}
        cells = {"nm": {"probe_views": ["0"], "gallery_views": ["0", "9"], "rank1": [[1.0, 2.5]]}}
        metrics = {
            "figures": figures, "cells": cells, "stage": "RecogniseStage", "uses_3d": True, "protocol": "walkers",
            "seed": 0, "step": 5, "seconds": 9.5, "data": {"path": "d", "hash": "a"}, "machine": "a machine",
            "errors": {}, "precision": "32-true", "version": "0.1.0", "git": None, "devices": 1,
        }  # fmt: skip
        (run / "metrics.json").write_text(json.dumps(metrics, indent=1))
        rows = [{"step": step, "train/loss": 1 / (step + 1), "val/rank1": 9.0 * step} for step in range(4)]
        (run / "history.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        (run / "config.yaml").write_text(
            "seed_everything: 0\ntrainer:\n  max_epochs: 8\nmodel:\n"
            "  class_path: meshgait.stages.recognise.RecogniseStage\n  init_args:\n    optimizer: {lr: 0.1}\n"
            "data:\n  init_args:\n    store: d\n"
        )
        rng = np.random.default_rng(0)
        vertices = rng.normal(size=(2, 2, 4, 3)).astype("f4")
        faces, names = np.array([[0, 1, 2], [1, 2, 3]]), np.array(["a", "b"])
        meshes = {"vertices": vertices[0], "true_vertices": vertices[1], "faces": faces, "names": names}
        np.savez(run / "mesh.npz", **meshes, silhouettes=np.zeros((2, 64, 44), np.uint8))
        _record().write(run / "evaluation.npz")
        return run / file

    def read(path: Path) -> None:
        from meshgait.report.folder import read_run

        if path.name == "metrics.json":
            _command("compare", path.parent)
        read_run(path.parent)

    return Format(f"run {file}", make, read, text)


def _record() -> object:
    from meshgait.evaluation.record import EvaluationRecord

    rng, rows = np.random.default_rng(0), np.arange(8)
    return EvaluationRecord(
        rng.normal(size=(8, 2, 4)), rows % 4, rows % 2, np.array(["nm"] * 8), rows, rows < 4, {"nm": rows >= 4},
        ("a", "b", "c", "d"), ("0", "9"), "none", "views", "walkers",
    )  # fmt: skip


def _arrays(name: str, arrays: Callable[[], dict[str, np.ndarray]], read: Callable[[Path], object]) -> Format:
    def make(folder: Path) -> Path:
        np.savez_compressed(folder / "x.npz", **arrays())
        return folder / "x.npz"

    return Format(name, make, read)


def _embeddings() -> dict[str, np.ndarray]:
    walks = [(number, view) for number in range(4) for view in ("000", "090")]
    names = [(f"{person:03d}", f"nm-0{1 + number}", view) for person in range(1, 5) for number, view in walks]
    labels, types, views = (np.array(column) for column in zip(*names, strict=True))
    vectors = np.random.default_rng(0).normal(size=(32, 6)).astype("f4")
    return {"embeddings": vectors, "labels": labels, "types": types, "views": views}


def _scored(name: str, content: str, *words: str) -> Format:
    """A list beside embeddings."""

    def make(folder: Path) -> Path:
        np.savez(folder / "e.npz", **_embeddings())
        (folder / name).write_text(content)
        return folder / name

    def read(path: Path) -> None:
        _command("evaluate", path.parent / "e.npz", *[path if word == "FILE" else word for word in words])

    return Format(f"score {name}", make, read, True)


def _pickled_body(protocol: int) -> Format:
    def make(folder: Path) -> Path:
        from scipy import sparse

        from meshgait.body.smpl import BodyModel

        arrays = dict(BodyModel.load(None).arrays)
        keep = slice(0, 60)  # of its vertices: a small file is changed where it matters
        arrays = {
            "v_template": arrays["v_template"][keep], "shapedirs": arrays["shapedirs"][keep],
            "J_regressor": sparse.csc_matrix(arrays["J_regressor"][:, keep]), "weights": arrays["weights"][keep],
            "kintree_table": arrays["kintree_table"], "f": arrays["f"][:9] % 60, "bs_style": "lbs",
        }  # fmt: skip
        (folder / "x.pkl").write_bytes(pickle.dumps(arrays, protocol))
        return folder / "x.pkl"

    return Format(f"body .pkl, protocol {protocol}", make, _read_body)


def _read_body(path: Path) -> object:
    from meshgait.body.files import check_arrays, read_arrays

    return check_arrays(read_arrays(path), str(path))


def _body_arrays() -> dict[str, np.ndarray]:
    from meshgait.body.smpl import BodyModel

    return {name: array for name, array in BodyModel.load(None).arrays.items() if array.size}


def _marker_file(folder: Path) -> Path:
    from meshgait.body.markers import Markers

    Markers.default().save(folder / "x.npz")
    return folder / "x.npz"


def _load_markers(path: Path) -> object:
    from meshgait.body.markers import Markers

    return Markers.load(path)


def _usf(folder: Path) -> Path:
    rng = np.random.default_rng(0)
    for name in ("Gal", "PrbA"):
        content = {"sil": rng.integers(0, 2, (3, 10, 32, 22), dtype=np.uint8), "label": np.array([1, 2, 2])}
        np.savez_compressed(folder / f"{name}.npz", **content)
    return folder / "PrbA.npz"


def _read_usf(path: Path) -> object:
    from meshgait.data.usf import read_usf

    return read_usf(path.parent)


def _recording() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {
        "poses": rng.normal(size=(9, 156)),
        "trans": rng.normal(size=(9, 3)),
        "mocap_framerate": np.array(60.0),
    }


def _read_recording(path: Path) -> object:
    from meshgait.synthetic.recordings import read_recording

    return read_recording(path)


def _fits() -> dict[str, np.ndarray]:
    return {"smpl_thetas": np.zeros((6, 72)), "smpl_betas": np.zeros((6, 10)), "cam": np.ones((6, 3))}


def _read_fits(path: Path) -> object:
    from meshgait.data.fits import read_fits

    return read_fits(path, "romp")


def _pickled_fits(folder: Path) -> Path:
    (folder / "x.pkl").write_bytes(pickle.dumps(_fits()))
    return folder / "x.pkl"


EXPERIMENTS = Path(__file__).parents[1] / "experiments"


def _experiment(name: str, file: str, read: Callable[[Path], object]) -> Format:
    def make(folder: Path) -> Path:
        os.chdir(folder)  # a sweep names its experiments from where it is run
        return shutil.copytree(EXPERIMENTS, folder / "experiments") / file

    return Format(name, make, read, True)


def _read_sweep(path: Path) -> object:
    from meshgait.sweeps.schema import read_sweep

    return read_sweep(path)


def _build(path: Path) -> object:
    from meshgait.configured import build_stage

    return build_stage([path], [], 4)


def _tiny_stage() -> object:
    from meshgait.models.size import NetworkSize
    from meshgait.stages.recognise import RecogniseStage

    size = dataclasses.replace(
        NetworkSize(), channels=(4, 8, 8, 8), strides=(2, 1, 2, 1, 1), volume_depth=4, volume_stride=4,
        lifter_channels=8, lifter_hidden=16, reader_channels=8, embedding=8,
    )  # fmt: skip
    return RecogniseStage(size, 3)


def _model(file: str, text: bool = False) -> Format:
    def make(folder: Path) -> Path:
        from meshgait.stages.weights import write_model

        stage = _tiny_stage()
        (folder / "m").mkdir()
        write_model(folder / "m", type(stage).__name__, stage.settings, stage.state_dict())
        return folder / "m" / file

    return Format(f"model {file}", make, lambda path: _load(path.parent), text)


def _checkpoint(folder: Path) -> Path:
    import torch

    stage = _tiny_stage()
    content = {"state_dict": stage.state_dict(), "global_step": 3, "pytorch-lightning_version": "2.6.6"}
    stage.on_save_checkpoint(content)
    torch.save(content, folder / "x.ckpt")
    return folder / "x.ckpt"


def _load(path: Path) -> object:
    from meshgait.stages.recognise import RecogniseStage

    return RecogniseStage.load(path)


ROLES = "subject,condition,view,role\n" + "".join(
    f"{person},{walk},{view},{'gallery' if walk < 'nm-03' else 'probe:a'}\n"
    for person, walk, view in zip(*(_embeddings()[name] for name in ("labels", "types", "views")), strict=True)
)
PARTITION = json.dumps({"TRAIN_SET": ["001", "002"], "TEST_SET": ["003", "004"]}, indent=1)


def formats() -> list[Format]:
    """Everything that is read."""
    return [
        *(_silhouettes(suffix) for suffix in ("png", "palette.png", "jpg", "gif", "npy", "npz", "pkl", "old.pkl")),
        *(_store(file, True) for file in ("meta.json", "sequences.csv", "partition.json")),
        *(_store(file) for file in ("silhouettes.npy", "poses.npy")),
        *(_run(file, True) for file in ("metrics.json", "history.jsonl", "config.yaml")),
        *(_run(file) for file in ("mesh.npz", "evaluation.npz")),
        _arrays("embeddings", _embeddings, lambda path: _command("evaluate", path, "--protocol", "walkers")),
        _scored("roles.csv", ROLES, "--protocol", "csv", "--csv", "FILE"),
        _scored("partition.json", PARTITION, "--protocol", "walkers", "--partition", "FILE"),
        _arrays("fits .npz", _fits, _read_fits),
        Format("fits .pkl", _pickled_fits, _read_fits),
        _arrays("recording of AMASS", _recording, _read_recording),
        Format("USF", _usf, _read_usf),
        _arrays("body .npz", _body_arrays, _read_body),
        *(_pickled_body(protocol) for protocol in (0, 2, 4)),
        Format("markers", _marker_file, _load_markers),
        _experiment("sweep", "sweeps/pretrain.yaml", _read_sweep),
        _experiment("experiment", "finetune/small.yaml", _build),
        _model("model.yaml", True),
        _model("model.safetensors"),
        Format("checkpoint", _checkpoint, _load),
    ]


def fuzz(format: Format, times: int, seed: int, kept: Path) -> Outcome:
    """Read so many changed files of a format, in this process."""
    from meshgait.errors import MeshGaitError

    rng, wrong, running = np.random.default_rng(seed), [], False
    read = refused = 0
    worst = most = 0.0

    def audit(event: str, _: tuple) -> None:
        if running and event in RUNS:
            raise RuntimeError(f"the file made it call {event}")

    def late(*_: object) -> None:
        raise TimeoutError

    sys.addaudithook(audit)
    for alarm in (signal.SIGALRM, signal.SIGPROF):
        signal.signal(alarm, late)
    with tempfile.TemporaryDirectory() as folder:
        path = format.make(Path(folder))
        whole = path.read_bytes()
        format.read(path)  # what is valid is read, and all that is needed is loaded
        for number in range(times):
            content = mutate(whole, rng, format.text)
            if rng.random() < 0.6:  # else hardly anything would get past the checksums
                content = repair(content, whole, rng, format.text)
            path.write_bytes(content)
            before, begun, running = _megabytes(), time.process_time(), True
            problem = ""
            signal.alarm(WAITING)
            signal.setitimer(signal.ITIMER_PROF, SECONDS)
            try:
                format.read(path)
                read += 1
            except MeshGaitError as error:
                refused += 1
                if "\n" in str(error).strip():
                    problem = "an error of several lines"
            except TimeoutError:
                problem = f"longer than {SECONDS} s"
            except BaseException as error:
                problem = "".join(traceback.format_exception(error)).strip()[-1500:]
            finally:
                signal.alarm(0)
                signal.setitimer(signal.ITIMER_PROF, 0)
                running = False
            worst, grown = max(worst, time.process_time() - begun), _megabytes() - before
            most = max(most, grown)
            if grown > MEGABYTES:
                problem = problem or f"{grown:.0f} MB"
            if problem:
                kept.mkdir(parents=True, exist_ok=True)
                name = f"{re.sub(r'[^a-z]+', '-', format.name)}-{seed}-{number}{path.suffix}"
                (kept / name).write_bytes(content)
                wrong.append(f"{kept / name}: {problem}")
    return Outcome(format.name, read, refused, worst, most, wrong)


def _megabytes() -> float:
    """Most memory that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10)


def _child(name: str, times: int, seed: int, kept: Path, sender: multiprocessing.connection.Connection) -> None:
    chosen = next(one for one in formats() if one.name == name)
    sender.send(fuzz(chosen, times, seed, kept))


def main() -> int:
    """Fuzz all formats, each in a process of its own, and say what came of it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--times", type=int, default=1000, help="changed files of each format")
    parser.add_argument("--seed", type=int, default=0, help="of the changes")
    parser.add_argument("--only", nargs="*", default=[], help="formats whose names contain one of these")
    parser.add_argument("--keep", type=Path, default=Path("runs/fuzz"), help="folder for files that did harm")
    arguments = parser.parse_args()
    failed = 0
    print(f"{'format':28} {'read':>6} {'refused':>8} {'worst s':>8} {'most MB':>8}")
    for name in [one.name for one in formats()]:
        if arguments.only and not any(part in name for part in arguments.only):
            continue
        receiver, sender = multiprocessing.Pipe(duplex=False)
        words = (name, arguments.times, arguments.seed, arguments.keep, sender)
        process = multiprocessing.get_context("fork").Process(target=_child, args=words)
        process.start()
        sender.close()
        try:
            outcome = receiver.recv()
        except EOFError:
            process.join()
            outcome = Outcome(name, 0, 0, 0, 0, [f"the process ended with status {process.exitcode}"])
        process.join()
        print(
            f"{name:28} {outcome.read:6d} {outcome.refused:8d} {outcome.seconds:8.2f} {outcome.megabytes:8.0f}",
            flush=True,
        )
        for text in outcome.wrong[:3]:
            print(f"  WRONG {text}")
        failed += len(outcome.wrong)
    print("nothing went wrong" if not failed else f"{failed} files went wrong")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
