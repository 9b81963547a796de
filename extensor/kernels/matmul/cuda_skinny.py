"""Few rows times a packed MXFP4 weight, on tensor cores: bound by reading the weight once.

A block of 16 warps owns some rows of the weight and a slice of K. The rows of x that belong to the
slice are staged in shared memory in the order of the fragments; each warp then streams 16 rows of
the weight, 512 elements of each at a time, the next 512 always under way. Warps that share rows
(``along``) add up in shared memory; blocks that share rows (``slices``) add up in global memory,
where the last to arrive adds all parts. Both sums have a fixed order: results repeat.

Columns are the rows of x, as many times as it has `pieces` (`extensor.kernels.matmul.cuda_pieces`).
"""

from typing import Any

import numpy as np
from numba import cuda, njit, types

from extensor.kernels import ptx
from extensor.kernels.address import address_of
from extensor.kernels.cuda import CudaKernel, cuda_kernel
from extensor.kernels.matmul import cuda_fragment as f
from extensor.kernels.matmul.cuda_weight import large, load_codes, load_scales, multiply_block

WARPS, THREADS = 16, 512
GROUP = 512
"""Elements of K that a warp has in flight for each of its rows: 16 blocks."""
SHARED = 227 << 10
"""Shared memory of a multiprocessor that one block may have."""
UNIT_BYTES = 16


