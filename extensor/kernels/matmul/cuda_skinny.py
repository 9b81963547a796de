"""Few rows times a packed MXFP4 weight, on tensor cores: bound by reading the weight once.

A block of 16 warps owns some rows of the weight and a slice of K. The rows of x that belong to the
slice are staged in shared memory in the order of the fragments; each warp then streams 16 rows of
the weight, 512 elements of each at a time, the next 512 always under way. Warps that share rows
(``along``) add up in shared memory; what blocks that share rows (``slices``) leave in global memory
is added by a second kernel. Both sums have a fixed order: results repeat.

Columns are the rows of x, as many times as it has `pieces` (`extensor.kernels.matmul.cuda_pieces`).
"""

from typing import Any

import numpy as np
from numba import cuda, types

from extensor.kernels import ptx
from extensor.kernels.address import address_of
from extensor.kernels.cuda import CudaKernel, cuda_kernel
from extensor.kernels.matmul import cuda_fragment as f
from extensor.kernels.matmul.cuda_stage import stage, swizzled
from extensor.kernels.matmul.cuda_weight import large, load_codes, load_scales, multiply_block

WARPS, THREADS = 16, 512
GROUP = 512
"""Elements of K that a warp has in flight for each of its rows: 16 blocks."""
SHARED = 227 << 10
"""Shared memory that one block may have on Hopper."""


UNITS = 8192
"""Bytes of x in shared memory for a group and 8 columns."""
SIZES = 11
"""Sizes that the kernel takes, see `_kernel`."""


