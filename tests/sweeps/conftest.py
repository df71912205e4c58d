"""Sweeps whose trials are small programs that end in a moment."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import yaml

from meshgait.sweeps.schema import read_sweep

PROGRAM = Path(__file__).parent / "program.py"
WORKER = Path(__file__).parent / "worker.py"


@pytest.fixture
def content(tmp_path):
    """Content of a sweep file that is right."""
    (tmp_path / "base.yaml").write_text("trainer: {max_epochs: 3}\n")
    return {
        "name": "small",
        "program": "meshgait",
        "command": ["${env}", "${program}", "trial", str(tmp_path / "base.yaml"), "${args}"],
        "method": "random",
        "metric": {"name": "val/x", "goal": "minimize"},
        "run_cap": 6,
        "parameters": {"x": {"min": -1.0, "max": 1.0}, "k": {"values": ["a", "b"]}, "seconds": {"value": 0}},
    }


@pytest.fixture
def write(tmp_path):
    """Path of a sweep file with this content."""

    def written(content):
        path = tmp_path / "sweep.yaml"
        path.write_text(yaml.safe_dump(content, sort_keys=False))
        return path

    return written


@pytest.fixture
def read(write):
    """The sweep of this content."""
    return lambda content: read_sweep(write(content))


@pytest.fixture
def worker():
    """Start a process that runs a sweep file with the small program."""
    started = []

    def start(file, url, folder, *more):
        line = [sys.executable, str(WORKER), str(file), url, str(folder), *map(str, more)]
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        started.append(subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


@pytest.fixture(scope="session")
def postgres():
    """URL of a Postgres server of our own, on a socket in a folder."""
    pytest.importorskip("psycopg", reason="the driver psycopg is not installed")
    programs = {name: shutil.which(name) for name in ("initdb", "postgres")}
    if not all(programs.values()):
        pytest.skip("no Postgres server is installed (initdb, postgres)")
    # a folder of its own: the names of sockets must be short, and pytest's folders are closed to other users
    folder, own = Path(tempfile.mkdtemp(prefix="meshgait-")), {}
    if os.getuid() == 0:  # as which the server refuses to run
        own = {"user": "nobody"}
        shutil.chown(folder, "nobody")
    data, quiet = folder / "data", {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    line = [programs["initdb"], "-D", data, "-U", "tester", "-A", "trust", "-N", "-E", "UTF8", "--locale=C"]
    subprocess.run(line, check=True, cwd=folder, **own, **quiet)
    options = ["-c", "listen_addresses=", "-c", "fsync=off", "-c", "shared_buffers=8MB", "-k", str(folder)]
    server = subprocess.Popen([programs["postgres"], "-D", data, *options], cwd=folder, **own, **quiet)
    yield f"postgresql+psycopg://tester@/postgres?host={folder}"
    server.terminate()
    server.wait(30)
    shutil.rmtree(folder)