@njit()
def _stage(unit: Any, first: Any, tiles: Any, x: Any, pitch: Any, columns: Any, base: Any) -> Any:
    """One unit of x, 8 elements of a column, into shared memory in the order of the fragments."""
    lane, rest = unit & np.int32(31), unit >> np.int32(5)
    at, group = (rest // tiles) & np.int32(15), (rest // tiles) >> np.int32(4)
    column = (rest % tiles) * np.int32(8) + (lane >> np.int32(2))
    block = (first + group) * np.int32(16) + ((at >> np.int32(2)) << np.int32(2)) + (lane & 3)
    zero = np.uint32(0)
    v = (zero, zero, zero, zero)
    if column < columns:
        k = np.int64(block) * 64 + np.int64(at & np.int32(3)) * 16
        v = f.load128_kept(x + np.uint64(np.int64(column) * pitch + k))
    low, high = np.uint32(0x5410), np.uint32(0x7632)
    f.store128_shared(
        base + np.uint32(unit) * np.uint32(UNIT_BYTES),
        f.permute(v[0], v[2], low),
        f.permute(v[0], v[2], high),
        f.permute(v[1], v[3], low),
        f.permute(v[1], v[3], high),
    )


SIZES = 11
"""Sizes that the kernel takes, see `_kernel`."""


def _kernel(tiles: int, wide: bool) -> CudaKernel:
    """The kernel for ``8 * tiles`` columns; ``wide``: rows of a multiple of 512 elements."""
    zeros = (np.float32(0),) * (4 * tiles)

    @cuda_kernel(
        *[types.uint64] * 7,
        *[types.int32] * SIZES,
        needs=(9, 0),
        constants=(tiles, wide),
        bounds=(THREADS, 1),
    )
    def skinny(
        codes: Any,
        scales: Any,
        x: Any,
        y: Any,
        factor: Any,
        work: Any,
        counters: Any,
        rows: Any,
        blocks: Any,
        columns: Any,
        m: Any,
        pieces: Any,
        pitch: Any,
        slices: Any,
        along: Any,
        turns: Any,
        groups: Any,
        apart: Any,
    ) -> None:
        """y (m, rows) = x times the weight.

        factor
            Address of the float32 that multiplies last, or 0.
        work, counters
            Room for the parts of each slice; zeros, and zeros again afterwards.
        pitch
            Bytes of a row of x; ``columns`` = ``m * pieces`` of them.
        turns
            Groups of 16 rows of a warp, one after the other.
        groups
            Groups of 512 elements in K.
        apart
            Where sums lie in shared memory: behind x, or at 0 in its place (one turn only).
        """
        room = cuda.shared.array(0, types.uint32)
        base = f.shared_address(np.uint64(address_of(room)))
        thread = np.int32(cuda.threadIdx.x)
        lane, warp = thread & np.int32(31), thread >> np.int32(5)
        g, t = lane >> np.int32(2), lane & np.int32(3)
        part = np.int32(cuda.blockIdx.x) % slices
        group_of_rows = np.int32(cuda.blockIdx.x) // slices
        across = np.int32(WARPS) // along
        k_warp, row_warp = warp % along, warp // along
        first, last = part * groups // slices, (part + np.int32(1)) * groups // slices
        share = last - first
        begin = first + k_warp * share // along
        end = first + (k_warp + np.int32(1)) * share // along
        count = end - begin
        row0 = (group_of_rows * across + row_warp) * turns * np.int32(16)
        line = np.uint64(blocks) * np.uint64(16)
        width = np.uint64(blocks)
        row = row0 + g
        low, high = min(row, rows - np.int32(1)), min(row + np.int32(8), rows - np.int32(1))
        stride, reach = np.uint64(high - low) * line, np.uint64(high - low) * width
        block = begin * np.int32(16)
        from_codes = codes + np.uint64(low) * line + np.uint64(block + t) * np.uint64(16)
        w0 = load_codes(from_codes, stride, block + t, blocks, wide)
        w1 = load_codes(from_codes + np.uint64(64), stride, block + t + np.int32(4), blocks, wide)
        w2 = load_codes(from_codes + np.uint64(128), stride, block + t + np.int32(8), blocks, wide)
        w3 = load_codes(from_codes + np.uint64(192), stride, block + t + np.int32(12), blocks, wide)
        s = load_scales(scales + np.uint64(low) * width, reach, block, blocks, t, wide)
        units = share * np.int32(THREADS * tiles)
        unit = thread
        while unit < units:
            _stage(unit, first, np.int32(tiles), x, np.int64(pitch), columns, base)
            unit += np.int32(THREADS)
        cuda.syncthreads()
        select = np.uint32(0x4440) + np.uint32(t)
        tile = np.uint32(512 * tiles)
        lane_x = base + np.uint32(lane) * np.uint32(16)
        sums = zeros
        turn, at = np.int32(0), begin
        column_bytes = np.int32(4 * f.STRIDE)
        tile_bytes = np.int32(8 * tiles) * column_bytes
        mine = base + np.uint32(
            apart
            + (row_warp * turns * along + k_warp) * tile_bytes
            + (t * np.int32(2)) * column_bytes
            + g * np.int32(4)
        )
        step, steps = np.int32(0), count * turns
        while step < steps:
            x_now = lane_x + np.uint32(at - first) * np.uint32(16) * tile
            p, q = s
            step += np.int32(1)
            at += np.int32(1)
            done, more = at == end, step < steps
            if done:
                at = begin
                turn += np.int32(1)
            if more:
                row = row0 + turn * np.int32(16) + g
                low = min(row, rows - np.int32(1))
                high = min(row + np.int32(8), rows - np.int32(1))
                stride, reach = np.uint64(high - low) * line, np.uint64(high - low) * width
                block = at * np.int32(16)
                from_codes = codes + np.uint64(low) * line + np.uint64(block + t) * np.uint64(16)
                s = load_scales(scales + np.uint64(low) * width, reach, block, blocks, t, wide)
            block += t
            beyond = large(p, q)
            sums = multiply_block(w0, p[0], q[0], select, x_now, tile, beyond, sums)
            if more:
                w0 = load_codes(from_codes, stride, block, blocks, wide)
            x_now += tile * np.uint32(4)
            sums = multiply_block(w1, p[1], q[1], select, x_now, tile, beyond, sums)
            if more:
                there = from_codes + np.uint64(64)
                w1 = load_codes(there, stride, block + np.int32(4), blocks, wide)
            x_now += tile * np.uint32(4)
            sums = multiply_block(w2, p[2], q[2], select, x_now, tile, beyond, sums)
            if more:
                there = from_codes + np.uint64(128)
                w2 = load_codes(there, stride, block + np.int32(8), blocks, wide)
            x_now += tile * np.uint32(4)
            sums = multiply_block(w3, p[3], q[3], select, x_now, tile, beyond, sums)
            if more:
                there = from_codes + np.uint64(192)
                w3 = load_codes(there, stride, block + np.int32(12), blocks, wide)
            if done:
                if turns == np.int32(1):
                    cuda.syncthreads()
                f.spill(mine, sums)
                mine += np.uint32(along * tile_bytes)
                sums = zeros
        cuda.syncthreads()
        height = across * turns * np.int32(16)
        top = group_of_rows * height
        final = np.float32(1)
        if factor != np.uint64(0):
            final = ptx.float32_of(ptx.load32(factor))
        i = thread
        while i < height * m:
            column, r = i // height, i % height
            spot = base + np.uint32(
                apart
                + (r >> np.int32(4)) * along * tile_bytes
                + column * column_bytes
                + (r & np.int32(15)) * np.int32(4)
            )
            total = np.float32(0)
            for piece in range(pieces):
                for k in range(along):
                    off = np.uint32(piece * m * column_bytes + k * tile_bytes)
                    total = ptx.add(total, f.load_shared(spot + off))
            if top + r < rows:
                place = np.uint64(np.int64(column) * np.int64(rows) + np.int64(top + r)) << 2
                if slices == np.int32(1):
                    f.store_float(y + place, ptx.mul(total, final))
                else:
                    plane = np.uint64(np.int64(part) * np.int64(m) * np.int64(rows)) << 2
                    f.store_float(work + plane + place, total)
            i += np.int32(THREADS)
        if slices > np.int32(1):
            f.fence()
            cuda.syncthreads()
            ticket = cuda.shared.array(1, types.uint32)
            if thread == np.int32(0):
                where = counters + np.uint64(group_of_rows) * np.uint64(4)
                ticket[0] = f.arrive(where, np.uint32(slices - np.int32(1)))
            cuda.syncthreads()
            if ticket[0] == np.uint32(slices - np.int32(1)):
                f.fence()
                i = thread
                while i < height * m:
                    column, r = i // height, i % height
                    if top + r < rows:
                        place = np.uint64(np.int64(column) * np.int64(rows) + np.int64(top + r)) << 2
                        total = np.float32(0)
                        for s in range(slices):
                            plane = np.uint64(np.int64(s) * np.int64(m) * np.int64(rows)) << 2
                            total = ptx.add(total, f.load_float_fresh(work + plane + place))
                        f.store_float(y + place, ptx.mul(total, final))
                    i += np.int32(THREADS)

    return skinny


TILES = (1, 2, 4, 8)
COLUMNS = 8 * TILES[-1]
"""The most columns: rows of x times its pieces."""
KERNELS = {(tiles, wide): _kernel(tiles, wide) for tiles in TILES for wide in (True, False)}
