"""Facts about a step that are counted, not estimated: bytes saved, bytes of gradients, hashes."""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from extensor.data import Dataset
from extensor.held import held
from extensor.tensor import ExTensor


class Memory(NamedTuple):
    """What one step holds besides the parameters and the optimizer's state.

    saved_nbytes
        Of everything the graph keeps from the forward pass for the backward pass.
    grad_dtype, grad_nbytes
        The format of the parameters' gradients, and what they take together.
    without_gradient
        The parameters whose gradient is missing, or zero everywhere.
    """

    saved_nbytes: int
    grad_dtype: str
    grad_nbytes: int
    without_gradient: tuple[str, ...]


def memory_of(loss: ExTensor, params: Mapping[str, ExTensor]) -> Memory:
    """The memory of a step, asked after ``loss.backward()`` and before ``zero_grad()``."""
    grads = {name: p.grad for name, p in params.items()}
    present = [g for g in grads.values() if g is not None]
    return Memory(
        saved_nbytes(loss, params.values()),
        ", ".join(sorted({str(g.dtype) for g in present})),
        sum(g.nbytes for g in present),
        tuple(name for name, g in grads.items() if g is None or not g.numpy().any()),
    )


def saved_nbytes(y: ExTensor, params: Iterable[ExTensor]) -> int:
    """Bytes of all buffers that the graph of ``y`` holds, parameters not counted, each once.

    >>> from extensor.tensor import asarray
    >>> x = asarray([1.0, 2.0, 3.0], requires_grad=True)
    >>> saved_nbytes((x.exp() * 2).sum(), [x])       # exp keeps its answer
    12
    """
    return sum(int(buffer.array.nbytes) for buffer in held(y, params))


def weights_sha256(params: Mapping[str, ExTensor]) -> str:
    """One hash of all parameters: names, shapes and bits, in the order of the names."""
    total = hashlib.sha256()
    for name in sorted(params):
        array = np.ascontiguousarray(params[name].numpy())
        total.update(f"{name} {array.shape} {array.dtype}\n".encode())
        total.update(array.data)
    return total.hexdigest()


def data_hash(data: Dataset) -> str:
    """Twelve letters that tell two data sets apart."""
    facts = f"{data.name} {data.images.shape} {data.mean} {data.std}"
    return arrays_hash(facts, data.images, data.labels)


def arrays_hash(facts: str, *arrays: NDArray[Any]) -> str:
    """Twelve letters that tell facts and arrays from others.

    >>> arrays_hash("two", np.zeros(2)) == arrays_hash("two", np.ones(2))
    False
    """
    total = hashlib.sha256(facts.encode())
    for array in arrays:
        total.update(np.ascontiguousarray(array).data)
    return total.hexdigest()[:12]
