"""One training step of a small batch, the graph behind it, and products written out by hand."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

import extensor as ex
from extensor.autograd import Node
from extensor.kernels.matmul import matmul
from extensor.kernels.packed import Packed
from extensor.ops.trace import Call
from extensor.recipe import GEMMS, NAMED
from extensor.storage import Blocked

Array = NDArray[Any]
Floats = NDArray[np.float32]

FP4 = tuple(name for name in NAMED if "fp4" in name)
"""The named recipes with a GEMM in FP4."""
PACKED = tuple(name for name in NAMED if "fp4" in name or "mxfp8" in name)
"""The named recipes with a GEMM in a block format."""
LAYERS = {"conv1": (25, 28 * 28), "conv2": (150, 10 * 10), "fc1": (400, 1), "fc2": (120, 1),
          "fc3": (84, 1)}  # fmt: skip
"""LeNet's layers: K, and rows of the GEMM an image."""


def normal(seed: int, *shape: int) -> Floats:
    """Reproducible normal numbers."""
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def lenet_step(recipe: str, images: int = 5) -> tuple[ex.models.LeNet5, Any, list[Call]]:
    """LeNet, the loss of a forward and a backward pass, and the ops that ran."""
    model = ex.models.LeNet5(recipe=recipe, key=ex.key(0))
    labels = ex.asarray(np.arange(images) % 10)
    with ex.trace() as calls:
        loss = ex.cross_entropy(model(normal(1, images, 1, 28, 28), key=ex.key(1)), labels)
        loss.backward()
    return model, loss, calls


def nodes(y: Any) -> Iterator[Node]:
    """All nodes of the graph below a tensor."""
    seen: set[int] = set()
    waiting = [y.node]
    while waiting:
        node = waiting.pop()
        if id(node) not in seen:
            seen.add(id(node))
            waiting += [edge for edge in node.edges if isinstance(edge, Node)]
            yield node


def products(calls: list[Call]) -> list[Call]:
    """The calls that multiply matrices, whatever op did it."""
    names = ("matmul", "conv2d", "conv2d_input_grad", "conv2d_weight_grad")
    return [call for call in calls if call.op in names]


def rows_of(q: ex.ExTensor) -> Packed:
    """The packed rows of a blocked tensor."""
    assert isinstance(q.storage, Blocked)
    return q.storage.rows


def gemm_by_hand(
    recipe: ex.Recipe, gemm: str, key: ex.Key, a: Floats, b: Floats, a_axis: int, b_axis: int
) -> Floats:
    """The product of two matrices that a GEMM of a layer with this key stands for, float32.

    The documented keys, written out: the GEMM's own is ``key.fold(0, 1 or 2)``; its operands draw
    from ``fold(0)`` and ``fold(1)`` of that, its signs from ``fold(2)``.
    """
    own = key.fold(["fprop", "dgrad", "wgrad"].index(gemm))
    quantized: list[Packed] = []
    assert tuple(GEMMS) == ("fprop", "dgrad", "wgrad")
    undo = 1.0
    for number, (x, axis) in enumerate([(a, a_axis), (b, b_axis)]):
        quantizer = getattr(recipe, gemm)[number]
        assert isinstance(quantizer, ex.Quantizer)
        if quantizer.hadamard and recipe.fresh_signs:
            quantizer = replace(quantizer, signs=own.fold(2))
        q = ex.quantize(ex.asarray(x), quantizer, axis=axis, key=own.fold(number))
        quantized.append(rows_of(q))
        undo *= quantizer.prescale
    y = matmul(quantized[0], quantized[1])
    return y if undo == 1.0 else y * np.float32(1 / undo)
