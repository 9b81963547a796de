"""Einstein sums, made of permutations, matrix products and sums of the op table."""

from collections.abc import Hashable, Sequence
from math import prod
from typing import Any

import numpy as np

from extensor import ops
from extensor.errors import FormatError, ShapeError
from extensor.formats import BF16, FP16, FP32, compute, promote_all
from extensor.functions.operands import tensor
from extensor.tensor import ExTensor

Labels = tuple[Hashable, ...]
"""A name for each axis: a letter, or the number of an axis that ``...`` stands for, from the
last: -1, -2."""


class _Term:
    """A tensor whose axes have names, each name once."""

    def __init__(self, x: ExTensor, labels: Labels) -> None:
        self.x, self.labels = x, labels

    def ordered(self, *parts: Sequence[Hashable]) -> ExTensor:
        """Axes in this order, each part in one axis."""
        axes = tuple(self.labels.index(a) for part in parts for a in part)
        x = self.x if axes == tuple(range(len(axes))) else ops.permute(self.x, axes=axes)
        shape = tuple(prod(self.length(a) for a in part) for part in parts)
        return x if x.shape == shape else ops.reshape(x, shape=shape)

    def length(self, label: Hashable) -> int:
        """How long the axis of this name is."""
        return self.x.shape[self.labels.index(label)]

    def only(self, wanted: set[Hashable]) -> "_Term":
        """Summed over the axes that nobody wants."""
        gone = tuple(i for i, a in enumerate(self.labels) if a not in wanted)
        if not gone:
            return self
        return _Term(ops.sum(self.x, axis=gone), tuple(a for a in self.labels if a in wanted))


def _split(equation: str, ndims: Sequence[int]) -> tuple[list[Labels], Labels]:
    """The labels of each operand and of the answer."""
    left, arrow, right = equation.replace(" ", "").partition("->")
    terms = left.split(",")
    if len(terms) != len(ndims):
        raise FormatError(
            f"einsum: {equation!r} names {len(terms)} operands, {len(ndims)} came; allowed: as many"
        )
    inputs = [_labels(equation, term, ndim) for term, ndim in zip(terms, ndims, strict=True)]
    dots = sorted({a for labels in inputs for a in labels if isinstance(a, int)})
    if not arrow:  # letters that come once, in alphabetical order
        letters = "".join(terms).replace(".", "")
        right = "..." * bool(dots) + "".join(sorted(c for c in letters if letters.count(c) == 1))
    answer = _labels(equation, right, len(right.replace("...", "")) + len(dots) * ("..." in right))
    known = {a for labels in inputs for a in labels}
    if len(set(answer)) < len(answer) or not set(answer) <= known:
        raise FormatError(
            f"einsum: {equation!r}; allowed after '->': letters of operands, each once"
        )
    return inputs, answer


def _labels(equation: str, term: str, ndim: int) -> Labels:
    before, dots, after = term.partition("...")
    if not all(c.isalpha() and c.isascii() for c in before + after):
        raise FormatError(f"einsum: {equation!r}; allowed: letters, commas, '...' and one '->'")
    extra = ndim - len(before + after)
    if extra < 0 or (extra and not dots):
        raise ShapeError(
            f"einsum: {term!r} of {equation!r} names {len(before + after)} axes of a tensor of "
            f"{ndim}; allowed: a letter for each axis, '...' for those left out"
        )
    return (*before, *range(-extra, 0), *after)


def _diagonal(x: ExTensor, labels: Labels) -> _Term:
    """One axis for each name: repeated names take the diagonal."""
    for label in [a for a in dict.fromkeys(labels) if labels.count(a) > 1]:
        same = tuple(i for i, a in enumerate(labels) if a == label)
        lengths = {x.shape[i] for i in same}
        if len(lengths) > 1:
            raise ShapeError(f"einsum: axes {label!r} of shape {x.shape} have unequal lengths")
        rest = tuple(i for i in range(x.ndim) if i not in same)
        x = ops.permute(x, axes=(*same, *rest))
        x = ops.getitem(x, index=(np.arange(lengths.pop()),) * len(same))
        labels = (label, *(labels[i] for i in rest))
    return _Term(x, labels)


def _broadcast(terms: list[_Term]) -> list[_Term]:
    """Axes of length 1 give way to longer ones of that name; ShapeError for other lengths."""
    lengths: dict[Hashable, set[int]] = {}
    for term in terms:
        for label in term.labels:
            lengths.setdefault(label, set()).add(term.length(label))
    for label, found in lengths.items():
        if len(found - {1}) > 1:
            raise ShapeError(
                f"einsum: axes {label!r} have lengths {sorted(found)}; allowed: one length, or 1"
            )
    made = []
    for term in terms:
        short = {a for a in term.labels if term.length(a) == 1 and lengths[a] != {1}}
        axes = tuple(i for i, a in enumerate(term.labels) if a in short)
        kept = tuple(a for a in term.labels if a not in short)
        made.append(_Term(ops.squeeze(term.x, axis=axes), kept) if short else term)
    return made


def _product(a: _Term, b: _Term, wanted: set[Hashable]) -> _Term:
    """Two terms in one; names that nobody wants later are summed over."""
    a, b = a.only(wanted | set(b.labels)), b.only(wanted | set(a.labels))
    both = [n for n in a.labels if n in b.labels]
    batch, inner = [n for n in both if n in wanted], [n for n in both if n not in wanted]
    rows = [n for n in a.labels if n not in both]
    columns = [n for n in b.labels if n not in both]
    shape = tuple(t.length(n) for part, t in ((batch, a), (rows, a), (columns, b)) for n in part)
    lead = [batch] if batch else []
    first, second = a.ordered(*lead, rows, inner), b.ordered(*lead, inner, columns)
    if inner:
        y = ops.matmul(first, second)
    else:  # (..., rows, 1) times (..., 1, columns)
        y = ops.mul(first, second)
    return _Term(ops.reshape(y, shape=shape), (*batch, *rows, *columns))


def einsum(equation: str, /, *operands: Any) -> ExTensor:
    """The sum of products that an equation names, for example ``"bik,bkj->bij"``.

    equation
        A letter for each axis of each operand; letters that the answer does not name are summed
        over. ``...`` stands for axes without a letter, which broadcast. Without ``->`` the answer
        has the letters that come once, in alphabetical order.

    Operands are taken from left to right, two at a time, as matrix products; float16 and bfloat16
    compute in float32 and are rounded once. FormatError for an equation that cannot be read,
    ShapeError for lengths that disagree.

    >>> einsum("ij,jk->ik", [[1, 2], [3, 4]], [[1, 0], [0, 1]]).tolist()
    [[1, 2], [3, 4]]
    >>> einsum("ii", [[1.0, 2.0], [3.0, 4.0]]).item()
    5.0
    """
    xs = [tensor(x) for x in operands]
    if not xs:
        raise ShapeError(f"einsum: {equation!r} without operands; give one or more")
    inputs, answer = _split(equation, [x.ndim for x in xs])
    to = promote_all([compute(x.dtype) for x in xs])
    xs = [x.to(FP32) if x.dtype in (FP16, BF16) else x for x in xs]
    terms = _broadcast([_diagonal(x, labels) for x, labels in zip(xs, inputs, strict=True)])
    total, rest = terms[0], terms[1:]
    for i, term in enumerate(rest):
        later = {n for t in rest[i + 1 :] for n in t.labels}
        total = _product(total, term, later | set(answer))
    y = total.only(set(answer)).ordered(*((n,) for n in answer))
    return y.to(to)
