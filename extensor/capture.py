"""What a CUDA graph cannot hold: numbers that change from one replay to the next.

While a step is captured, its kernels are recorded with the arguments they have then. A key or a
learning rate must be new in every replay, so during a capture they stand in device memory: a key
becomes a `CapturedKey`, whose words a kernel at the head of the graph derives from the root key,
and a number that the host knows anew each time is asked of a function before each replay.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np

from extensor.backend import Array, pointer
from extensor.errors import GraphError
from extensor.noise import Key

DEPTH = 15
"""How often a key may be folded on its way from the root."""
KEYS = 1024
"""Keys of one graph."""
NUMBERS = 256
"""Numbers of one graph that the host gives anew."""


class Capture:
    """One recording: the keys and the numbers that its graph reads from memory.

    inputs
        (2 + NUMBERS,) float64 on the device: the root key's two words, then the numbers as float32
        in the first half of each entry. The host writes it before each replay.
    keys
        (KEYS, 2) uint64 on the device: stream and seed of each derived key.
    paths
        Host: how each key comes from the root.
    """

    def __init__(self, library: Any) -> None:
        self.inputs = library.zeros(2 + NUMBERS, np.float64)
        self.keys = library.zeros((KEYS, 2), np.uint64)
        self.paths: list[tuple[int, ...]] = []
        self._places: dict[tuple[int, ...], int] = {}
        self._numbers: list[Callable[[], float]] = []
        self._before: list[Callable[[], object]] = []

    def place(self, path: tuple[int, ...]) -> np.uint64:
        """The address of the key at the end of a path of folds."""
        if path not in self._places:
            if len(path) > DEPTH or len(self.paths) == KEYS:
                raise GraphError(
                    f"compile: a step with more than {KEYS} keys, or one folded more than {DEPTH} "
                    "times, cannot be captured; run it without compile"
                )
            self._places[path] = len(self.paths)
            self.paths.append(path)
        return np.uint64(pointer(self.keys) + np.uint64(16 * self._places[path]))

    def number(self, value: Callable[[], float]) -> Array:
        """A (1,) float32 device array that holds ``value()``, asked before each replay."""
        if len(self._numbers) == NUMBERS:
            raise GraphError(f"compile: more than {NUMBERS} numbers change from step to step")
        self._numbers.append(value)
        at = 2 + len(self._numbers) - 1
        return self.inputs[at : at + 1].view(np.float32)[:1]

    def before_replay(self, action: Callable[[], object]) -> None:
        """Run ``action`` on the host before each replay, after the numbers were asked."""
        self._before.append(action)

    def fill(self, host: Any, key: Key | None) -> None:
        """What ``inputs`` must hold for this replay, into ``host``; then the actions."""
        words = host[:2].view(np.uint64)
        words[0], words[1] = (0, 0) if key is None else (key.stream, key.seed)
        for i, value in enumerate(self._numbers):
            host[2 + i : 3 + i].view(np.float32)[0] = value()
        for action in self._before:
            action()

    def table(self) -> Any:
        """The paths as the kernel reads them: (KEYS, DEPTH + 1) uint64, lengths first."""
        rows = np.zeros((KEYS, DEPTH + 1), np.uint64)
        for row, path in zip(rows, self.paths, strict=False):
            row[0], row[1 : 1 + len(path)] = len(path) + 1, path
        return rows


_current: ContextVar[Capture | None] = ContextVar("capture", default=None)


def capturing() -> Capture | None:
    """The recording that is under way here, or None."""
    return _current.get()


@contextmanager
def recording(capture: Capture) -> Iterator[None]:
    """Make ``capture`` the current one."""
    token = _current.set(capture)
    try:
        yield
    finally:
        _current.reset(token)


def number(value: Callable[[], float]) -> Any:
    """``value()``; while a step is captured, the device array that each replay fills with it.

    >>> number(lambda: 0.5)
    0.5
    """
    capture = capturing()
    return value() if capture is None else capture.number(value)


def each_step(action: Callable[[], object]) -> None:
    """Run ``action`` now; while a step is captured, before each replay, after the numbers were
    asked.

    >>> each_step(lambda: print("counted"))
    counted
    """
    capture = capturing()
    if capture is None:
        action()
    else:
        capture.before_replay(action)


class CapturedKey(Key):
    """A key of a captured step: where its words will be, not what they are."""

    path: tuple[int, ...]
    capture: Capture

    def __init__(self, path: tuple[int, ...], capture: Capture) -> None:
        object.__setattr__(self, "path", path)
        object.__setattr__(self, "capture", capture)

    def fold(self, number: int) -> "CapturedKey":
        """The child key with this number."""
        return CapturedKey((*self.path, number), self.capture)

    @property
    def address(self) -> np.uint64:
        """The address of (stream, seed), two uint64."""
        return self.capture.place(self.path)

    @property
    def seed(self) -> int:
        """Nothing: a word that is read now would be the same in every replay."""
        raise GraphError(
            "compile: the step reads random words on the host (fresh signs of a rotation, say), "
            "which would be the same in every replay; run it without compile"
        )

    stream = seed

    def __eq__(self, other: object) -> bool:
        return isinstance(other, CapturedKey) and (self.path, self.capture) == (
            other.path,
            other.capture,
        )

    def __hash__(self) -> int:
        return hash(self.path)

    def __repr__(self) -> str:
        return f"CapturedKey(path={self.path})"


def key_arguments(key: Key | None) -> tuple[np.uint64, np.uint64, np.uint64]:
    """(address, stream, seed) of a key as CUDA kernels take it; with an address it alone counts.

    >>> from extensor.noise import key
    >>> [int(word) for word in key_arguments(key(7))]
    [0, 0, 7]
    """
    if isinstance(key, CapturedKey):
        return key.address, np.uint64(0), np.uint64(0)
    return (
        np.uint64(0),
        np.uint64(key.stream if key else 0),
        np.uint64(key.seed if key else 0),
    )
