"""The recorded outputs of other implementations, in groups, and proof that each array is read.

A key is ``case__mode__field``. A check gets a `Group`, all the fields of one case and mode; when it
ends, every field must have been read. What is not checked is excluded by name with its reason.

>>> sorted(split("normal_1__floor__scale")), excluded("mxfp4/quartet_triton.npz:x")[:10]
(['floor', 'normal_1', 'scale'], 'checked by')
"""

from collections.abc import Callable
from fnmatch import fnmatch
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.shared import path_of

_PROFILE = "checked by test_profiles, with the exceptions that the profile names"
_TIES = "microxcaling adds 1/2 in float32 and takes log2: wrong 1 ulp below a midpoint or a power"
_LOG2 = "takes float32 log2 of amax: one too high just below a power of two"
EXCLUDED = {
    # other methods
    "mxfp4/quartet_triton.npz:*": _PROFILE,
    "mxfp4/qutlass_ref.npz:*": _PROFILE,
    "nvfp4/qutlass_ref.npz:*": "stores E4M3(amax + 1e-8) without the 1/6: another format",
    "nvfp4/te_ref.npz:*_4over6_*": "checked by test_profiles",
    "nvfp4/torchao.npz:*": _PROFILE,
    "nvfp4/modelopt.npz:*": _PROFILE,
    "nvfp4/compressed_tensors.npz:*": _PROFILE,
    "nvfp4/triton_kernels.npz:*": _PROFILE,
    # values that are not finite: every peer has its own convention, see numerics section 1 and 3
    "mx*:nonfinite__*": "NaN and Inf: ours make the scale NaN; peers disagree with each other",
    # flaws that the manifest names
    "mx*/microxcaling.npz:near_ties__*": _TIES,
    "mx*/microxcaling.npz:overflow_zone__*": _TIES,
    "mx*/microxcaling.npz:amax_traps__*": _TIES,
    "mx*/microxcaling.npz:huge__*": "overflows to Inf or NaN on the way",
    "mxfp4/gguf.npz:huge__*": _LOG2,
    "mxfp4/gguf.npz:tiny__*": "the byte of a tiny amax wraps around",
    "mxfp4/gguf.npz:overflow_zone__*": _LOG2,
    "mxfp4/gguf.npz:amax_traps__*": _LOG2,
    "elem/near_ties.npz:*__microxcaling_*": _TIES,
    "elem/near_ties.npz:*__f64__ml_dtypes": "rounds float64 to float32 first, so twice",
}
"""``file:key`` pattern: why it is not checked."""

EXCLUDED_FILES = {
    "gguf_nvfp4_decode.npz": "GGUF is read by a later issue",
    "gguf_tiny/expected.npz": "GGUF is read by a later issue",
    "gguf_tiny/tiny.gguf": "GGUF is read by a later issue",
    "gptoss_layout.npz": "the GPT-OSS layout is read by a later issue",
    "gptoss_tiny/config.json": "the GPT-OSS model is built by a later issue",
    "gptoss_tiny/model.safetensors": "the GPT-OSS model is built by a later issue",
    "gptoss_tiny/reference.npz": "the GPT-OSS model is built by a later issue",
    "MANIFEST.md": "the description of the others",
}
"""File: why none of it is checked in this issue."""


def split(key: str) -> list[str]:
    """The parts of a key."""
    return key.split("__")


def excluded(name: str) -> str | None:
    """Why ``file:key`` is not checked; None where it is."""
    return next((why for pattern, why in EXCLUDED.items() if fnmatch(name, pattern)), None)


def load(file: str) -> dict[str, NDArray[Any]]:
    """All arrays of a recorded file; skips the test where the folder is absent."""
    path = path_of(f"vectors/{file}")
    if not path.exists():
        pytest.skip(f"recorded file {file} is absent: set EXTENSOR_SHARED to its folder")
    with np.load(path) as arrays:
        return dict(arrays)


class Group:
    """The arrays of one case and mode; it remembers which were read."""

    def __init__(self, case: str, mode: str, fields: dict[str, NDArray[Any]]) -> None:
        self.case, self.mode, self._fields = case, mode, fields
        self._read: set[str] = set()

    def __contains__(self, field: str) -> bool:
        return field in self._fields

    def __getitem__(self, field: str) -> NDArray[Any]:
        self._read.add(field)
        return self._fields[field]

    def end(self) -> None:
        """Raise unless every array was read."""
        left = set(self._fields) - self._read
        assert not left, f"{self.case} {self.mode}: {sorted(left)} not checked"


def check_all(file: str, check: Callable[[Group], None], parts: int = 3) -> None:
    """Run a check on every group of a file that is not excluded; each array must be read.

    parts
        3: ``case__mode__field``; 2: ``case__field``, the mode is empty.
    """
    found: dict[tuple[str, str], dict[str, NDArray[Any]]] = {}
    for key, array in load(file).items():
        if excluded(f"{file}:{key}") is None:
            case, *mode, field = split(key)
            assert len(mode) == parts - 2, f"{file}:{key} has no check and no reason"
            found.setdefault((case, "".join(mode)), {})[field] = array
    assert found, f"{file}: nothing to check"
    for (name, kind), fields in found.items():
        group = Group(name, kind, fields)
        try:
            check(group)
        except AssertionError as error:
            raise AssertionError(f"{file} {name} {kind}: {error}") from error
        group.end()


def nibbles(packed: NDArray[np.uint8], count: int, axis: int = -1) -> NDArray[np.uint8]:
    """Two codes a byte, the low nibble first, along an axis.

    >>> nibbles(np.array([0x21, 0x03], np.uint8), 3).tolist()
    [1, 2, 3]
    """
    moved = np.moveaxis(packed, axis, -1)
    both = np.stack([moved & 15, moved >> 4], axis=-1).reshape(*moved.shape[:-1], -1)
    return np.moveaxis(both[..., :count], -1, axis)


def equal(found: Any, wanted: Any, what: str, where: Any = True) -> None:
    """Raise unless equal (NaN equals NaN), naming how many differ and the first."""
    found, wanted = np.broadcast_arrays(np.asarray(found), np.asarray(wanted))
    with np.errstate(invalid="ignore"):
        wrong = (found != wanted) & ~(np.isnan(found) & np.isnan(wanted)) & where
    if wrong.any():
        at = tuple(int(i) for i in np.argwhere(wrong)[0])
        raise AssertionError(
            f"{what}: {wrong.sum()} of {wrong.size} differ, first at {at}: "
            f"{found[at]}, recorded {wanted[at]}"
        )
