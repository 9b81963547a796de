"""``extensor`` alone: what works on this machine, and what each missing extra would add."""

import importlib.util
import os
import platform
import re
from collections.abc import Sequence
from importlib import metadata

from extensor.backend import DEVICES, check_device
from extensor.cli.text import say
from extensor.errors import ExtensorError
from extensor.formats import DTYPES
from extensor.ops import OPS

EXTRAS = {
    "data": "the digits that train without a download, image files",
    "plot": "curves.png after training and comparing",
    "interop": "the safetensors library, to check our own reader against",
    "mpi": "training over several processes",
    "cuda": "CuPy and the CUDA compiler of Numba",
}
"""What each extra adds."""
MODULES = {"scikit-learn": "sklearn", "pillow": "PIL"}
"""Distributions whose module has another name."""


def missing() -> dict[str, list[str]]:
    """For each extra the packages that are not here; by the installed project's own metadata."""
    try:
        lines = metadata.requires("extensor") or []
    except metadata.PackageNotFoundError:
        lines = []
    found: dict[str, list[str]] = {}
    for line in lines:
        name, extra = re.match(r"[\w.-]+", line), re.search(r"extra == ['\"]([\w-]+)", line)
        if name and extra and extra[1] in EXTRAS and "; python" not in line:
            lacking = found.setdefault(extra[1], [])
            if not _present(name[0]):
                lacking.append(name[0])
    return found


def _present(name: str) -> bool:
    if importlib.util.find_spec(MODULES.get(name, name).replace("-", "_")) is not None:
        return True
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def run(words: Sequence[str]) -> int:
    """Print one screen."""
    from extensor import __version__

    versions = " ".join(f"{name} {metadata.version(name)}" for name in ("numpy", "numba"))
    kernels = sum(len(rows) for op in OPS.values() for rows in op.kernels.values())
    lines = [f"extensor {__version__}  python {platform.python_version()}  {versions}", ""]
    lines += [f"{'devices':9} {_device(name)}" for name in DEVICES]
    for kind in ("native", "coded", "blocked"):
        names = ", ".join(fmt.name for fmt in DTYPES if fmt.kind == kind)
        lines.append(f"{kind:9} {names}")
    lines += [f"{'ops':9} {len(OPS)}, with {kernels} kernels for packed formats and fast paths", ""]
    for extra, lacking in missing().items():
        state = f"missing: pip install 'extensor[{extra}]'" if lacking else "installed"
        lines.append(f"{extra:9} {EXTRAS[extra]}; {state}")
    lines += ["", "try       extensor train lenet --recipe nvfp4-grad", "          extensor --help"]
    say("\n".join(lines), False)
    return 0


def _device(name: str) -> str:
    try:
        check_device(name)
    except ExtensorError as error:
        return f"{name}: no, {str(error).partition(': ')[2].partition(';')[0]}"
    return f"{name}: yes, {os.cpu_count()} threads ({platform.machine()})"
