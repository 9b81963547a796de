"""A thousand million numbers through the quantizers of both devices: no byte differs.

Every named block format, each scale rule or rounding of scales, nearest and stochastic, plain and
rotated, then decoded again. The numbers are random bits with exponents over 60 binades, and now
and then a NaN or an infinity.
"""

import os
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from extensor.formats import DTYPES, MXFP4, NVFP4, Block
from extensor.kernels.choice import Choice
from extensor.kernels.dequantize.dispatch import dequantize
from extensor.kernels.quantize.dispatch import quantize
from extensor.noise import key as make_key
from tests.cuda.gpu import require_gpu

require_gpu()

import cupy  # noqa: E402

from extensor.kernels.dequantize.cuda import dequantize as dequantize_cuda  # noqa: E402
from extensor.kernels.quantize.cuda import quantize as quantize_cuda  # noqa: E402
from tests.cuda.test_fast_kernels import differences  # noqa: E402

TOTAL = int(os.environ.get("EXTENSOR_TOTAL", "1000000000"))
"""Numbers over all cases."""
WIDTH = 4096
SIGNS = tuple(int(s) for s in np.random.default_rng(3).choice([-1, 1], 16))
Case = tuple[Block, Choice, int]


def cases() -> Iterator[Case]:
    """(format, choice, size of the rotation)"""
    for fmt in DTYPES:
        if isinstance(fmt, Block):
            for rounding in ("nearest_even", "stochastic"):
                if fmt.scale.is_power_of_two:
                    for rule in (None, "floor", "even", "ceil", ("cap", 7.0)):
                        yield fmt, Choice(rounding=rounding, scale_rule=rule), 0
                else:
                    for how in ("nearest", "up"):
                        yield fmt, Choice(rounding=rounding, scale_rounding=how), 0
    for fmt in (MXFP4, NVFP4):
        for rounding in ("nearest_even", "stochastic"):
            yield fmt, Choice(rounding=rounding), 16


CASES = list(cases())


def numbers(rows: int, seed: int) -> NDArray[np.float32]:
    """Random bits with exponents from -30 to 30; one block in 2000 holds a NaN or an infinity."""
    rng = np.random.default_rng(seed)
    bits = rng.integers(0, 2**32, (rows, WIDTH), dtype=np.uint32)
    binades = rng.integers(97, 158, (rows, WIDTH // 64, 1), dtype=np.uint32)
    spread = (bits.reshape(rows, -1, 64) >> np.uint32(23)) & np.uint32(7)
    exponents = (binades - spread) << np.uint32(23)
    bits = (bits.reshape(rows, -1, 64) & np.uint32(0x807FFFFF)) | exponents
    x = bits.reshape(rows, WIDTH).view(np.float32)
    odd = rng.random(x.shape) < 1 / 64000
    x[odd] = rng.choice([np.nan, np.inf, -np.inf], int(odd.sum()))
    return x


@pytest.mark.nightly
@pytest.mark.parametrize(("fmt", "choice", "turn"), CASES)
def test_every_byte(fmt: Block, choice: Choice, turn: int) -> None:
    """Codes, scales, the tensor scale and the decoded numbers."""
    share = -(-TOTAL // len(CASES))
    step = min(1 << 13, -(-share // WIDTH))
    key = make_key(1) if choice.rounding == "stochastic" else None
    turned: tuple[Any, ...] = (None, 0, turn, SIGNS if turn else ())
    for part in range(-(-share // (step * WIDTH))):
        x = numbers(step, part)
        want = quantize(x[None], fmt, choice, key, *turned)
        got = quantize_cuda(cupy.asarray(x)[None], fmt, choice, key, *turned)
        assert differences(got, want) == 0
        decoded = cupy.asnumpy(dequantize_cuda(got))
        meant = dequantize(want)
        unequal = decoded.view(np.uint32) != meant.view(np.uint32)
        assert not (unequal & ~(np.isnan(decoded) & np.isnan(meant))).any()
