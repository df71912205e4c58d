"""The ordered pool: order, how far it runs ahead, errors, and that no worker outlives its parent."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from meshgait.errors import ConfigError, DataError, OutputError
from meshgait.parallel import AHEAD, map_in_order


@pytest.mark.slow
def test_workers_end_with_their_parent(tmp_path):
    script = (
        "import os, time\n"
        "from functools import partial\n"
        "from meshgait.parallel import map_in_order\n"
        "def pid(n): return os.getpid()\n"
        "pool = map_in_order(partial, (pid,), iter(range(10**9)), 2)\n"
        "print(next(pool), flush=True); time.sleep(60)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, cwd=tmp_path)
    worker = int(process.stdout.readline())
    process.kill()
    process.wait()
    for _ in range(50):
        if not _alive(worker):
            break
        time.sleep(0.1)
    assert not _alive(worker)


def _alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_results_come_in_order_and_jobs_are_drawn_as_needed():
    drawn = []

    def jobs():
        for n in range(1000):
            drawn.append(n)
            yield n

    for workers in (1, 3):
        drawn.clear()
        results = map_in_order(_squares, (10,), jobs(), workers)
        assert [next(results) for _ in range(5)] == [10 + n * n for n in range(5)]
        assert len(drawn) <= 5 + AHEAD * workers
        results.close()


def _squares(plus):
    return lambda n: plus + n * n


@pytest.mark.parametrize("workers", [1, 2])
def test_errors_of_a_job_come_at_its_turn(workers):
    results = map_in_order(_failing, (), range(5), workers)
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(DataError, match="job 2"):
        next(results)


def _failing():
    def work(n):
        if n == 2:
            raise DataError("job 2")
        return n

    return work


def test_a_killed_worker_is_an_error_that_says_so():
    with pytest.raises(OutputError, match="fewer --workers"):
        list(map_in_order(_dying, (), range(3), 2))


def _dying():
    return lambda n: os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize("workers", [0, 257])
def test_workers_out_of_range(workers):
    with pytest.raises(ConfigError, match="--workers"):
        next(map_in_order(_squares, (0,), [1], workers))
