"""``memory``: the bytes of a training step, before a step is made.

The model is copied onto ghosts (`extensor.ghost`): arrays with shape, type and layout and no
numbers. Its forward pass then makes the graph that a real one would make, and what that graph
holds is counted. Nothing is computed, and next to nothing is allocated.
"""

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from extensor.errors import FormatError
from extensor.formats import dtype
from extensor.ghost import ghost
from extensor.held import held
from extensor.nn import Module
from extensor.nn.under import under
from extensor.noise import key as make_key
from extensor.ops import cross_entropy
from extensor.optim import AdamW, Optimizer
from extensor.recipe import Recipe, get
from extensor.storage import Native
from extensor.tensor import ExTensor, asarray

PARTS = ("weights", "batch", "activations", "gradients", "optimizer")
"""What a step holds at its fullest: after the backward pass, before the update."""


class Entry(NamedTuple):
    """One line of the ledger: buffers of one origin and one format.

    part, what
        One of `PARTS`, and what it is of that: the op that saved it, the slot of an optimizer.
    format
        Of the numbers.
    buffers, nbytes
        How many there are, and their bytes.
    """

    part: str
    what: str
    format: str
    buffers: int
    nbytes: int


class Ledger:
    """The bytes of a step, part by part; ``print`` shows the table.

    entries
        A line each.
    """

    def __init__(self, title: str, entries: Sequence[Entry]) -> None:
        self.title, self.entries = title, tuple(entries)

    def __getitem__(self, part: str) -> int:
        """The bytes of one of the parts."""
        if part not in PARTS:
            raise FormatError(f"memory: no part {part!r}; allowed: {', '.join(PARTS)}")
        return sum(entry.nbytes for entry in self.entries if entry.part == part)

    @property
    def nbytes(self) -> int:
        """All of it."""
        return sum(entry.nbytes for entry in self.entries)

    def __str__(self) -> str:
        rows = [(e.part, e.what, e.format, str(e.buffers), f"{e.nbytes:,}") for e in self.entries]
        sums = [(part, "", "", "", f"{self[part]:,}") for part in PARTS if self[part]]
        head = ("part", "of", "format", "buffers", "bytes")
        lines = [head, *rows, ("", "", "", "", ""), *sums, ("all", "", "", "", f"{self.nbytes:,}")]
        widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
        text = [
            "  ".join(
                cell.ljust(width) if i < 3 else cell.rjust(width)
                for i, (cell, width) in enumerate(zip(line, widths, strict=True))
            ).rstrip()
            for line in lines
        ]
        return "\n".join([self.title, *text])

    def __repr__(self) -> str:
        return f"<{self.title}: {self.nbytes:,} bytes>"


def _of_tensor(t: ExTensor) -> ExTensor:
    """A tensor of ghosts in place of a parameter; others as they are."""
    if not isinstance(t.storage, Native) or not t.dtype.is_float:
        return t
    made = ExTensor(Native(ghost(t.shape, t.storage.array.dtype)), t.requires_grad)
    made.grad_quantizer = t.grad_quantizer
    return made


