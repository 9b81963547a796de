"""Layers under a recipe: a linear layer and a convolution whose three GEMMs take the operands
that the recipe names.

A convolution is the linear layer of its patches: T = N Ho Wo rows, K = C kh kw columns. Operands
are quantized from the raw x, W and g. The x of wgrad is quantized at forward and saved packed, so
a layer keeps no float32 activation. Each GEMM owns the keys of its two operands: they share the
signs of a rotation, and never a draw.
"""

from dataclasses import replace
from typing import Any, Literal, NamedTuple

import numpy as np

from extensor.backend import as_array, contiguous
from extensor.errors import GraphError, KeyMissingError, ShapeError
from extensor.formats import Element
from extensor.kernels.front import (
    encode_elements,
    fold,
    images_of,
    patches,
    quantize_patches,
    rows_of,
)
from extensor.kernels.window import out_size
from extensor.noise import Key
from extensor.ops.conv import conv2d, conv2d_input_grad, conv2d_weight_grad
from extensor.ops.convert import arrays_of
from extensor.ops.linear import matmul
from extensor.ops.mode import grad_enabled
from extensor.ops.registry import Op, Sample, op
from extensor.quantizer import Quantizer, draw_signs
from extensor.recipe import GEMMS, Operand, Recipe
from extensor.storage import Blocked, Coded, Native, Storage

Pair = tuple[int, int]
PLAIN = Recipe("fp32")
NOTHING: tuple[None, None] = (None, None)


class Gemm(NamedTuple):
    """One GEMM of one call: its two operands' quantizers and their keys."""

    first: Operand
    second: Operand
    keys: tuple[Key | None, Key | None]


def gemm_of(recipe: Recipe, name: str, key: Key | None) -> Gemm:
    """The quantizers of a GEMM with this call's signs, and one key for each operand."""
    first, second = getattr(recipe, name)
    if key is None:
        return Gemm(first, second, (None, None))
    own = key.fold(list(GEMMS).index(name))
    if recipe.fresh_signs:
        signs = own.fold(2)
        first, second = (
            q.with_signs(signs) if isinstance(q, Quantizer) else q for q in (first, second)
        )
    return Gemm(first, second, (own.fold(0), own.fold(1)))


def operand(x: Any, q: Operand, axis: int, key: Key | None) -> Storage:
    """A matrix as the GEMM takes it: quantized along ``axis``, cast, or as it is."""
    if isinstance(q, Quantizer):
        return q.apply(x, axis=axis, key=key)
    if isinstance(q, Element):
        return Coded(encode_elements(x, q), q)
    return Native(x)


def transposed(x: Storage) -> Storage:
    """The transpose of a matrix; packed rows stay as they are."""
    if isinstance(x, Blocked):
        return Blocked(x.rows, x.shape[::-1], 1 - x.axis, x.transform)
    if isinstance(x, Coded):
        return Coded(x.codes.T, x.dtype)
    return Native(x.array.T)


def product(a: Storage, b: Storage, exact: bool) -> Any:
    """``a @ b`` in float32, prescales undone (16/9 for two operands prescaled by 3/4)."""
    a, b = (Native(arrays_of(s)) if isinstance(s, Coded) else s for s in (a, b))
    y = matmul.run((a, b), {"exact": exact}).array
    undo = 1.0
    for s in (a, b):
        if isinstance(s, Blocked) and s.transform is not None:
            undo *= s.transform.prescale
    return y if undo == 1.0 else y * np.float32(1.0 / undo)


def _check_once_differentiable(name: str) -> None:
    if grad_enabled():
        raise GraphError(
            f"{name}: a layer under a recipe has no second derivative (rounding is taken as the "
            "identity once); use recipe fp32 with create_graph=True"
        )


def _matrix(x: Any) -> Any:
    return contiguous(x.reshape(-1, x.shape[-1]))


def check_key(recipe: Recipe, key: Key | None) -> None:
    """A recipe that draws random words needs a key; without a graph only fprop counts."""
    needed = recipe if grad_enabled() else replace(recipe, dgrad=NOTHING, wgrad=NOTHING)
    if needed.needs_key and key is None:
        raise KeyMissingError(
            f"recipe {recipe.name} rounds stochastically and key=None; call model(x, key=key), or "
            "use ex.no_grad() to evaluate a recipe whose forward product draws nothing"
        )


