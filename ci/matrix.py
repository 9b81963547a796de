"""``python -m ci.matrix``: the op x dtype table, made by calling each op on each format.

``n`` NumPy or a kernel on native numbers, ``p`` a kernel on codes or packed blocks, ``d`` decoded
first (the declared fallback), ``!`` a typed error. That each answer is right is the business of
tests/ops/test_matrix.py, which goes over the same cells.
"""

import numpy as np

import extensor as ex
from tests.ops.test_matrix import CELLS, operands


def mark(row: ex.Op, dtype: ex.DType) -> str:
    """How an op computes on operands of a format."""
    sample = row.samples[0]
    tensors = operands(row, sample, dtype)
    try:
        with np.errstate(all="ignore"), ex.trace() as calls:
            row(*tensors, **sample.attributes)
    except ex.ExtensorError:
        return "!"
    call = calls[0]
    moved = row.result == "same" and dtype.kind == "coded"  # shape ops move codes as they are
    if call.fallback and not moved:
        return "d"
    return "p" if {"coded", "blocked"} & set(call.kinds) else "n"


def main() -> None:
    """Print the table: a row for each op, a column for each format."""
    table: dict[str, dict[str, str]] = {}
    for cell in CELLS:
        row, dtype = cell.values
        assert isinstance(row, ex.Op) and isinstance(dtype, ex.DType)
        table.setdefault(row.name, {})[dtype.name] = mark(row, dtype)
    names = list(next(iter(table.values())))
    width = max(map(len, table))
    for line in range(max(map(len, names))):
        print(" " * width, *(f"{name:>{max(map(len, names))}}"[line] for name in names))
    for op, marks in table.items():
        print(f"{op:{width}}", *(marks[name] for name in names))
    every = [m for marks in table.values() for m in marks.values()]
    print(f"{len(every)} cells:", ", ".join(f"{every.count(m)} {m}" for m in "npd!"))


if __name__ == "__main__":
    main()
