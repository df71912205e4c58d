"""Another process that uses a gallery, and may be made to die at a step."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

ROOT = Path(__file__).parents[2]


def run(code, path, wait=True):
    """Run Python ``code`` with ``gallery``, the one at ``path``; `die_after` and `die_before` end it at a call.

    Returns:
        The process, what it printed and its errors, or the process alone if it is not waited for.
    """
    head = """
        import os, sys
        from meshgait.gallery import database, people, qdrant_collection, removal, vectors
        from meshgait.gallery.gallery import Gallery
        from tests.gallery.walkers import LightModel, walk
        gallery = Gallery(sys.argv[1], LightModel())
        def die_after(owner, name):
            original = getattr(owner, name)
            def wrapped(*arguments, **named):
                original(*arguments, **named)
                os._exit(9)
            setattr(owner, name, wrapped)
        def die_before(owner, name):
            setattr(owner, name, lambda *arguments, **named: os._exit(9))
    """
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])}
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(head) + textwrap.dedent(code), str(path)],
        cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    return (process, *process.communicate(timeout=120)) if wait else process
