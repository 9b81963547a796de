"""``python -m ci.matrix``: the op x dtype x device table, each cell tried on samples of its op.

``n`` NumPy or CuPy, or a compiled loop, on native numbers; ``c`` on codes, which are moved and
never decoded; ``p`` a kernel on packed blocks; ``f`` the declared fallback: decode, compute, round
once; ``!`` a typed error. Where samples of an op take several routes the slowest is shown. A cell
of a device that is not here is classified by the table, and tests/cuda/test_ops.py tries it where
there is a GPU. Exit status 1 where a cell is wrong or untested.
"""

import sys
from collections import Counter
from collections.abc import Iterable, Sequence

import extensor as ex
from extensor.backend import DEVICES, check_device
from tests.ops.cells import WORDS, Cell, cells_of, classified, uneven

MARKS = dict(zip(WORDS, "ncpf!", strict=True))
ELSEWHERE = "no GPU here; tests/cuda/test_ops.py tries these cells where there is one"
"""The reason of the only skips."""


def here(device: str) -> bool:
    """Whether a device is on this machine."""
    try:
        check_device(device)
    except ex.DispatchError:
        return False
    return True


def everything() -> dict[str, list[Cell]]:
    """All cells of all rows, by device; the host is the first."""
    matrix: dict[str, list[Cell]] = {device: [] for device in DEVICES}
    for row in ex.OPS.values():
        host = cells_of(row)
        for device, cells in matrix.items():
            if device == "cpu":
                cells += host
            elif here(device):
                cells += cells_of(row, device)
            else:
                pairs = zip(ex.DTYPES, host, strict=True)
                cells += [classified(row, dtype, device, cell) for dtype, cell in pairs]
    return matrix


def grid(cells: Sequence[Cell]) -> dict[str, list[Cell]]:
    """The cells of one device by op, in the order of the formats."""
    table: dict[str, list[Cell]] = {}
    for cell in cells:
        table.setdefault(cell.op, []).append(cell)
    return table


def drawing(cells: Sequence[Cell]) -> str:
    """A line for each op, a column for each format, their names written downwards."""
    table, names = grid(cells), [d.name for d in ex.DTYPES]
    width, height = max(map(len, table)), max(map(len, names))
    head = [
        " " * width + " " + " ".join(name.rjust(height)[line] for name in names)
        for line in range(height)
    ]
    body = [
        f"{op:{width}} " + " ".join("X" if c.wrong else MARKS.get(c.word, "?") for c in row)
        for op, row in table.items()
    ]
    return "\n".join([*head, *body])


def totals(matrix: dict[str, list[Cell]]) -> list[str]:
    """What `make matrix` is asked for, one sentence each."""
    every = [cell for cells in matrix.values() for cell in cells]
    lines = [
        f"{len(ex.OPS)} ops x {len(ex.DTYPES)} dtypes x {len(matrix)} devices = {len(every)} cells"
    ]
    for device, cells in matrix.items():
        count = Counter(cell.word for cell in cells)
        words = ", ".join(f"{count[word]} {word}" for word in WORDS)
        tried = sum(cell.samples > 0 for cell in cells)
        inputs = sum(cell.samples for cell in cells)
        lines.append(f"{device}: {words}; {tried} tried on {inputs} inputs")
        if not here(device):
            lines.append(f"{device}: {len(cells)} skipped: {ELSEWHERE}")
    lines.append(f"{len(untested(matrix))} untested, {len(findings(matrix))} wrong")
    return lines


def untested(matrix: dict[str, list[Cell]]) -> list[Cell]:
    """Cells of devices that are here, on which nothing was tried."""
    return [c for device, cells in matrix.items() if here(device) for c in cells if not c.samples]


def findings(matrix: dict[str, list[Cell]]) -> list[str]:
    """What is wrong, one line each."""
    lines = [
        f"{cell.op} on {cell.dtype}, {device} ({cell.word}): {cell.wrong}"
        for device, cells in matrix.items()
        for cell in cells
        if cell.wrong
    ]
    for device, cells in matrix.items():
        parts = grid(cells)
        lines += [f"{device}: {u}" for op, row in parts.items() if (u := uneven(ex.OPS[op], row))]
    return lines


def refused(cells: Iterable[Cell]) -> list[tuple[str, str, str]]:
    """(op, formats, what the first error says) for the cells that raise."""
    table: dict[str, list[Cell]] = {}
    for cell in cells:
        if cell.word == "raises":
            table.setdefault(cell.op, []).append(cell)
    return [(op, ", ".join(c.dtype for c in row), row[0].reason) for op, row in table.items()]


def main() -> int:
    """Print the tables and the totals; 1 where something is wrong or untested."""
    matrix = everything()
    for device, cells in matrix.items():
        print(f"{device}\n{drawing(cells)}\n")
    print(", ".join(f"{mark} {word}" for word, mark in MARKS.items()) + ", X wrong")
    print("\n".join(totals(matrix)))
    wrong = findings(matrix)
    print("\n".join(wrong), end="\n" if wrong else "")
    return int(bool(wrong or untested(matrix)))


if __name__ == "__main__":
    sys.exit(main())
