"""Derivatives of functions: ``vjp``, ``jvp``, ``grad``, ``value_and_grad``.

Each runs ``f`` on operands of its own, so nothing is stored in ``.grad`` and operands need no
``requires_grad``. They nest: where an operand already has a graph, the answer has one too, which
makes second derivatives. A layer under a recipe has a first derivative only (`Recipe`).
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, overload

from extensor import autograd
from extensor.autograd import pull
from extensor.errors import GraphError, ShapeError
from extensor.ops.mode import grad_enabled, graph
from extensor.ops.shape import reshape
from extensor.tensor import ExTensor, asarray


class _Call:
    """``f`` applied to operands of its own.

    given, own
        The operands as tensors, and what stands for each float one: a leaf, or (where the operand
        has a graph already) a tensor that leads on to it.
    ys, one
        The answers, and whether there is a single one that is no tuple.
    """

    def __init__(self, name: str, f: Callable[..., Any], xs: Sequence[Any]) -> None:
        self.name, self.outer = name, grad_enabled()
        self.given = [x if isinstance(x, ExTensor) else asarray(x) for x in xs]
        with graph(True):
            self.own = [self._own(x) for x in self.given]
            answer = f(*self.own)
        self.one = not isinstance(answer, tuple)
        self.ys: tuple[Any, ...] = (answer,) if self.one else answer
        for y in self.ys:
            if not isinstance(y, ExTensor):
                raise GraphError(
                    f"{name}: f gave {type(y).__name__}; allowed: a tensor, or a tuple of tensors"
                )

    def _own(self, x: ExTensor) -> ExTensor:
        if not x.dtype.is_float:
            return x
        if x.requires_grad and self.outer:
            return reshape(x, shape=x.shape)  # type: ignore[no-any-return]
        return ExTensor(x.storage, requires_grad=True)

    @property
    def nested(self) -> bool:
        """Whether an operand has a graph that the answers must lead on to."""
        return self.outer and any(x.requires_grad for x in self.given)

    def values(self, with_graph: bool) -> Any:
        """What ``f`` gave."""
        ys = self.ys if with_graph else tuple(y.detach() for y in self.ys)
        return ys[0] if self.one else ys

    def parts(self, gs: Sequence[Any], create_graph: bool) -> list[Any]:
        """The gradient of every operand for these gradients of the answers; None for integers."""
        roots = [(y, g) for y, g in zip(self.ys, gs, strict=True) if y.requires_grad]
        floats = [x for x in self.own if x.requires_grad]
        found = iter(pull(roots, floats, create_graph))
        return [_or_zero(next(found), x) if x.requires_grad else None for x in self.own]


def _or_zero(g: Any, x: ExTensor) -> Any:
    return x.full_like(0.0) if g is None else g


def _like(name: str, vs: Sequence[Any], xs: Sequence[ExTensor], what: str) -> list[Any]:
    """Tensors of the shapes of ``xs``; None where x is not a float."""
    if len(vs) != len(xs):
        raise ShapeError(f"{name}: {len(vs)} {what}; allowed: {len(xs)}, one for each")
    made: list[Any] = []
    for v, x in zip(vs, xs, strict=True):
        if v is None or not x.dtype.is_float:
            made.append(None)
            continue
        v = v if isinstance(v, ExTensor) else asarray(v)
        if v.shape != x.shape:
            raise ShapeError(f"{name}: {what} of shape {v.shape}; allowed: {x.shape}")
        made.append(v)
    return made


def vjp(f: Callable[..., Any], *xs: Any) -> tuple[Any, Callable[[Any], tuple[Any, ...]]]:
    """``f(*xs)``, and a function that takes gradients back: ``g`` to ``gᵀ df/dx`` for every x.

    f
        A function of tensors that gives a tensor, or a tuple of them.
    xs
        Tensors, or what `asarray` takes; integers are passed on and their gradient is None.

    The function may be called many times, with a gradient for the answer (a tuple for a tuple).

    >>> import extensor as ex
    >>> y, back = ex.vjp(lambda a, b: a * b, [2.0, 3.0], [5.0, 7.0])
    >>> y.tolist(), [g.tolist() for g in back([1.0, 10.0])]
    ([10.0, 21.0], [[5.0, 70.0], [2.0, 30.0]])
    """
    call = _Call("vjp", f, xs)

    def back(g: Any) -> tuple[Any, ...]:
        gs = _like("vjp", (g,) if call.one else g, call.ys, "gradients")
        gs = [_or_zero(g, y) for g, y in zip(gs, call.ys, strict=True)]
        return tuple(call.parts(gs, call.nested or any(g.requires_grad for g in gs)))

    return call.values(call.nested), back


def jvp(f: Callable[..., Any], xs: Sequence[Any], vs: Sequence[Any]) -> tuple[Any, Any]:
    """``f(*xs)`` and its derivative along ``vs``: ``sum of df/dx v``.

    vs
        One tensor of the shape of each x; None counts as zero.

    Forward derivatives come from two backward passes, ``d(u -> uᵀ J)/du = J``: every gradient is
    written in ops and linear in u. About three times the work of ``f``, whatever the sizes.
    (J. Townsend, "A new trick for calculating Jacobian vector products", 2017.)

    >>> import extensor as ex
    >>> y, dy = ex.jvp(lambda x: x * x * x, [[1.0, 2.0]], [[1.0, 0.5]])
    >>> y.tolist(), dy.tolist()
    ([1.0, 8.0], [3.0, 6.0])
    """
    call = _Call("jvp", f, xs)
    along = _like("jvp", vs, call.given, "directions")
    us = [ExTensor(y.full_like(0.0).storage, requires_grad=True) for y in call.ys]
    with graph(True):
        parts = call.parts(us, True)
        roots = [
            (g, v) for g, v in zip(parts, along, strict=True)
            if v is not None and g is not None and g.requires_grad
        ]  # fmt: skip
        found = pull(roots, us, call.nested or any(v.requires_grad for _, v in roots))
    dys = tuple(_or_zero(dy, y) for dy, y in zip(found, call.ys, strict=True))
    return call.values(call.nested), dys[0] if call.one else dys


def _is_tree(x: Any) -> bool:
    """Whether an argument holds several operands; nested lists of numbers are one operand."""
    if isinstance(x, list | tuple):
        return any(isinstance(item, ExTensor) or hasattr(item, "dtype") or _is_tree(item)
                   for item in x)  # fmt: skip
    return isinstance(x, dict)


def _flat(tree: Any) -> list[Any]:
    """The operands in nested dicts, lists and tuples, in order."""
    if not _is_tree(tree):
        return [tree]
    return [x for item in (tree.values() if isinstance(tree, dict) else tree) for x in _flat(item)]


def _filled(tree: Any, values: Iterator[Any]) -> Any:
    """The tree with the next of ``values`` in each place."""
    if not _is_tree(tree):
        return next(values)
    if isinstance(tree, dict):
        return {name: _filled(item, values) for name, item in tree.items()}
    return type(tree)(_filled(item, values) for item in tree)


def value_and_grad(
    f: Callable[..., Any], argnums: int | tuple[int, ...] = 0, *, create_graph: bool = False
) -> Callable[..., Any]:
    """A function that gives ``(f(*args), df/d argument)``; f gives a tensor of one number.

    argnums
        Which argument, or a tuple of them (then gradients come as a tuple). An argument is a
        tensor, an array, or a dict, list or tuple of them, and its gradient has the same form:
        zeros where f does not depend on it, None for integers.
    create_graph
        Whether value and gradient get a graph that leads to tensors which f takes from its
        surroundings; arguments that require a gradient always have one.

    >>> import extensor as ex
    >>> loss = lambda p, x: (p["w"] * x + p["b"]).sum()
    >>> p = {"w": ex.asarray([2.0]), "b": ex.asarray([1.0])}
    >>> value, g = ex.value_and_grad(loss)(p, ex.asarray([3.0]))
    >>> value.item(), {name: x.tolist() for name, x in g.items()}
    (7.0, {'w': [3.0], 'b': [1.0]})
    """
    numbers = (argnums,) if isinstance(argnums, int) else tuple(argnums)

    def run(*args: Any, **kwargs: Any) -> tuple[Any, Any]:
        for n in numbers:
            if not -len(args) <= n < len(args):
                raise ShapeError(f"grad: argnums={argnums} of {len(args)} arguments")
        chosen = [args[n] for n in numbers]

        def inner(*flat: Any) -> Any:
            values, full = iter(flat), list(args)
            for n in numbers:
                full[n] = _filled(args[n], values)
            return f(*full, **kwargs)

        call = _Call("grad", inner, [x for tree in chosen for x in _flat(tree)])
        (y,) = call.ys
        if y.size != 1:
            raise ShapeError(f"grad: f gave shape {y.shape}; allowed: one number; use ex.vjp")
        with_graph = create_graph or call.nested
        parts = iter(call.parts([y.full_like(1.0)], with_graph))
        grads = tuple(_filled(tree, parts) for tree in chosen)
        return call.values(with_graph), grads[0] if isinstance(argnums, int) else grads

    return run


@overload
def grad(
    y: ExTensor, xs: Sequence[Any], g: Any = None, *, create_graph: bool = False
) -> list[Any]: ...


@overload
def grad(
    y: Callable[..., Any], *, argnums: int | tuple[int, ...] = 0, create_graph: bool = False
) -> Callable[..., Any]: ...


def grad(
    y: Any,
    xs: Any = None,
    g: Any = None,
    *,
    argnums: int | tuple[int, ...] = 0,
    create_graph: bool = False,
) -> Any:
    """Of a tensor: ``d y / d x`` of every x, None where y does not depend on it; nothing is stored.
    Of a function: the function that gives its derivative (`value_and_grad` without the value).

    xs
        Leaves, or tensors on the way from leaves to y.
    create_graph
        Whether the gradients get a graph of their own.

    >>> import extensor as ex
    >>> x = ex.asarray([3.0], requires_grad=True)
    >>> (dx,) = ex.grad((x * x * x).sum(), [x], create_graph=True)
    >>> ex.grad(dx.sum(), [x])[0].tolist()       # 6 x
    [18.0]
    >>> second = ex.grad(ex.grad(lambda x: x * x * x))
    >>> second(3.0).item()
    18.0
    """
    if isinstance(y, ExTensor):
        if xs is None:
            raise GraphError("grad: of a tensor for nothing; allowed: ex.grad(y, [x, ...])")
        return autograd.grad(y, xs, g, create_graph=create_graph)
    both = value_and_grad(y, argnums, create_graph=create_graph)
    return lambda *args, **kwargs: both(*args, **kwargs)[1]
