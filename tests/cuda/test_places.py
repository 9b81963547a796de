"""Blocks of numbers from anywhere on a GPU: the bytes of the CPU, for any order and for patches."""

from typing import Any

import numpy as np
import pytest

from extensor.formats import MXFP4, NVFP4, NVFP4_2D, Block
from extensor.kernels import quantize_patches as on_cpu
from extensor.kernels.choice import Choice
from extensor.kernels.quantize.dispatch import quantize
from extensor.noise import key as make_key
from tests.cuda.gpu import require_gpu

require_gpu()

import cupy  # noqa: E402

from extensor.kernels import quantize_patches_cuda as on_gpu  # noqa: E402
from extensor.kernels.quantize import cuda_anywhere  # noqa: E402
from extensor.kernels.quantize.cuda import quantize as quantize_cuda  # noqa: E402
from tests.cuda.test_fast_kernels import differences, numbers  # noqa: E402

KEY = make_key(5).fold(2)
SIGNS = tuple(int(s) for s in np.random.default_rng(3).choice([-1, 1], 16))
CHOICES = (
    Choice(),
    Choice(scale_rule="even"),
    Choice(rounding="stochastic"),
    Choice(rounding="stochastic", prescale=0.75),
)
NV_CHOICES = (
    Choice(),
    Choice(rounding="stochastic", scale_rounding="up"),
    Choice(tensor_scale=None, rounding="stochastic"),
    Choice(tensor_scale=0.01),
)
SHAPES = ((1, 25), (25, 6), (6, 3136), (150, 400), (33, 31), (16, 97), (400, 120), (3, 5))


@pytest.fixture
def fused(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether each call was one for the kernels under test."""
    seen: list[bool] = []
    run = cuda_anywhere.quantize_anywhere_cuda

    def watched(*args: Any, **options: Any) -> Any:
        done = run(*args, **options)
        seen.append(done is not None)
        return done

    from extensor.kernels.quantize import cuda

    monkeypatch.setattr(cuda, "quantize_anywhere_cuda", watched)
    monkeypatch.setattr(on_gpu, "quantize_anywhere_cuda", watched)
    return seen


def some(rows: int, length: int, seed: int) -> Any:
    """Numbers of all kinds in (rows, length)."""
    flat = numbers(1, -(-rows * length // 16) * 16, seed, -20, 20).reshape(-1)
    return np.ascontiguousarray(flat[: rows * length].reshape(rows, length))


CASES: list[tuple[Block, Choice]] = [
    *((MXFP4, c) for c in CHOICES),
    *((NVFP4, c) for c in NV_CHOICES),
]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("fmt", "choice"), CASES)
def test_any_matrix(fmt: Block, choice: Choice, shape: tuple[int, int], fused: list[bool]) -> None:
    """Rows in order, columns, every second row: the CPU's bytes."""
    rows, length = shape
    x = some(rows, length, 7)
    on = cupy.asarray(x)
    key = KEY if choice.rounding == "stochastic" else None
    views = (
        (x[None], on[None], None),
        (x.T[None], on.T[None], (0, 1, length)),
        (x[::2][None], on[::2][None], (0, 3, 7)),
    )
    for here, there, strides in views:
        for offset in (0, 5):
            want = quantize(here, fmt, choice, key, strides, offset)
            assert differences(quantize_cuda(there, fmt, choice, key, strides, offset), want) == 0
    assert any(fused)


@pytest.mark.parametrize("fmt", [MXFP4, NVFP4])
@pytest.mark.parametrize("choice", [Choice(), Choice(rounding="stochastic")])
def test_rotated_columns(fmt: Block, choice: Choice, fused: list[bool]) -> None:
    """A rotation by 16 along the columns of a row-major matrix."""
    x = some(320, 37, 9)
    key = KEY if choice.rounding == "stochastic" else None
    want = quantize(x.T[None], fmt, choice, key, (0, 1, 37), 0, 16, SIGNS)
    got = quantize_cuda(cupy.asarray(x).T[None], fmt, choice, key, (0, 1, 37), 0, 16, SIGNS)
    assert differences(got, want) == 0
    assert fused == [True]


@pytest.mark.parametrize("choice", NV_CHOICES)
@pytest.mark.parametrize("shape", [(16, 16), (33, 31), (150, 16), (120, 400), (7, 100)])
def test_tiles(choice: Choice, shape: tuple[int, int], fused: list[bool]) -> None:
    """Tiles of 16 x 16 of a matrix and of its transpose."""
    rows, length = shape
    x = some(rows, length, 13)
    on = cupy.asarray(x)
    key = KEY if choice.rounding == "stochastic" else None
    want = quantize(x[None], NVFP4_2D, choice, key)
    assert differences(quantize_cuda(on[None], NVFP4_2D, choice, key), want) == 0
    strides = (0, 1, length)
    want = quantize(x.T[None], NVFP4_2D, choice, key, strides)
    assert differences(quantize_cuda(on.T[None], NVFP4_2D, choice, key, strides), want) == 0
    assert fused == [True, True]


@pytest.mark.parametrize("along", ["K", "T"])
@pytest.mark.parametrize(("fmt", "choice"), CASES)
def test_patches(fmt: Block, choice: Choice, along: Any, fused: list[bool]) -> None:
    """Patches of images, with padding and steps; rotated where a block of 16 divides them."""
    key = KEY if choice.rounding == "stochastic" else None
    for n, c, h, w, how in (
        (4, 1, 28, 28, ((5, 5), (1, 1), (2, 2))),
        (8, 6, 14, 14, ((5, 5), (1, 1), (0, 0))),
        (3, 2, 7, 9, ((3, 2), (2, 1), (1, 0))),
    ):
        x = some(n, c * h * w, 11).reshape(n, c, h, w)
        turns: tuple[dict[str, Any], ...] = ({}, {"hadamard": 16, "signs": SIGNS})
        for turn in turns:
            if turn and (along == "K" or n == 3):
                continue
            options: dict[str, Any] = {"fmt": fmt, "choice": choice, "key": key, "along": along}
            size, step, margin = how
            want = on_cpu.quantize_patches(x, size, step, margin, **options, **turn)
            got = on_gpu.quantize_patches(cupy.asarray(x), size, step, margin, **options, **turn)
            assert differences(got, want) == 0
    assert all(fused)
