import multiprocessing
import signal
import subprocess
import sys
import time

import pytest

from meshgait.errors import OutputError
from meshgait.lock import lock_folder, unlock_folder

HOLDER = """
import multiprocessing, sys, time
from pathlib import Path
from meshgait.errors import OutputError
from meshgait.lock import lock_folder
lock = lock_folder(Path(sys.argv[1]), OutputError('in use'))
if len(sys.argv) > 2:  # a process that loads data
    multiprocessing.get_context('fork').Process(target=time.sleep, args=(20,)).start()
print('held', flush=True)
time.sleep(60)
"""
IN_USE = OutputError("in use")


@pytest.mark.parametrize("workers", [[], ["one"]], ids=["alone", "with a worker"])
def test_a_second_process_is_refused_and_a_killed_one_does_not_block(tmp_path, workers):
    line = [sys.executable, "-c", HOLDER, tmp_path, *workers]
    holder = subprocess.Popen(line, stdout=subprocess.PIPE, text=True, start_new_session=True)
    assert holder.stdout.readline() == "held\n"
    try:
        with pytest.raises(OutputError, match="in use"):
            lock_folder(tmp_path, IN_USE, patience=0.2)
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        lock = lock_folder(tmp_path, IN_USE, patience=2)
        assert lock.is_locked
        unlock_folder(lock)
    finally:
        subprocess.run(["kill", "-9", "--", f"-{holder.pid}"], stderr=subprocess.DEVNULL)  # its worker, too
        holder.stdout.close()
    assert list(tmp_path.iterdir()) == []


def test_a_worker_that_is_forked_does_not_keep_it(tmp_path):
    lock = lock_folder(tmp_path, IN_USE)
    worker = multiprocessing.get_context("fork").Process(target=time.sleep, args=(20,))
    worker.start()
    try:
        unlock_folder(lock)
        unlock_folder(lock_folder(tmp_path, IN_USE))
    finally:
        worker.kill()
        worker.join()


def test_one_process_after_another(tmp_path):
    for _ in range(2):
        unlock_folder(lock_folder(tmp_path, IN_USE))
    lock = lock_folder(tmp_path, IN_USE)
    with pytest.raises(OutputError, match="in use"):
        lock_folder(tmp_path, IN_USE)
    unlock_folder(lock)


def test_a_disk_without_locks_is_used_without_them(tmp_path, monkeypatch):
    def none(self):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr("filelock.FileLock.acquire", lambda self: none(self))
    unlock_folder(lock_folder(tmp_path, IN_USE))


def test_a_folder_that_cannot_be_written_is_an_error_of_the_disk(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        lock_folder(tmp_path / "file", IN_USE)