def _kernel(tiles: int, wide: bool) -> CudaKernel:
    """The kernel for ``8 * tiles`` columns; ``wide``: rows of a multiple of 512 elements."""
    zeros, log = (np.float32(0),) * (4 * tiles), tiles.bit_length() - 1

    @cuda_kernel(
        *[types.uint64] * 5,
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
        rows: Any,
        blocks: Any,
        columns: Any,
        m: Any,
        pieces: Any,
        pitch: Any,
        log_along: Any,
        log_turns: Any,
        count: Any,
        groups: Any,
        apart: Any,
    ) -> None:
        """Parts of x times the weight: y (slices, m, rows), or (slices, columns, rows).

        factor
            Address of the float32 that multiplies last, or 0.
        pitch
            Bytes of a row of x; ``columns`` = ``m * pieces`` of them.
        log_along, log_turns
            Warps that share rows, and groups of 16 rows of a warp, as powers of two.
        count, groups
            Groups of 512 elements of a warp, and in K.
        apart
            Where sums lie in shared memory, behind x.
        """
        room = cuda.shared.array(0, types.uint32)
        base = f.shared_address(np.uint64(address_of(room)))
        thread = np.int32(cuda.threadIdx.x)
        lane, warp = np.int32(thread & np.int32(31)), np.int32(thread >> np.int32(5))
        g, t = np.int32(lane >> np.int32(2)), np.int32(lane & np.int32(3))
        part, group_of_rows = np.int32(cuda.blockIdx.y), np.int32(cuda.blockIdx.x)
        along, turns = np.int32(np.int32(1) << log_along), np.int32(np.int32(1) << log_turns)
        height_log = np.int32(np.int32(8) - log_along + log_turns)
        k_warp, row_warp = np.int32(warp & (along - 1)), np.int32(warp >> log_along)
        first = np.int32(np.int32(part << log_along) * count)
        share = np.int32(min(np.int32(count << log_along), groups - first))
        top = np.int32(group_of_rows << height_log)
        line, width = np.uint64(blocks) * np.uint64(16), np.uint64(blocks)
        begin = np.int32(first + k_warp * count)
        end = np.int32(min(begin + count, groups))
        row0 = np.int32(top + np.int32(np.int32(row_warp << log_turns) << np.int32(4)))
        steps = np.int32(max(end - begin, 0) << log_turns)
        begin = np.int32(min(begin, groups - 1))
        row = np.int32(row0 + g)
        low, high = min(row, rows - np.int32(1)), min(row + np.int32(8), rows - np.int32(1))
        stride, reach = np.uint64(high - low) * line, np.uint64(high - low) * width
        block = np.int32(begin * np.int32(16))
        from_codes = codes + np.uint64(low) * line + np.uint64(block + t) * np.uint64(16)
        w0 = load_codes(from_codes, stride, block + t, blocks, wide)
        w1 = load_codes(from_codes + np.uint64(64), stride, block + t + np.int32(4), blocks, wide)
        w2 = load_codes(from_codes + np.uint64(128), stride, block + t + np.int32(8), blocks, wide)
        w3 = load_codes(from_codes + np.uint64(192), stride, block + t + np.int32(12), blocks, wide)
        s = load_scales(scales + np.uint64(low) * width, reach, block, blocks, t, wide)
        if along == np.int32(WARPS):
            units = np.int32((end - begin) * np.int32(THREADS * tiles)) if steps else np.int32(0)
            to = base + np.uint32(begin - first) * np.uint32(UNITS * tiles)
            stage(
                lane,
                np.int32(32),
                units,
                begin,
                log,
                x,
                np.int64(pitch),
                columns,
                to,
                group_of_rows,
            )
            cuda.syncwarp()
        else:
            units = np.int32(share * np.int32(THREADS * tiles))
            stage(
                thread,
                np.int32(THREADS),
                units,
                first,
                log,
                x,
                np.int64(pitch),
                columns,
                base,
                group_of_rows,
            )
            cuda.syncthreads()
        select = np.uint32(0x4440) + np.uint32(t)
        tile = np.uint32(512 * tiles)
        lane_x = (
            base + swizzled(np.uint32(lane), np.uint32(0)),
            base + swizzled(np.uint32(lane), np.uint32(1)) + tile,
            base + swizzled(np.uint32(lane), np.uint32(2)) + tile * np.uint32(2),
            base + swizzled(np.uint32(lane), np.uint32(3)) + tile * np.uint32(3),
        )
        sums = zeros
        turn, at = np.int32(0), begin
        column_bytes = np.int32(4 * f.STRIDE)
        tile_bytes = np.int32(8 * tiles) * column_bytes
        final = np.float32(1)
        if factor != np.uint64(0):
            final = ptx.float32_of(ptx.load32(factor))
        column_y = np.uint64(rows) << np.uint64(2)
        from_y = np.int64(part * columns + t + t) * np.int64(rows) + np.int64(row0 + g)
        mine_y = y + (np.uint64(from_y) << np.uint64(2))
        low_y = np.uint32(row0 + g < rows)
        high_y = np.uint32(row0 + g + np.int32(8) < rows)
        mine = base + np.uint32(
            apart
            + (((row_warp << log_turns) << log_along) + k_warp) * tile_bytes
            + (t * np.int32(2)) * column_bytes
            + g * np.int32(4)
        )
        step = np.int32(0)
        while step < steps:
            x_now = np.uint32(np.uint32(at - first) * np.uint32(16) * tile)
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
            sums = multiply_block(w0, p[0], q[0], select, lane_x, x_now, beyond, sums)
            if more:
                w0 = load_codes(from_codes, stride, block, blocks, wide)
            x_now = np.uint32(x_now + tile * np.uint32(4))
            sums = multiply_block(w1, p[1], q[1], select, lane_x, x_now, beyond, sums)
            if more:
                there = from_codes + np.uint64(64)
                w1 = load_codes(there, stride, block + np.int32(4), blocks, wide)
            x_now = np.uint32(x_now + tile * np.uint32(4))
            sums = multiply_block(w2, p[2], q[2], select, lane_x, x_now, beyond, sums)
            if more:
                there = from_codes + np.uint64(128)
                w2 = load_codes(there, stride, block + np.int32(8), blocks, wide)
            x_now = np.uint32(x_now + tile * np.uint32(4))
            sums = multiply_block(w3, p[3], q[3], select, lane_x, x_now, beyond, sums)
            if more:
                there = from_codes + np.uint64(192)
                w3 = load_codes(there, stride, block + np.int32(12), blocks, wide)
            if done:
                if along == np.int32(1):
                    f.store_sums(mine_y, column_y, columns - t - t, low_y, high_y, final, sums)
                    mine_y += np.uint64(64)
                    low_y = np.uint32(row0 + turn * np.int32(16) + g < rows)
                    high_y = np.uint32(row0 + turn * np.int32(16) + g + np.int32(8) < rows)
                else:
                    f.spill(mine, sums)
                    mine += np.uint32(along * tile_bytes)
                sums = zeros
        if along > np.int32(1):
            if steps == np.int32(0):
                while turn < turns:
                    f.spill(mine, zeros)
                    mine += np.uint32(along * tile_bytes)
                    turn += np.int32(1)
            cuda.syncthreads()
            i = thread
            while i < np.int32(m << height_log):
                column = np.int32(i >> height_log)
                r = np.int32(i - np.int32(column << height_log))
                spot = base + np.uint32(
                    apart
                    + ((r >> np.int32(4)) << log_along) * tile_bytes
                    + column * column_bytes
                    + (r & np.int32(15)) * np.int32(4)
                )
                total = np.float32(0)
                for piece in range(pieces):
                    from_piece = spot + np.uint32(piece * m * column_bytes)
                    for k in range(along):
                        total = ptx.add(total, f.load_shared(from_piece))
                        from_piece += np.uint32(tile_bytes)
                if top + r < rows:
                    at_y = np.int64(part * m + column) * np.int64(rows) + np.int64(top + r)
                    f.store_float(y + (np.uint64(at_y) << np.uint64(2)), ptx.mul(total, final))
                i = np.int32(i + np.int32(THREADS))

    return skinny


@cuda_kernel(*[types.uint64] * 3, types.int64, types.int64)
def add_parts(parts: Any, y: Any, factor: Any, count: Any, total: Any) -> None:
    """y of ``count`` float32 = the sum of ``total`` parts that follow each other."""
    i = np.int64(cuda.grid(1))
    if i < count:
        place, step = parts + (np.uint64(i) << np.uint64(2)), np.uint64(count) << np.uint64(2)
        value, n = np.float32(0), np.int64(0)
        while n + 4 <= total:
            a, b = f.load_float(place), f.load_float(place + step)
            place += step + step
            c, d = f.load_float(place), f.load_float(place + step)
            place += step + step
            value = ptx.add(ptx.add(value, ptx.add(a, b)), ptx.add(c, d))
            n += 4
        while n < total:
            value = ptx.add(value, f.load_float(place))
            place += step
            n += 1
        if factor != np.uint64(0):
            value = ptx.mul(value, ptx.float32_of(ptx.load32(factor)))
        f.store_float(y + (np.uint64(i) << np.uint64(2)), value)


TILES = (1, 2, 4, 8)
COLUMNS = 8 * TILES[-1]
"""The most columns: rows of x times its pieces."""
KERNELS = {(tiles, wide): _kernel(tiles, wide) for tiles in TILES for wide in (True, False)}
