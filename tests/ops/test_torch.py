"""Every row of the table against PyTorch on the CPU: values and gradients, float64 and float32.

Shapes are those of the row's samples, seeded random ones, 0-d and size 0; each once as they are
and once as views with negative strides.
"""

from typing import Any

import numpy as np
import pytest

import extensor as ex
from extensor.ops.registry import Op, Sample
from tests.ops.peer import BOUNDS
from tests.ops.table import draw
from tests.ops.torch_table import WITHOUT, Peer, peers, samples

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
TABLE = peers(torch)


def flipped(x: Any) -> Any:
    """The same numbers behind negative strides."""
    back = (slice(None, None, -1),) * x.ndim
    return x[back].copy()[back] if x.ndim else x


def tensors_of(arrays: list[Any], leaf: bool) -> tuple[list[Any], list[Any]]:
    """The operands for extensor (views as they are) and for PyTorch (copies)."""
    float_ = [a.dtype.kind == "f" and leaf for a in arrays]
    xs = [ex.asarray(a, requires_grad=g) for a, g in zip(arrays, float_, strict=True)]
    ts = [torch.from_numpy(np.array(a, order="C")).requires_grad_(g)
          for a, g in zip(arrays, float_, strict=True)]  # fmt: skip
    return xs, ts


def close(got: Any, want: Any, bound: float, what: str) -> None:
    """Equal within the bound, relative or absolute, of the same shape."""
    assert got.shape == want.shape, f"{what}: shape {got.shape}, PyTorch has {want.shape}"
    kind = np.complex128 if got.dtype.kind == "c" else np.float64
    np.testing.assert_allclose(
        np.asarray(got, kind), np.asarray(want, kind), rtol=bound, atol=bound, err_msg=what
    )


def numpy_of(t: Any) -> Any:
    """A torch tensor as NumPy has it; bfloat16 widened."""
    t = t.detach().resolve_conj()
    return t.float().numpy() if t.dtype == torch.bfloat16 else t.numpy()


def compare(row: Op, peer: Peer, sample: Sample, dtype: str, view: bool, seed: int) -> None:
    """One row on one set of operands."""
    attributes = dict(sample.attributes)
    arrays = draw(row, sample, seed)
    if peer.prepare is not None:
        arrays = peer.prepare(arrays, attributes)
    arrays = [np.asarray(a, dtype) if a.dtype.kind == "f" else a for a in arrays]
    if view:
        arrays = [flipped(a) for a in arrays]
    what = f"{row.name} {[a.shape for a in arrays]} {attributes} {dtype} view={view}"
    xs, ts = tensors_of(arrays, row.grad is not None)
    y, u = row(*xs, **attributes), peer.run(*ts, **attributes)
    bound = BOUNDS[dtype]
    close(y.numpy(), numpy_of(u), bound, what)
    if not y.requires_grad:
        return
    # quarters: bfloat16 holds them, so a cast of the gradient rounds nothing
    g = np.rint(np.random.default_rng(seed + 1).uniform(-8, 8, y.shape)) / 4
    y.backward(ex.asarray(g.astype(dtype)))
    if u.requires_grad:
        u.backward(torch.from_numpy(np.array(g)).to(u.dtype))
    for i, (x, t) in enumerate(zip(xs, ts, strict=True)):
        if x.requires_grad:
            mine = np.zeros(x.shape) if x.grad is None else x.grad.numpy()
            theirs = np.zeros(x.shape) if t.grad is None else numpy_of(t.grad)
            close(mine, theirs, bound, f"gradient {i} of {what}")


def test_every_row_has_an_entry() -> None:
    rows = set(ex.OPS)
    assert rows == set(TABLE) | set(WITHOUT), (
        f"rows without an entry in tests/ops/torch_table.py: "
        f"{sorted(rows - set(TABLE) - set(WITHOUT))}; entries without a row: "
        f"{sorted((set(TABLE) | set(WITHOUT)) - rows)}"
    )
    assert not set(TABLE) & set(WITHOUT)
    assert all(reason and reference for reason, reference in WITHOUT.values())


CELLS = [
    pytest.param(row, dtype, id=f"{name}-{dtype}")
    for name, row in ex.OPS.items()
    if name in TABLE
    for dtype in TABLE[name].dtypes
]


@pytest.mark.parametrize(("row", "dtype"), CELLS)
def test_row_equals_pytorch(row: Op, dtype: str) -> None:
    peer = TABLE[row.name]
    for seed, sample in enumerate(samples(row, peer)):
        for view in (False, True):
            compare(row, peer, sample, dtype, view, seed)