# linear -----------------------------------------------------------------------------------------
def _linear(
    x: Any, w: Any, recipe: Recipe = PLAIN, key: Key | None = None, exact: bool = False
) -> Any:
    if w.ndim != 2 or x.ndim < 1 or x.shape[-1] != w.shape[1]:
        raise ShapeError(f"linear: shapes {x.shape} and {w.shape}; allowed: (..., K) and (N, K)")
    check_key(recipe, key)
    rows = _matrix(x)
    fprop, wgrad = gemm_of(recipe, "fprop", key), gemm_of(recipe, "wgrad", key)
    qx = operand(rows, fprop.first, 1, fprop.keys[0])
    qw = operand(w, fprop.second, 1, fprop.keys[1])
    y = product(qx, transposed(qw), exact).reshape(*x.shape[:-1], w.shape[0])
    return Native(y), operand(rows, wgrad.second, 0, wgrad.keys[1]) if grad_enabled() else None


def _linear_grad(
    g: Any, y: Any, x: Any, w: Any, aux: Any,
    recipe: Recipe = PLAIN, key: Key | None = None, exact: bool = False,
) -> tuple[Any, ...]:  # fmt: skip
    _check_once_differentiable("linear")
    rows = _matrix(arrays_of(g.storage))
    dgrad, wgrad = gemm_of(recipe, "dgrad", key), gemm_of(recipe, "wgrad", key)
    dx = None
    if x.requires_grad:
        qg = operand(rows, dgrad.first, 1, dgrad.keys[0])
        qw = operand(w.storage.array, dgrad.second, 0, dgrad.keys[1])
        dx = type(g)(Native(product(qg, qw, exact).reshape(x.shape)))
    qg = operand(rows, wgrad.first, 0, wgrad.keys[0])
    return dx, type(g)(Native(product(transposed(qg), aux, exact)))


# convolution ------------------------------------------------------------------------------------
def _patch_operand(
    x: Any, how: tuple[Pair, Pair, Pair], q: Operand, axis: int, key: Key | None
) -> Storage:
    """The (T, K) patches of images as the GEMM takes them, quantized along K (axis 1) or T.

    Patches are quantized as they are gathered (on a CPU where they are not rotated): the matrix,
    kh kw times the image, is never made.
    """
    if isinstance(q, Quantizer):
        q.check_key(key)
        along: Literal["K", "T"] = "K" if axis == 1 else "T"
        signs = draw_signs(q.signs, q.hadamard) if q.hadamard else ()
        rows = quantize_patches(
            x, *how, fmt=q.fmt, choice=q.choice, key=key, along=along,
            hadamard=q.hadamard or 0, signs=signs,
        )  # fmt: skip
        ho, wo = out_size("conv2d", x.shape[2:], *how)
        shape = (len(x) * ho * wo, x.shape[1] * how[0][0] * how[0][1])
        return Blocked(rows, shape, axis, q.transform(signs))
    return operand(patches(x, *how), q, axis, key)


def _conv(
    x: Any, w: Any, stride: Pair = (1, 1), padding: Pair = (0, 0),
    recipe: Recipe = PLAIN, key: Key | None = None, exact: bool = False,
) -> Any:  # fmt: skip
    if x.ndim != 4 or w.ndim != 4 or x.shape[1] != w.shape[1]:
        raise ShapeError(
            f"conv2d: shapes {x.shape} and {w.shape}; allowed: (N, C, H, W) and (O, C, kh, kw)"
        )
    check_key(recipe, key)
    kernel = w.shape[2:]
    fprop, wgrad = gemm_of(recipe, "fprop", key), gemm_of(recipe, "wgrad", key)
    plain_fprop = fprop.first is None and fprop.second is None
    plain_wgrad = (wgrad.first is None and wgrad.second is None) or not grad_enabled()
    how = (kernel, stride, padding)
    saved = Native(x) if plain_wgrad else _patch_operand(x, how, wgrad.second, 0, wgrad.keys[1])
    if plain_fprop:
        return conv2d.run((Native(x), Native(w)), {"stride": stride, "padding": padding}), saved
    ho, wo = out_size("conv2d", x.shape[2:], *how)
    qx = _patch_operand(x, how, fprop.first, 1, fprop.keys[0])
    qw = operand(w.reshape(len(w), -1), fprop.second, 1, fprop.keys[1])
    y = product(qx, transposed(qw), exact)
    return Native(images_of(y, len(x), ho, wo)), saved


