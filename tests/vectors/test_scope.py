"""Every recorded file is read by one module or excluded by name, and no exclusion is stale."""

from fnmatch import fnmatch

import pytest

from tests.shared import path_of
from tests.vectors import (
    test_decode,
    test_elements,
    test_hadamard,
    test_mx,
    test_nvfp4,
    test_stochastic,
)
from tests.vectors.recorded import EXCLUDED, EXCLUDED_FILES, load

MODULES = [test_decode, test_elements, test_hadamard, test_mx, test_nvfp4, test_stochastic]
READ = [file for module in MODULES for file in module.FILES]


def _on_disk() -> list[str]:
    folder = path_of("vectors")
    if not folder.exists():
        pytest.skip("recorded vectors are absent: set EXTENSOR_SHARED to their folder")
    return [p.relative_to(folder).as_posix() for p in sorted(folder.rglob("*")) if p.is_file()]


def _whole(file: str) -> bool:
    """Whether every key of a file is excluded."""
    return f"{file}:*" in EXCLUDED


def test_every_file_is_read_or_excluded_with_a_reason() -> None:
    """`check_all` and the checks of `load` see to every key of a file that is read."""
    on_disk = set(_on_disk())
    assert len(READ) == len(set(READ)), "a file has two owners"
    excluded = set(EXCLUDED_FILES) | {file for file in on_disk if _whole(file)}
    assert on_disk == (set(READ) | excluded), on_disk ^ (set(READ) | excluded)
    assert not {file for file in READ if file in EXCLUDED_FILES}
    assert all(EXCLUDED.values()) and all(EXCLUDED_FILES.values())


@pytest.mark.parametrize("pattern", EXCLUDED)
def test_no_exclusion_is_stale(pattern: str) -> None:
    files = [f for f in _on_disk() if f.endswith(".npz") and fnmatch(f, pattern.split(":")[0])]
    assert any(fnmatch(f"{file}:{key}", pattern) for file in files for key in load(file))


def test_how_much_is_checked() -> None:
    """The share of keys that are checked only falls when this number is changed on purpose."""
    keys = [f"{f}:{k}" for f in set(READ) for k in load(f)]
    left = [key for key in keys if any(fnmatch(key, pattern) for pattern in EXCLUDED)]
    assert (len(keys), len(left)) == (2873, 377)
