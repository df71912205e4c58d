"""The same work in two processes that share gloo: what a launcher does for a training on two devices."""

import socket
import traceback

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp


def in_two_processes(work, *arguments):
    """What ``work(rank, *arguments)`` returns in each (this one is rank 0); an error in one fails the test."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    context = mp.get_context("spawn")
    queue = context.SimpleQueue()
    process = context.Process(target=_second, args=(queue, port, work, arguments))
    process.start()
    try:
        first, error = _take_part(0, port, work, arguments)
        assert not error, error
        second, error = queue.get()
        assert not error, error
    finally:
        process.join(10)
        process.kill()
    return first, second


def _second(queue, *rest):
    torch.set_num_threads(1)
    queue.put(_take_part(1, *rest))


def _take_part(rank, port, work, arguments):
    """(result, "") or (None, traceback)."""
    launched = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "NODE_RANK": 0, "LOCAL_RANK": rank}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in launched.items():
            patch.setenv(name, str(value))
        try:
            return work(rank, *arguments), ""
        except BaseException:
            return None, traceback.format_exc()
        finally:
            if dist.is_initialized():
                dist.destroy_process_group()
