"""Other projects that do the same, where they are installed. Nothing here fetches or builds one."""

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np


def torchao_quantize(x: Any) -> Callable[[], Any] | None:
    """torchao's eager MXFP4 quantizer on a NumPy array, or None."""
    if not find_spec("torchao"):
        return None
    import torch
    from torchao.prototype.mx_formats.config import ScaleCalculationMode
    from torchao.prototype.mx_formats.mx_tensor import to_mx

    t, mode = torch.from_numpy(x), ScaleCalculationMode.FLOOR
    return lambda: to_mx(t, torch.float4_e2m1fn_x2, 32, mode)


def torchao_dequantize(x: Any) -> Callable[[], Any] | None:
    """torchao's eager MXFP4 dequantizer of a quantized NumPy array, or None."""
    if not find_spec("torchao"):
        return None
    import torch
    from torchao.prototype.mx_formats.mx_tensor import MXTensor

    q = MXTensor.to_mx(torch.from_numpy(x), torch.float4_e2m1fn_x2, 32)
    return lambda: q.dequantize(torch.float32)


def ml_dtypes_cast(x: Any) -> Callable[[], Any]:
    """ml_dtypes' cast of the elements alone: no scales, no packing."""
    import ml_dtypes

    return lambda: x.astype(ml_dtypes.float4_e2m1fn)


def torch_lenet(batch: int, threads: int) -> Callable[[], Any] | None:
    """One training step of LeNet-5 in PyTorch eager float32, or None."""
    if not find_spec("torch"):
        return None
    import torch

    nn = torch.nn
    torch.set_num_threads(threads)
    model = nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10),
    )  # fmt: skip
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    rng = np.random.default_rng(0)
    x = torch.from_numpy(rng.standard_normal((batch, 1, 28, 28)).astype(np.float32))
    y = torch.from_numpy(rng.integers(0, 10, batch))
    loss_of = nn.CrossEntropyLoss()

    def step() -> float:
        optimizer.zero_grad()
        loss = loss_of(model(x), y)
        loss.backward()
        optimizer.step()
        return float(loss.item())

    return step
