"""The fragments of ``mma.sync.m16n8k64`` with block scales, played through on the CPU.

What the kernels of `extensor.kernels.matmul.cuda_blackwell` load is found with their own index
functions; where the hardware puts it is the tables of the PTX ISA, written here a second time and
in other words. No GPU, and no CUDA compiler.
"""

import numpy as np
import pytest

from extensor.formats import MXFP4, MXFP8_E4M3, NVFP4, NVFP4_2D, Block
from extensor.kernels.choice import Choice
from extensor.kernels.dequantize.dispatch import dequantize
from extensor.kernels.matmul import block_fragment as f
from extensor.kernels.matmul.cuda_blackwell import block_scaled, probe
from extensor.kernels.matmul.cuda_tensor_memory import INSTRUCTION, staged_byte
from extensor.kernels.packed import Packed
from extensor.kernels.quantize.dispatch import quantize

LANES = range(32)


def table_a(lane: int, i: int) -> tuple[int, int]:
    """(row, column) of element ``a_i`` of a lane: 9.7.14.5.11, matrix A."""
    group, thread = divmod(lane, 4)
    row = group if i < 8 or 16 <= i < 24 else group + 8
    return row, thread * 8 + i % 8 + (0 if i < 16 else 32)


def table_b(lane: int, i: int) -> tuple[int, int]:
    """(row, column) of element ``b_i`` of a lane, matrix B (K x N)."""
    group, thread = divmod(lane, 4)
    return thread * 8 + i % 8 + (0 if i < 8 else 32), group


def table_d(lane: int, i: int) -> tuple[int, int]:
    """(row, column) of sum ``c_i`` of a lane."""
    group, thread = divmod(lane, 4)
    return (group if i < 2 else group + 8), thread * 2 + i % 2