def _conv_grad(
    g: Any, y: Any, x: Any, w: Any, aux: Any, stride: Pair = (1, 1), padding: Pair = (0, 0),
    recipe: Recipe = PLAIN, key: Key | None = None, exact: bool = False,
) -> tuple[Any, ...]:  # fmt: skip
    _check_once_differentiable("conv2d")
    array, how = arrays_of(g.storage), {"stride": stride, "padding": padding}
    dgrad, wgrad = gemm_of(recipe, "dgrad", key), gemm_of(recipe, "wgrad", key)
    plain_dgrad = dgrad.first is None and dgrad.second is None
    plain_wgrad = wgrad.first is None and wgrad.second is None
    rows = None if plain_dgrad and plain_wgrad else rows_of(array)
    dx: Storage | None = None
    if x.requires_grad and plain_dgrad:
        dx = conv2d_input_grad.run((Native(array), w.storage), {"x_shape": x.shape, **how})
    elif x.requires_grad:
        qg = operand(rows, dgrad.first, 1, dgrad.keys[0])
        qw = operand(w.storage.array.reshape(len(w), -1), dgrad.second, 0, dgrad.keys[1])
        dx = Native(fold(product(qg, qw, exact), x.shape, w.shape[2:], stride, padding))
    if plain_wgrad:
        dw = conv2d_weight_grad.run((Native(array), aux), {"w_shape": w.shape, **how})
    else:
        qg = operand(rows, wgrad.first, 0, wgrad.keys[0])
        dw = Native(product(transposed(qg), aux, exact).reshape(w.shape))
    return (None if dx is None else type(g)(dx)), type(g)(dw)


# fmt: off
linear: Op = op("linear", _linear, _linear_grad,
            "x Wᵀ, the three GEMMs under a recipe", saves=(1,), aux=True, method=False, smooth=1,
            samples=(Sample(((3, 4), (5, 4))), Sample(((2, 3, 4), (5, 4)))))
conv: Op = op("conv", _conv, _conv_grad,
          "conv2d as a product of patches, the three GEMMs under a recipe",
          saves=(1,), aux=True, smooth=1, method=False,
          samples=(Sample(((2, 3, 6, 6), (4, 3, 3, 3))),))
# fmt: on


def linear_gemms(
    recipe: Recipe, x: Any, w: Any, g: Any, *, key: Key | None = None, exact: bool = False
) -> tuple[Any, Any, Any]:
    """The three GEMMs of ``y = x Wᵀ`` under a recipe: arrays (y, dx, dw).

    x: (T, K), w: (N, K), g: (T, N); for judging a recipe alone.

    >>> import numpy as np
    >>> one = np.ones((32, 32), np.float32)
    >>> [float(product[0, 0]) for product in linear_gemms(PLAIN, one, one, one)]
    [32.0, 32.0, 32.0]
    """
    x, w, g = (contiguous(as_array(t).astype(np.float32, copy=False)) for t in (x, w, g))
    check_key(recipe, key)
    f, d, v = (gemm_of(recipe, name, key) for name in GEMMS)
    y = product(operand(x, f.first, 1, f.keys[0]),
                transposed(operand(w, f.second, 1, f.keys[1])), exact)  # fmt: skip
    dx = product(operand(g, d.first, 1, d.keys[0]), operand(w, d.second, 0, d.keys[1]), exact)
    dw = product(transposed(operand(g, v.first, 0, v.keys[0])),
                 operand(x, v.second, 0, v.keys[1]), exact)  # fmt: skip
    return y, dx, dw
