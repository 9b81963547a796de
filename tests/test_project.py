"""Facts about the files around the code: the locks, the links, and what no file may contain."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.shared import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
EXTRAS = PROJECT["project"]["optional-dependencies"]
LOCKS = {"train": ("data", "plot"), "requirements": ("dev",)}
LINKS = ("optim", "data", "models")


def wanted(extras: tuple[str, ...]) -> list[Requirement]:
    """What the project and these extras of it ask for, extras of extras opened."""
    found = [Requirement(line) for line in PROJECT["project"]["dependencies"]]
    for extra in extras:
        for line in EXTRAS[extra]:
            requirement = Requirement(line)
            own = requirement.name == PROJECT["project"]["name"]
            found += wanted(tuple(requirement.extras)) if own else [requirement]
    return found


@pytest.mark.parametrize(("lock", "extras"), LOCKS.items())
def test_a_lock_holds_what_the_project_asks_for(lock: str, extras: tuple[str, ...]) -> None:
    text = (ROOT / "ci" / f"{lock}.lock").read_text(encoding="utf-8")
    pins: dict[str, list[Version]] = {}
    for name, version in re.findall(r"^([\w.-]+)==([\w.]+)", text, re.MULTILINE):
        pins.setdefault(canonicalize_name(name), []).append(Version(version))
    assert "setuptools" in pins, "an install without build isolation needs its build backend"
    for requirement in wanted(extras):
        versions = pins.get(canonicalize_name(requirement.name), [])
        assert versions, f"{requirement.name} is not in ci/{lock}.lock: run `make lock`"
        assert all(version in requirement.specifier for version in versions), requirement
    entries = re.findall(
        r"^[\w.-]+==[^\\\n]+(\\\n +--hash=sha256:[0-9a-f]{64}.*)?", text, re.MULTILINE
    )
    assert all(entries), "an entry without a hash"


def tracked() -> list[Path]:
    """The files of the repository; skips outside of one."""
    command = [
        "git",
        "-C",
        str(ROOT),
        "ls-files",
        "-z",
        "--cached",
        "--others",
        "--exclude-standard",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in done.stdout.split("\0") if name]


def test_no_file_names_a_machine_or_an_index() -> None:
    hosts = ("p" + "ypi.", "python" + "hosted")
    places = re.compile("(?<![.\\w])/(" + "|".join(("ro" + "ot", "ho" + "me", "wo" + "rk")) + ")/")
    for path in tracked():
        if path.is_symlink() or not path.is_file():
            continue
        text = path.read_text(encoding="utf-8", errors="replace")
        assert not any(host in text for host in hosts), path
        assert not places.search(text), path


@pytest.mark.parametrize("name", LINKS)
def test_the_package_links_its_root_folders(name: str) -> None:
    link = ROOT / "extensor" / name
    assert link.is_symlink() and link.readlink() == Path("..") / name
