"""A save that is killed, refused or raced leaves the old file or the new one, and no litter."""

import errno
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from extensor.errors import CheckpointError
from extensor.io import atomic, safetensors
from extensor.io.atomic import write_atomic
from extensor.io.raw import RawTensor

KILLS = 200
KILLER = """
import os, signal, sys, time
import numpy as np
from extensor.io.raw import RawTensor
from extensor.io.safetensors import read, write

target, moments, litter = sys.argv[1], np.random.default_rng(0), 0
for kill in range(int(sys.argv[2])):
    seen, saved = os.pipe()
    child = os.fork()
    if child == 0:
        for n in range(10**9):
            write(target, {"a": RawTensor.of(np.full(1 << 15, n))}, {"n": str(n)})
            if n == 0:
                os.write(saved, b"!")
    os.read(seen, 1)
    os.close(seen), os.close(saved)
    time.sleep(moments.uniform(0.0, 0.01))
    os.kill(child, signal.SIGKILL)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    arrays, metadata = read(target)  # checksums included
    assert (arrays["a"].array == int(metadata["n"])).all(), "a mixture"
    stale = len(os.listdir(os.path.dirname(target))) - 1
    assert stale <= 1, "a save removes what its predecessor left"
    litter += stale
print(litter)
"""


def test_a_killed_save_leaves_the_old_file_or_the_new_one(tmp_path: Path) -> None:
    """SIGKILL at random moments of an endless loop of saves, 200 times (R12)."""
    target = tmp_path / "checkpoint.safetensors"
    result = subprocess.run(
        [sys.executable, "-c", KILLER, str(target), str(KILLS)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert int(result.stdout) > 0, "no kill met a save: the test proves nothing"
    write_atomic(target, [b"x"])
    assert os.listdir(tmp_path) == [target.name]


def test_the_order_of_the_calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Write, fsync of the file, rename, fsync of the folder (R13)."""
    calls: list[str] = []
    fsync, replace = os.fsync, os.replace

    def traced_fsync(descriptor: int) -> None:
        is_file = os.path.isfile(f"/proc/self/fd/{descriptor}")
        size = os.fstat(descriptor).st_size
        calls.append(f"fsync file of {size}" if is_file else "fsync folder")
        fsync(descriptor)

    def traced_replace(source: str, target: Path) -> None:
        calls.append("rename")
        replace(source, target)

    monkeypatch.setattr(os, "fsync", traced_fsync)
    monkeypatch.setattr(os, "replace", traced_replace)
    write_atomic(tmp_path / "a", [b"12345", b"678"])
    assert calls == ["fsync file of 8", "rename", "fsync folder"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.EROFS])
@pytest.mark.parametrize("where", ["fsync", "replace", "open"])
def test_a_refused_save_keeps_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, where: str
) -> None:
    target = tmp_path / "a"
    write_atomic(target, [b"old"])

    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, where, refuse)
    with pytest.raises(CheckpointError) as caught:
        write_atomic(target, [b"new", b"er"])
    monkeypatch.undo()
    text = str(caught.value)
    assert str(target) in text and "5 bytes" in text and os.strerror(number) in text
    assert target.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a"]


def test_a_full_disk_in_the_middle_of_the_write(tmp_path: Path) -> None:
    """A real refusal by the kernel: the file size limit stops the write half-way."""
    target = tmp_path / "a"
    write_atomic(target, [b"old"])
    code = (
        "import resource, sys\n"
        "from extensor.errors import CheckpointError\n"
        "from extensor.io.atomic import write_atomic\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "try:\n"
        "    write_atomic(sys.argv[1], [bytes(3000), bytes(3000)])\n"
        "except CheckpointError as error:\n"
        "    print(error)\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code, str(target)], capture_output=True, text=True, check=True
    )
    assert "6,000 bytes" in result.stdout
    assert target.read_bytes() == b"old" and os.listdir(tmp_path) == ["a"]


def test_an_interrupt_removes_the_temporary_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_atomic(tmp_path / "a", [b"new"])
    assert os.listdir(tmp_path) == []


def test_a_missing_folder_and_a_folder_as_target(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="No such file"):
        write_atomic(tmp_path / "no" / "a", [b"x"])
    (tmp_path / "folder").mkdir()
    with pytest.raises(CheckpointError, match="folder"):
        write_atomic(tmp_path / "folder", [b"x"])
    assert os.listdir(tmp_path) == ["folder"]


def test_the_mode_is_kept_and_a_link_is_followed(tmp_path: Path) -> None:
    target, link = tmp_path / "a", tmp_path / "link"
    write_atomic(target, [b"old"])
    umask = os.umask(0)
    os.umask(umask)
    assert target.stat().st_mode & 0o777 == 0o666 & ~umask
    target.chmod(0o640)
    link.symlink_to(target)
    write_atomic(link, [b"new"])
    assert link.is_symlink() and target.read_bytes() == b"new"
    assert target.stat().st_mode & 0o777 == 0o640


def test_only_our_own_litter_is_removed(tmp_path: Path) -> None:
    names = [".a.1.extensor-tmp", ".b.1.extensor-tmp", ".a.1.tmp", "a.extensor-tmp"]
    for name in names:
        (tmp_path / name).touch()
    write_atomic(tmp_path / "a", [b"x"])
    assert sorted(os.listdir(tmp_path)) == sorted([*names[1:], "a"])
    write_atomic(tmp_path / "[a]*", [b"x"])  # the name is no pattern
    assert (tmp_path / ".b.1.extensor-tmp").exists()


def test_a_living_save_is_not_litter(tmp_path: Path) -> None:
    with atomic._temporary(tmp_path / "a") as (_, name):
        assert atomic.remove_stale(tmp_path / "a") == []
        assert os.path.exists(name)
        os.unlink(name)


def test_saves_of_many_threads_leave_one_whole_file(tmp_path: Path) -> None:
    target = tmp_path / "a"

    def save(value: int) -> None:
        for _ in range(10):
            array = np.full(5000, value, np.int32)
            safetensors.write(target, {"a": RawTensor.of(array)}, {"n": str(value)})

    threads = [threading.Thread(target=save, args=(value,)) for value in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    arrays, metadata = safetensors.read(target)
    assert (arrays["a"].array == int(metadata["n"])).all()
    assert os.listdir(tmp_path) == ["a"]