def _tensors(value: Any) -> Iterator[ExTensor]:
    """All tensors in the attributes of a module, in lists and dicts too."""
    if isinstance(value, ExTensor):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _tensors(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _tensors(item)


def _of_model(model: Module, recipe: Recipe | str | None) -> Module:
    """The model on ghosts, under a recipe; None: each layer under its own."""
    known: dict[int, Any] = {}
    for _, module in model.named_modules():
        for tensor in _tensors(vars(module)):
            known[id(tensor)] = _of_tensor(tensor)
    made: Module = copy.deepcopy(model, known)
    if recipe is not None:
        under(made, get(recipe) if isinstance(recipe, str) else recipe)
    return made.train()


def _of_batch(model: Module, batch: Any) -> tuple[ExTensor, ExTensor | None]:
    """(what the model reads, labels or None), without numbers where they are floats."""
    if isinstance(batch, tuple) and len(batch) == 2 and not isinstance(batch[0], int):
        inputs, labels = batch
        return _of_batch(model, inputs)[0], asarray(labels)
    if isinstance(batch, int):
        example = getattr(model, "example", None)
        if example is None:
            raise FormatError(
                f"memory: batch={batch} for a {type(model).__name__}, which has no `example`; give "
                "a shape, a tensor, or (inputs, labels)"
            )
        shape, name = example(batch)
    elif isinstance(batch, tuple):
        shape, name = batch, "float32"
    else:
        tensor = asarray(batch)
        shape, name = tensor.shape, tensor.dtype.name
    storage = dtype(name).storage
    make = ghost if storage.kind == "f" else np.zeros
    return ExTensor(Native(make(shape, storage))), None


def _grouped(part: str, buffers: Sequence[tuple[str, str, int]]) -> list[Entry]:
    """A line for each origin and format, the largest first."""
    lines: dict[tuple[str, str], list[int]] = {}
    for what, fmt, nbytes in buffers:
        lines.setdefault((what, fmt), []).append(nbytes)
    entries = [Entry(part, *names, len(sizes), sum(sizes)) for names, sizes in lines.items()]
    return sorted(entries, key=lambda e: -e.nbytes)


def _of_optimizer(optimizer: Optimizer) -> list[tuple[str, str, int]]:
    """The state of every slot, and the buffers in which updates are made."""
    arrays = [("update", slot.update) for slot in optimizer._slots]
    for name, state in optimizer._state.items():
        arrays += [(name, array) for array in state.values()]
    return [(name, str(array.dtype), array.nbytes) for name, array in arrays]


def memory(
    model: Module,
    recipe: Recipe | str | None = None,
    batch: Any = 1,
    *,
    optimizer: Callable[[dict[str, ExTensor]], Optimizer] = AdamW,
    loss: Callable[[ExTensor, Any], ExTensor] = cross_entropy,
) -> Ledger:
    """The bytes that a training step of ``model`` holds when its backward pass is done.

    recipe
        The recipe of every layer that takes one, or its name; None: those that the layers have.
    batch
        What the model reads: a number of rows (for a model that has `example`), a shape (float32),
        a tensor or an array, or (inputs, labels). Without labels the answer's leading axes are
        labelled, as for classes and for tokens.
    optimizer
        Makes the optimizer from the parameters by name: a class, or a function for one with words
        of its own, such as ``lambda p: ex.optim.SGD(p, 0.1, momentum=0.9)``.
    loss
        ``loss(answer, labels)``, a single number.

    Weights are as they are stored. Activations are all buffers that the graph saves for the
    backward pass, by the op that saved them and their format; the memory of the batch itself and
    of the weights counts as such. Gradients are in the format that `Module.keep_gradients_in`
    asked for. Within `extensor.saved_tensors` activations are packed as they would be. The model
    is not changed.

    FormatError for a number of rows where the model does not say what a row is.

    >>> import extensor as ex
    >>> ledger = ex.memory(ex.models.LeNet5(), "mxfp4-sr", 128)
    >>> ledger["weights"], ledger["gradients"], ledger["optimizer"] > 2 * ledger["weights"]
    (246824, 246824, True)
    """
    own = _of_model(model, recipe)
    inputs, labels = _of_batch(model, batch)
    answer = own(inputs, key=make_key(0))
    if labels is None:
        labels = ExTensor(Native(np.zeros(answer.shape[:-1], np.int64)))
    params = own.parameters()
    total = loss(answer, labels)
    weights = [("parameters", str(p.dtype), p.nbytes) for p in params.values()]
    batch_lines = [(n, str(t.dtype), t.nbytes) for n, t in (("inputs", inputs), ("labels", labels))]
    saved = [
        (b.op, b.what, int(b.array.nbytes)) for b in held(total, [*params.values(), inputs, labels])
    ]
    grads = [("parameters", *_of_gradient(p)) for p in params.values()]
    of = recipe if isinstance(recipe, str) else "its own recipes" if recipe is None else recipe.name
    title = f"memory of {type(model).__name__} under {of}, batch {inputs.dtype}{list(inputs.shape)}"
    parts = (weights, batch_lines, saved, grads, _of_optimizer(optimizer(params)))
    lines = [e for part, found in zip(PARTS, parts, strict=True) for e in _grouped(part, found)]
    return Ledger(title, lines)


def _of_gradient(p: ExTensor) -> tuple[str, int]:
    """(format, bytes) of a parameter's gradient as it waits for the optimizer."""
    if p.grad_quantizer is None:
        return str(p.dtype), p.nbytes
    packed = p.grad_quantizer.apply(ghost(p.shape), key=make_key(0))
    return str(packed.dtype), packed.nbytes
