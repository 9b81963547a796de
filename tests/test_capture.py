"""Keys and numbers of a captured step, without a GPU: NumPy stands in for the device."""

import numpy as np
import pytest

from extensor.capture import (
    DEPTH,
    KEYS,
    Capture,
    CapturedKey,
    each_step,
    key_arguments,
    number,
    recording,
)
from extensor.errors import GraphError
from extensor.noise import key, words


def test_a_captured_key_is_a_path() -> None:
    capture = Capture(np)
    root = CapturedKey((), capture)
    a, b = root.fold(3).fold(5), root.fold(3).fold(5)
    assert a == b
    assert a.address == b.address != root.fold(3).address
    assert list(root.split(2)) == [root.fold(0), root.fold(1)]
    rows = capture.table()
    assert rows[0, :3].tolist() == [3, 3, 5]
    assert rows[2:, 0].max() == 0
    at, stream, seed = key_arguments(a)
    assert [int(at), int(stream), int(seed)] == [int(a.address), 0, 0]
    assert int(at) == capture.keys.ctypes.data


def test_words_cannot_be_read_on_the_host() -> None:
    with pytest.raises(GraphError, match="on the host"):
        words(CapturedKey((), Capture(np)), 0, 4)


def test_too_many_keys_and_too_deep() -> None:
    capture = Capture(np)
    with pytest.raises(GraphError, match="cannot be captured"):
        capture.place((0,) * (DEPTH + 1))
    for i in range(KEYS):
        capture.place((i,))
    with pytest.raises(GraphError, match="cannot be captured"):
        capture.place((KEYS,))


def test_numbers_are_asked_before_each_replay() -> None:
    capture, state = Capture(np), {"rate": 0.5, "steps": 0}
    with recording(capture):
        rate = number(lambda: state["rate"] / (1 + state["steps"]))
        each_step(lambda: state.update(steps=state["steps"] + 1))
    assert state["steps"] == 0
    for want in (0.5, 0.25):
        capture.fill(capture.inputs, key(7))
        assert rate.tolist() == [want]
        assert capture.inputs[:2].view(np.uint64).tolist() == [0, 7]
    assert state["steps"] == 2
    assert number(lambda: 3.0) == 3.0
