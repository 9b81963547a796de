"""Replace a file in one step: after a crash there is the old file or the new one, never a mixture.

The order is: write a temporary file in the same folder, flush it to the disk (``fsync``), rename it
over the target, flush the folder. A process that is killed in between leaves its temporary file;
the next save of the same target removes it. The writer holds a lock (``flock``) on its temporary
file, so a save can tell the litter of a dead process from the file of a living one.

Source: the order of Pillai et al., "All file systems are not created equal", OSDI 2014, section 5.
"""

import errno
import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from extensor.errors import CheckpointError

try:
    import fcntl
except ImportError:  # Windows: an open file cannot be removed there, which is lock enough
    fcntl = None  # type: ignore[assignment]

Buffer = bytes | bytearray | memoryview
SUFFIX = ".extensor-tmp"
"""How our temporary files end; they begin with a dot and the name of the target."""


def write_atomic(path: str | os.PathLike[str], chunks: Sequence[Buffer]) -> None:
    """Write the chunks, one after the other, as the new content of ``path``.

    path
        The target. A symbolic link is followed: the file that it names is replaced. The mode of an
        existing file is kept, a new file gets the mode that the umask allows.
    chunks
        The bytes. They are not copied.
    Raises ``CheckpointError`` with the path and the number of bytes where the system refuses; the
    old file is then untouched and the temporary file is gone.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_atomic(f"{folder}/a", [b"one ", b"two"])
    ...     print(Path(f"{folder}/a").read_bytes(), os.listdir(folder))
    b'one two' ['a']
    """
    target = Path(os.path.realpath(path))
    size = sum(memoryview(chunk).nbytes for chunk in chunks)
    try:
        remove_stale(target)
        with _temporary(target) as (descriptor, name):
            with open(descriptor, "wb", closefd=False) as file:
                file.writelines(chunks)
            os.fsync(descriptor)
            os.replace(name, target)
        _sync_folder(target.parent)
    except OSError as error:
        raise CheckpointError(
            f"save: cannot write {size:,} bytes to {os.fspath(path)}: {error.strerror or error}; "
            "what was there before is untouched: free some space, or choose a path that is writable"
        ) from error


def remove_stale(target: Path) -> list[Path]:
    """Remove the temporary files that dead writers of ``target`` left; return their paths."""
    removed = []
    for path in target.parent.glob(f".{_escape(target.name)}.*{SUFFIX}"):
        with suppress(OSError), open(path, "rb") as file:
            _lock(file.fileno(), wait=False)  # a BlockingIOError here: its writer is alive
            path.unlink()
            removed.append(path)
    return removed


@contextmanager
def _temporary(target: Path) -> Iterator[tuple[int, str]]:
    """A new locked file beside ``target``; removed again where the block fails."""
    descriptor, name = _create(target)
    try:
        with suppress(FileNotFoundError):
            os.chmod(name, os.stat(target).st_mode & 0o7777)
        yield descriptor, name
    except BaseException:
        with suppress(OSError):
            os.unlink(name)
        raise
    finally:
        os.close(descriptor)


def _create(target: Path) -> tuple[int, str]:
    while True:
        name = str(target.parent / f".{target.name}.{secrets.token_hex(6)}{SUFFIX}")
        flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_BINARY", 0)
        descriptor = os.open(name, flags, 0o666)
        with suppress(OSError):  # a file system without locks: nobody can remove it as stale
            _lock(descriptor, wait=True)
        if os.fstat(descriptor).st_nlink or fcntl is None:
            return descriptor, name
        os.close(descriptor)  # another save took it for litter before it was locked


def _lock(descriptor: int, *, wait: bool) -> None:
    if fcntl is not None:
        fcntl.flock(descriptor, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)


def _sync_folder(folder: Path) -> None:
    """Make the rename itself durable."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some file systems cannot
            raise
    finally:
        os.close(descriptor)


def _escape(name: str) -> str:
    """``name`` as a glob pattern that matches nothing else."""
    return "".join(f"[{c}]" if c in "*?[" else c for c in name)
