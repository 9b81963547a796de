"""A product of ours inside of PyTorch: checks, memory that both see, and a place in its graph."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils.dlpack import from_dlpack

from extensor.autograd import grad
from extensor.backend import DEVICES, check_device, current_device, stream_pointer
from extensor.errors import DispatchError, DTypeError, GraphError
from extensor.ops.mode import graph
from extensor.tensor import ExTensor, asarray

Run = Callable[[ExTensor, ExTensor], ExTensor]
"""A product of (x, w) under a recipe, its key chosen."""


def check(name: str, x: Tensor, weight: Tensor) -> None:
    """Raise before anything is computed: DTypeError, DispatchError."""
    for what, t in (("input", x), ("weight", weight)):
        if t.dtype != torch.float32:
            raise DTypeError(
                f"{name}: {what} of {t.dtype}; allowed: torch.float32 (the recipe says in which "
                "format it is multiplied); use .float(), or torch.autocast around the model"
            )
    if x.device != weight.device or x.device.type not in DEVICES:
        raise DispatchError(
            f"{name}: input on {x.device}, weight on {weight.device}; allowed: both on the CPU, or "
            "both on one CUDA device"
        )
    if x.device.type == "cuda":
        _check_queue(name, x)


def _check_queue(name: str, x: Tensor) -> None:
    """Both libraries must queue on one stream: PyTorch hands memory on in the order of its own."""
    check_device("cuda")
    here = (current_device(), stream_pointer())
    there = (x.device.index, torch.cuda.current_stream(x.device).cuda_stream)
    if here != there:
        raise DispatchError(
            f"{name}: PyTorch queues on (GPU, stream) {there}, extensor on {here}; use one GPU a "
            "process and the default stream"
        )


def ours(t: Tensor, requires_grad: bool = False) -> ExTensor:
    """The same memory as a tensor of ours; copied where it is not in row-major order.

    >>> theirs(ours(torch.ones(2, 3))).shape
    torch.Size([2, 3])
    """
    return asarray(t.detach().contiguous(), requires_grad=requires_grad)


def theirs(t: ExTensor) -> Tensor:
    """The same memory as a tensor of PyTorch, in row-major order as its own layers answer."""
    return from_dlpack(t.detach()).contiguous()


class Product(torch.autograd.Function):
    """One layer's three GEMMs: the graph of ours, hung into that of PyTorch.

    A small graph of ours lives in each node of theirs; it keeps of x what the recipe's wgrad
    takes, packed.

    >>> x, w = torch.ones(2, 3, requires_grad=True), torch.ones(4, 3)
    >>> y = Product.apply(x, w, lambda a, b: a @ b.T, True)
    >>> torch.autograd.grad(y.sum(), x)[0].tolist()
    [[4.0, 4.0, 4.0], [4.0, 4.0, 4.0]]
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, w: Tensor, run: Run, saves_x: bool) -> Any:
        """The product; ``saves_x`` says that x itself is read again by the gradient."""
        a, b = (ours(t, need) for t, need in zip((x, w), ctx.needs_input_grad[:2], strict=True))
        with graph(True):
            y = run(a, b)
        # PyTorch notices if one of these is changed before the gradient is asked for.
        ctx.save_for_backward(*((x, w) if saves_x else (w,)))
        ctx.graph = (y, a, b)
        return theirs(y)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        """Of x and w, as far as they are needed; GraphError where they need a graph in turn."""
        if torch.is_grad_enabled():
            raise GraphError(
                "backward: a layer under a recipe has no second derivative (rounding is taken as "
                "the identity once); leave create_graph out, or apply recipe 'fp32'"
            )
        _ = ctx.saved_tensors
        y, a, b = ctx.graph
        needed = [t for t in (a, b) if t.requires_grad]
        found = iter(grad(y, needed, ours(gradients[0])))
        dx, dw = (theirs(next(found)) if t.requires_grad else None for t in (a, b))
        return dx, dw, None, None
