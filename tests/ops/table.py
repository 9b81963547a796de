"""Inputs for every op of the table, and what its answer must be: used by all tests of ops."""

from typing import Any

import numpy as np

from extensor.formats import DType, Integer
from extensor.ops.registry import Op, Sample

ROUNDING = {"float64": 2.0**-52, "float32": 2.0**-23, "float16": 2.0**-10, "bfloat16": 2.0**-7}


def draw(row: Op, sample: Sample, seed: int = 0) -> list[Any]:
    """float64 operands of an op; a sample may hold an operand itself."""
    rng = np.random.default_rng(seed)
    low, high = row.domain
    return [s if isinstance(s, np.ndarray) else rng.uniform(low, high, s) for s in sample.shapes]


def values_for(dtype: DType, x: Any) -> Any:
    """``x`` such that the format can take it: integers for integers, powers of two for E8M0."""
    if isinstance(dtype, Integer):
        whole = np.rint(x * 2)
        if dtype.name == "bool":
            return whole > 0
        return np.abs(whole) if dtype.name.startswith("u") else whole
    if dtype.is_complex:
        return x * (1 - 0.5j)
    if dtype.name == "float8_e8m0fnu":
        return np.exp2(np.rint(x))
    return np.abs(x) if dtype.name == "float8_ue5m3" else x


def rows(predicate: Any) -> list[Any]:
    """pytest parameters (row, sample) for the rows that the predicate takes."""
    import pytest

    from extensor.ops import OPS

    return [
        pytest.param(row, sample, id=f"{name}-{i}")
        for name, row in OPS.items()
        if predicate(row)
        for i, sample in enumerate(row.samples)
    ]
