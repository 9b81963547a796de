"""Layers under a recipe: a linear layer and a convolution whose three GEMMs take the operands
that the recipe names.

A convolution is the linear layer of its patches: T = N Ho Wo rows, K = C kh kw columns. Operands
are quantized from the raw x, W and g. The x of wgrad is quantized at forward and saved packed, so
a layer keeps no float32 activation. Operands: `extensor.ops.operands`; recipes whose backward
products depend on how fprop quantized: `extensor.ops.forward_basis`.
"""

from dataclasses import replace
from typing import Any, Literal

import numpy as np

from extensor.backend import as_array, contiguous
from extensor.errors import FormatError, GraphError, KeyMissingError, ShapeError
from extensor.kernels.front import (
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
from extensor.ops.forward_basis import gradient_of, trusted, values_of
from extensor.ops.mode import grad_enabled
from extensor.ops.operands import Gemm, gemm_of, product, taker, transposed
from extensor.ops.registry import Op, Sample, op
from extensor.quantizer import Quantizer, draw_signs
from extensor.recipe import Recipe
from extensor.storage import Blocked, Native, Storage

Pair = tuple[int, int]
PLAIN = Recipe("fp32")
NOTHING: tuple[None, None] = (None, None)


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
    qx, y = _fprop(rows, w, recipe, key, exact)
    answer = Native(y.reshape(*x.shape[:-1], w.shape[0]))
    return answer, _kept(rows, qx, recipe, key) if grad_enabled() else None


def _fprop(x: Any, w: Any, recipe: Recipe, key: Key | None, exact: bool) -> tuple[Storage, Any]:
    """x as the product took it, and the product."""
    fprop = gemm_of(recipe, "fprop", key)
    qx, qw = fprop.take(0, x, 1), fprop.take(1, w, 1)
    return qx, product(qx, transposed(qw), exact)


def _kept(x: Any, qx: Storage, recipe: Recipe, key: Key | None) -> Any:
    """The x of wgrad, quantized; with a trust mask where the recipe has one."""
    source = values_of(qx) if recipe.requantize else x
    saved = gemm_of(recipe, "wgrad", key).take(1, source, 0)
    mask = trusted(x, recipe.fprop[0], qx) if recipe.looks_back else None
    if not recipe.looks_back:
        return saved
    return saved, mask, qx.transform if isinstance(qx, Blocked) else None


def _linear_grad(
    g: Any, y: Any, x: Any, w: Any, aux: Any,
    recipe: Recipe = PLAIN, key: Key | None = None, exact: bool = False,
) -> tuple[Any, ...]:  # fmt: skip
    _check_once_differentiable("linear")
    rows = _matrix(arrays_of(g.storage))
    dx, dw = _backward(rows, w.storage.array, aux, recipe, key, exact, x.requires_grad)
    return None if dx is None else type(g)(Native(dx.reshape(x.shape))), type(g)(Native(dw))


def _backward(
    g: Any, w: Any, aux: Any, recipe: Recipe, key: Key | None, exact: bool, want_dx: bool
) -> tuple[Any, Any]:
    """dx (None unless wanted) and dW, from g (T, N), the raw W and what fprop kept."""
    dgrad, wgrad = gemm_of(recipe, "dgrad", key), gemm_of(recipe, "wgrad", key)
    if not recipe.looks_back:
        dx = product(dgrad.take(0, g, 1), dgrad.take(1, w, 0), exact) if want_dx else None
        return dx, product(transposed(wgrad.take(0, g, 0)), aux, exact)
    saved, mask, basis = aux
    again = recipe.requantize
    qw = gemm_of(recipe, "fprop", key).take(1, w, 1)  # the same draws as at forward
    dx = None
    if want_dx:
        source = values_of(qw) if again else w
        dx = product(dgrad.take(0, g, 1), dgrad.take(1, source, 0), exact)
        dx = gradient_of(dx, basis, mask, again)
    dw = product(transposed(wgrad.take(0, g, 0)), saved, exact)
    of_w = qw.transform if isinstance(qw, Blocked) else None
    return dx, gradient_of(dw, of_w, trusted(w, recipe.fprop[1], qw), again)


# convolution ------------------------------------------------------------------------------------
def _patch_operand(
    x: Any, how: tuple[Pair, Pair, Pair], gemm: Gemm, which: int, axis: int
) -> Storage:
    """The (T, K) patches of images as the GEMM takes them, quantized along K (axis 1) or T.

    Patches are quantized as they are gathered (on a CPU where they are not rotated): the matrix,
    kh kw times the image, is never made.
    """
    q, key = (gemm.first, gemm.second)[which], gemm.keys[which]
    if isinstance(q, Quantizer) and taker() is None:
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
    return gemm.take(which, patches(x, *how), axis)


def _conv(
    x: Any, w: Any, stride: Pair = (1, 1), padding: Pair = (0, 0),
    recipe: Recipe = PLAIN, key: Key | None = None, exact: bool = False,
) -> Any:  # fmt: skip
    if x.ndim != 4 or w.ndim != 4 or x.shape[1] != w.shape[1]:
        raise ShapeError(
            f"conv2d: shapes {x.shape} and {w.shape}; allowed: (N, C, H, W) and (O, C, kh, kw)"
        )
    check_key(recipe, key)
    if recipe.looks_back:
        raise FormatError(
            f"conv: recipe {recipe.name} looks back at what fprop quantized; use ops.conv_under"
        )
    kernel = w.shape[2:]
    fprop, wgrad = gemm_of(recipe, "fprop", key), gemm_of(recipe, "wgrad", key)
    plain_wgrad = wgrad.plain or not grad_enabled()
    how = (kernel, stride, padding)
    saved = Native(x) if plain_wgrad else _patch_operand(x, how, wgrad, 1, 0)
    if fprop.plain:
        return conv2d.run((Native(x), Native(w)), {"stride": stride, "padding": padding}), saved
    ho, wo = out_size("conv2d", x.shape[2:], *how)
    qx = _patch_operand(x, how, fprop, 0, 1)
    qw = fprop.take(1, w.reshape(len(w), -1), 1)
    y = product(qx, transposed(qw), exact)
    return Native(images_of(y, len(x), ho, wo)), saved


def _conv_grad(
    g: Any, y: Any, x: Any, w: Any, aux: Any, stride: Pair = (1, 1), padding: Pair = (0, 0),
    recipe: Recipe = PLAIN, key: Key | None = None, exact: bool = False,
) -> tuple[Any, ...]:  # fmt: skip
    _check_once_differentiable("conv2d")
    array, how = arrays_of(g.storage), {"stride": stride, "padding": padding}
    dgrad, wgrad = gemm_of(recipe, "dgrad", key), gemm_of(recipe, "wgrad", key)
    rows = None if dgrad.plain and wgrad.plain else rows_of(array)
    dx: Storage | None = None
    if x.requires_grad and dgrad.plain:
        dx = conv2d_input_grad.run((Native(array), w.storage), {"x_shape": x.shape, **how})
    elif x.requires_grad:
        qg = dgrad.take(0, rows, 1)
        qw = dgrad.take(1, w.storage.array.reshape(len(w), -1), 0)
        dx = Native(fold(product(qg, qw, exact), x.shape, w.shape[2:], stride, padding))
    if wgrad.plain:
        dw = conv2d_weight_grad.run((Native(array), aux), {"w_shape": w.shape, **how})
    else:
        qg = wgrad.take(0, rows, 0)
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
    qx, y = _fprop(x, w, recipe, key, exact)
    return y, *_backward(g, w, _kept(x, qx, recipe, key), recipe, key, exact, True)
