"""Every row of the op table on a GPU: the values and the gradients of the CPU."""

from typing import Any

import numpy as np
import pytest

import extensor as ex
from extensor.errors import DispatchError
from extensor.ops.registry import Op, Sample
from tests.cuda.gpu import require_gpu
from tests.ops.cells import cells_of, classified, uneven
from tests.ops.table import draw, rows

require_gpu()


def tensors(row: Op, sample: Sample, dtype: Any, device: str) -> list[ex.ExTensor]:
    """The operands on a device; float operands want a gradient."""
    made = []
    for x in draw(row, sample):
        floats = x.dtype.kind == "f"
        tensor = ex.asarray(x.astype(dtype) if floats else x, device=device)
        tensor.requires_grad = floats and row.grad is not None
        made.append(tensor)
    return made


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("row", "sample"), rows(lambda r: True))
def test_op(row: Op, sample: Sample, dtype: Any) -> None:
    results = []
    for device in ("cpu", "cuda"):
        xs = tensors(row, sample, dtype, device)
        y = row(*xs, **sample.attributes)
        assert y.device == device
        grads = []
        if y.requires_grad:
            g = np.random.default_rng(1).standard_normal(y.shape).astype(dtype)
            y.backward(ex.asarray(g, device=device))
            grads = [x.grad for x in xs if x.requires_grad and x.grad is not None]
        assert all(g.device == device for g in grads)
        results.append((y, grads))
    (cpu, cpu_grads), (gpu, gpu_grads) = results
    assert gpu.dtype == cpu.dtype
    assert len(gpu_grads) == len(cpu_grads)
    bound = 1e-5 if dtype is np.float32 or row.aux else 1e-12
    for a, b in zip([gpu, *gpu_grads], [cpu, *cpu_grads], strict=True):
        assert a.shape == b.shape
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=bound, atol=bound)


@pytest.mark.parametrize("row", ex.OPS.values(), ids=lambda row: row.name)
def test_every_cell_of_a_row(row: Op) -> None:
    """The column of the GPU in the matrix: as on the host, by the route that the table named."""
    cells = cells_of(row, "cuda")
    wrong = [f"{c.op} on {c.dtype} ({c.word}): {c.wrong}" for c in cells if c.wrong]
    assert not wrong, "\n".join(wrong)
    assert all(c.samples for c in cells) and not uneven(row, cells)
    for cell in cells:
        assert cell.word == classified(row, ex.dtype(cell.dtype), "cuda").word, cell


@pytest.mark.parametrize("name", ["bfloat16", "float8_e4m3fn", "float4_e2m1fn", "mxfp4", "nvfp4"])
def test_formats_go_there_and_back(name: str) -> None:
    x = np.random.default_rng(0).standard_normal((5, 70)).astype(np.float32)
    cpu = ex.asarray(x).to(name)
    gpu = cpu.to("cuda")
    assert (gpu.device, gpu.nbytes, gpu.dtype) == ("cuda", cpu.nbytes, cpu.dtype)
    assert repr(gpu) == repr(cpu).replace("device=cpu", "device=cuda")
    there = ex.asarray(x, device="cuda").to(name)
    for tensor in (gpu, there, gpu.to("cpu")):
        np.testing.assert_array_equal(
            np.asarray(tensor.numpy(), np.float32), np.asarray(cpu.numpy(), np.float32)
        )
    y = (gpu + 1.0) * 2.0
    assert y.device == "cuda"
    np.testing.assert_allclose(
        np.asarray(y.numpy(), np.float32), np.asarray(((cpu + 1.0) * 2.0).numpy(), np.float32)
    )


def test_two_devices_do_not_mix() -> None:
    a, b = ex.asarray([1.0]), ex.asarray([1.0], device="cuda")
    with pytest.raises(DispatchError, match="two devices"):
        a + b


@pytest.mark.parametrize("recipe", ["fp32", "mxfp4-sr", "mxfp4-rht-sr", "nvfp4", "nvfp4-grad"])
def test_a_step_of_lenet(recipe: str) -> None:
    """The packed operands of every product are the CPU's, so gradients agree as sums do."""
    from extensor.models import LeNet5

    x = np.random.default_rng(3).standard_normal((16, 1, 28, 28)).astype(np.float32)
    labels = np.arange(16) % 10
    grads = []
    for device in ("cpu", "cuda"):
        model = LeNet5(recipe=recipe, key=ex.key(0)).to(device)
        loss = ex.cross_entropy(
            model(ex.asarray(x, device=device), key=ex.key(1)), ex.asarray(labels, device=device)
        )
        loss.backward(key=ex.key(2))
        grads.append(
            {n: p.grad.numpy() for n, p in model.parameters().items() if p.grad is not None}
        )
        optimizer = ex.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        optimizer.step()
        grads[-1] |= {f"new {n}": p.numpy() for n, p in model.parameters().items()}
    for name, cpu in grads[0].items():
        error = np.linalg.norm(grads[1][name] - cpu) / np.linalg.norm(cpu)
        # A sum that rounds otherwise may push a number over a rounding edge of its format.
        assert error < (1e-5 if recipe == "fp32" else 0.05), (name, error)
