import multiprocessing
import os
import signal
import subprocess
import sys
import time

import pytest

from meshgait.errors import OutputError
from meshgait.lock import held, hold

pytest.importorskip("fcntl")
HOLDER = "import sys, time; from pathlib import Path; from meshgait.lock import hold\n"
HOLDER += "handles = hold(Path(sys.argv[1])); print('held', flush=True); time.sleep(60)"


def test_a_second_training_is_refused_and_a_killed_one_does_not_block(tmp_path):
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, tmp_path], stdout=subprocess.PIPE, text=True)
    assert holder.stdout.readline() == "held\n"
    try:
        with pytest.raises(OutputError, match="in use by another training"):
            hold(tmp_path, patience=0.2)
    finally:
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        holder.stdout.close()
    handles = hold(tmp_path, patience=5)
    with held(handles):
        assert handles
    assert handles == [] and list(tmp_path.iterdir()) == []


def test_processes_that_load_data_do_not_keep_it(tmp_path):
    handles = hold(tmp_path)
    worker = multiprocessing.get_context("fork").Process(target=time.sleep, args=(20,))
    worker.start()
    try:
        os.close(handles.pop())  # as if the training alone had been killed
        os.close(hold(tmp_path, patience=2)[0])
    finally:
        worker.kill()
        worker.join()


def test_one_folder_after_another(tmp_path):
    for _ in range(2):
        with held(hold(tmp_path, patience=0)):
            pass
