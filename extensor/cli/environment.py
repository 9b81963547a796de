"""The threads of a command, set before NumPy loads: by starting the process anew, once.

Libraries read these variables when they are loaded, which importing this file has already done.
BLAS threads that spin starve Numba's on few cores, so BLAS gets one thread and Numba the machine.
"""

import os
import sys
from collections.abc import Mapping, Sequence

from extensor.errors import FormatError

SINGLE = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
"""One thread for the matrix products of NumPy."""
KEEPS_MEMORY = {
    "MALLOC_MMAP_THRESHOLD_": str(1 << 25),
    "MALLOC_TRIM_THRESHOLD_": str(1 << 30),
    "MALLOC_TOP_PAD_": str(1 << 26),
}
"""For glibc: keep what is freed. Every step makes the same arrays again, and giving their pages
back and having them cleared anew took a seventh of a LeNet step."""
GUARD = "EXTENSOR_STARTED_ANEW"
"""Set for the new process, which must not do it again whatever it finds."""


def threads_asked(words: Sequence[str]) -> int | None:
    """The number after ``--threads``, None without; `FormatError` for what is no thread count.

    >>> threads_asked(["train", "lenet", "--threads", "4"]), threads_asked(["train"])
    (4, None)
    """
    found = None
    for word, after in zip(words, [*words[1:], ""], strict=True):
        if word == "--threads" or word.startswith("--threads="):
            found = after if word == "--threads" else word.partition("=")[2]
    if found is None:
        return None
    if not found.isdecimal() or not 1 <= int(found) <= 1024:
        raise FormatError(f"--threads {found}: allowed: a number from 1 to 1024")
    return int(found)


def wanted(words: Sequence[str], environment: Mapping[str, str]) -> dict[str, str]:
    """The variables that are to be set; what the user has set stays, unless an option says else.

    >>> wanted(["train", "--threads", "2"], {"OPENBLAS_NUM_THREADS": "8"})["NUMBA_NUM_THREADS"]
    '2'
    """
    threads = threads_asked(words)
    values = {"OMP_WAIT_POLICY": "passive", "NUMBA_NUM_THREADS": str(os.cpu_count() or 1)}
    values |= dict.fromkeys(SINGLE, "1") | KEEPS_MEMORY
    kept = {name: environment[name] for name in values if name in environment}
    if threads is not None:
        kept["NUMBA_NUM_THREADS"] = str(threads)
    if "--deterministic" in words:
        kept |= dict.fromkeys(SINGLE, "1")
    return values | kept


def prepare(words: Sequence[str]) -> None:
    """Go on in a process with the wanted environment; returns where this one has it already."""
    values = wanted(words, os.environ)
    again = os.environ.pop(GUARD, None) is None
    if again and os.name == "posix" and any(os.environ.get(k) != v for k, v in values.items()):
        os.environ |= {**values, GUARD: "1"}
        sys.stdout.flush()
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