def hardware(words: np.ndarray, columns: np.ndarray, left: np.ndarray, right: np.ndarray,
             count: int) -> np.ndarray:  # fmt: skip
    """What the instruction gives in ``d`` (32 lanes, 4), with selectors {0, 0} for both scales.

    words, columns
        Registers of a (32, 4) and of b (32, 2).
    left, right
        ``scale-a-data`` and ``scale-b-data`` of each lane; ``count`` bytes count. 9.7.14.3: the
        lanes with laneid % 4 = 0 and 1 give those of A's rows g and g + 8, that with 0 those of B.
    """
    a, b = np.zeros((16, 64)), np.zeros((64, 8))
    scale_a, scale_b = np.zeros((16, count)), np.zeros((count, 8))
    values = MXFP4.element.values
    decode = (MXFP4 if count == 2 else NVFP4).scale.values
    for lane in LANES:
        for i in range(32):
            a[table_a(lane, i)] = values[int(words[lane, i // 8]) >> 4 * (i % 8) & 15]
        for i in range(16):
            b[table_b(lane, i)] = values[int(columns[lane, i // 8]) >> 4 * (i % 8) & 15]
        group, thread = divmod(lane, 4)
        for j in range(count):
            if thread < 2:
                scale_a[group + 8 * thread, j] = decode[int(left[lane]) >> 8 * j & 255]
            if thread == 0:
                scale_b[j, group] = decode[int(right[lane]) >> 8 * j & 255]
    each = 64 // count
    d = (a * scale_a.repeat(each, 1)) @ (b * scale_b.repeat(each, 0))
    return np.array([[d[table_d(lane, i)] for i in range(4)] for lane in LANES])


def word(line: np.ndarray, at: int) -> int:
    """Four bytes of a row, zeros past its end, as the kernels' ``_codes`` and ``_scales`` do."""
    return int.from_bytes(line[at : at + 4].tobytes().ljust(4, b"\0"), "little")


def product(a: Packed, b: Packed) -> np.ndarray:
    """A tile of 16 x 8 as the kernels compute it, in float64."""
    count = 64 // a.fmt.length
    y = np.zeros((f.ROWS, f.COLUMNS))
    for start in range(0, a.codes.shape[1], f.BYTES):
        block = start // f.BYTES * count
        words, columns = np.zeros((32, 4), np.uint32), np.zeros((32, 2), np.uint32)
        left, right = np.zeros(32, np.uint32), np.zeros(32, np.uint32)
        for lane in LANES:
            row_b = b.scales[f.b_row(lane)], b.codes[f.b_row(lane)]
            for register in range(4):
                row, half = f.a_row(lane, register), register >> 1
                code = word(a.codes[row], start + f.byte_of(lane, half))
                if count == 4:
                    scales = np.uint32(word(a.scales[row], block))
                    code = f.signed(np.uint32(code), scales, f.block16(lane, half))
                words[lane, register] = code
            for register in range(2):
                code = word(row_b[1], start + f.byte_of(lane, register))
                if count == 4:
                    scales = np.uint32(word(row_b[0], block))
                    code = f.signed(np.uint32(code), scales, f.block16(lane, register))
                columns[lane, register] = code
            left[lane] = word(a.scales[f.scale_row(lane)][: block + count], block)
            right[lane] = word(row_b[0][: block + count], block)
        mask = 0x7F7F7F7F if count == 4 else 0xFFFFFFFF
        sums = hardware(words, columns, left & mask, right & mask, count)
        for lane in LANES:
            for i in range(4):
                y[f.sum_row(lane, i), f.sum_column(lane, i)] += sums[lane, i]
    return y


def packed(fmt: Block, rows: int, length: int, seed: int) -> Packed:
    """Random rows with scales over many powers of two; those of NVFP4 also negative."""
    random = np.random.default_rng(seed)
    x = random.standard_normal((1, rows, length)) * 2.0 ** random.integers(-6, 7, (1, rows, length))
    q = quantize(x.astype(np.float32), fmt, Choice(tensor_scale=None))
    if fmt is NVFP4:
        q.scales[:] ^= random.integers(0, 2, q.scales.shape, np.uint8) << np.uint8(7)
    return q


@pytest.mark.parametrize("length", [64, 192, 32, 96, 48, 80, 65])
@pytest.mark.parametrize("fmt", [MXFP4, NVFP4], ids=str)
def test_a_tile_is_the_product_of_what_is_packed(fmt: Block, length: int) -> None:
    a, b = packed(fmt, 16, length, 1), packed(fmt, 8, length, 2)
    meant = dequantize(a).astype(np.float64) @ dequantize(b).astype(np.float64).T
    np.testing.assert_array_equal(product(a, b), meant)


def test_each_sum_and_each_code_has_one_place() -> None:
    sums = {(f.sum_row(lane, i), f.sum_column(lane, i)) for lane in LANES for i in range(4)}
    assert len(sums) == f.ROWS * f.COLUMNS
    words = {(f.a_row(lane, r), f.byte_of(lane, r >> 1)) for lane in LANES for r in range(4)}
    assert len(words) == f.ROWS * f.BYTES // 4
    assert {f.scale_row(lane) for lane in LANES if lane % 4 < 2} == set(range(f.ROWS))


@pytest.mark.parametrize("lane", LANES)
def test_the_index_functions_are_the_tables(lane: int) -> None:
    for i in range(32):
        register = i // 8
        row, k = table_a(lane, i)
        assert (f.a_row(lane, register), 2 * f.byte_of(lane, register >> 1) + i % 8) == (row, k)
        assert f.block16(lane, register >> 1) == k // 16
    for i in range(16):
        k, column = table_b(lane, i)
        assert (f.b_row(lane), 2 * f.byte_of(lane, i // 8) + i % 8) == (column, k)
    for i in range(4):
        assert (f.sum_row(lane, i), f.sum_column(lane, i)) == table_d(lane, i)


def test_the_descriptor_of_tcgen05_says_what_table_44_says() -> None:
    fields = [(7, 3, 1), (10, 2, 1), (17, 6, 64 >> 3), (23, 1, 1), (27, 2, 128 >> 7)]
    rest = INSTRUCTION
    for low, width, value in fields:
        assert INSTRUCTION >> low & (1 << width) - 1 == value
        rest &= ~((1 << width) - 1 << low)
    assert rest == 0


def test_tcgen05_stages_core_matrices() -> None:
    """8 rows x 16 bytes each; the halves of a row 128 bytes apart, the next 8 rows 256."""
    at = {(row, half): staged_byte(row, half) for row in range(128) for half in range(2)}
    assert sorted(at.values()) == list(range(0, 4096, 16))
    assert all(at[row, 1] - at[row, 0] == 128 for row in range(128))
    assert all(at[row + 8, 0] - at[row, 0] == 256 for row in range(120))


def test_only_compute_capability_12_multiplies_packed_operands_as_they_are() -> None:
    mx, nv = packed(MXFP4, 16, 64, 1), packed(NVFP4, 8, 64, 2)
    assert block_scaled(mx, mx, 120)
    assert block_scaled(nv, nv, 121)
    assert not any(block_scaled(p, p, device) for p in (mx, nv) for device in (80, 90, 100, 103))
    assert not block_scaled(mx, nv, 120)
    for fmt in (NVFP4_2D, MXFP8_E4M3):
        other = quantize(np.ones((1, 16, 64), np.float32), fmt, Choice())
        assert not block_scaled(other, other, 120)


@pytest.mark.parametrize("fmt", [MXFP4, NVFP4], ids=str)
def test_the_probe_of_a_device_is_exact_in_any_order(fmt: Block) -> None:
    """What a Blackwell device is asked before it is trusted: no sum of the probe rounds."""
    a, b = dequantize(probe(fmt, 1)), dequantize(probe(fmt, 2))
    exact = a.astype(np.float64) @ b.astype(np.float64).T
    forward = np.zeros(exact.shape, np.float32)
    for k in range(a.shape[1]):
        forward += np.float32(np.multiply.outer(a[:, k], b[:, k]))
    np.testing.assert_array_equal(forward, exact.astype(np.float32))
    assert np.abs(exact).max() < 2**13
    assert (exact * 64 == np.round(exact * 64)).all()
    assert len(np.unique(exact)) > 500
