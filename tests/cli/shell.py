"""A command in a process of its own, as a user runs it."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

SMALL = ["--threads", "2"]
"""Few threads whatever the machine: the tests share its cores."""


def start(words: Sequence[str], **environment: str) -> "subprocess.Popen[str]":
    """The command, running; both streams piped."""
    command = [sys.executable, "-m", "extensor", *words]
    pipe = subprocess.PIPE
    known = {k: v for k, v in os.environ.items() if k != "NUMBA_NUM_THREADS"}
    root = Path(__file__).resolve().parent.parent.parent
    return subprocess.Popen(
        command, stdout=pipe, stderr=pipe, text=True, cwd=root, env=known | environment
    )


def shell(words: Sequence[str], **environment: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of the command."""
    process = start(words, **environment)
    out, err = process.communicate(timeout=300)
    return process.returncode, out, err
