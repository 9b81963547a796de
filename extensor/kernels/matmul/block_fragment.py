"""Who holds what in ``mma.sync.m16n8k64`` on packed E2M1: index arithmetic, on any device.

A warp multiplies 16 rows of A with 8 rows of B (packed rows; B's are the columns of the product)
over 64 elements, 32 bytes of codes a row. A register holds eight neighbouring codes, so packed
memory is the fragment: lane ``4 g + t`` reads the words at bytes 4 t and 16 + 4 t of its rows.

Scales travel in one register for A and one for B: byte j is the scale of block j of the row. With
``thread-id-a`` = 0 the lanes with t = 0 and t = 1 give A's rows g and g + 8, with ``thread-id-b``
= 0 the lane with t = 0 gives B's row g; all other lanes may hold anything, here they hold the same.

Plain functions of integers: CUDA kernels inline them, and the tests call them against the tables.

Source: PTX ISA 9.0, 9.7.14.5.11 (fragments of mma.m16n8k64), 9.7.14.3 (block scaling).
"""

from typing import Any

from numba import njit

ROWS, COLUMNS, DEPTH = 16, 8, 64
"""Rows of A, rows of B, elements of K."""
BYTES = DEPTH // 2
"""Bytes of codes of a row."""


@njit()
def a_row(lane: Any, register: Any) -> Any:
    """The row of A that a register (0 to 3) of a lane belongs to.

    >>> [a_row.py_func(5, register) for register in range(4)]
    [1, 9, 1, 9]
    """
    return (lane >> 2) + 8 * (register & 1)


@njit()
def b_row(lane: Any) -> Any:
    """The row of B, a column of the product, that both registers of a lane belong to."""
    return lane >> 2


@njit()
def byte_of(lane: Any, half: Any) -> Any:
    """The first of the four bytes of a register within the 32 of its row.

    half
        0 for registers a0, a1, b0; 1 for a2, a3, b1.

    >>> byte_of.py_func(5, 1)
    20
    """
    return 4 * (lane & 3) + 16 * half


@njit()
def scale_row(lane: Any) -> Any:
    """The row of A whose scales a lane gives."""
    return (lane >> 2) + 8 * (lane & 1)


@njit()
def block16(lane: Any, half: Any) -> Any:
    """Which of the four blocks of 16 a register lies in."""
    return ((lane & 3) >> 1) + 2 * half


@njit()
def sum_row(lane: Any, i: Any) -> Any:
    """The row of the product of sum i (0 to 3) of a lane."""
    return (lane >> 2) + 8 * (i >> 1)


@njit()
def sum_column(lane: Any, i: Any) -> Any:
    """The column of the product of sum i of a lane."""
    return 2 * (lane & 3) + (i & 1)


@njit()
def signed(word: Any, scales: Any, block: Any) -> Any:
    """Eight codes (uint32) with the sign of their E4M3 scale, which the hardware does not read.

    scales
        Four scale codes (uint32).

    >>> hex(signed.py_func(0x00000071, 0x38B8, 0)), signed.py_func(0x71, 0x38B8, 1)
    ('0x888888f9', 113)
    """
    return word ^ (((scales >> (8 * block + 7)) & 1) * 0x88888888)
