"""Packed in fact: every GEMM that a recipe quantizes runs on packed operands, none falls back."""

from typing import Any

import numpy as np
import pytest

import extensor as ex
from extensor.ops.operands import transposed
from extensor.ops.trace import Call
from extensor.recipe import GEMMS
from tests.recipes.steps import FP4, PACKED, lenet_step, normal, products

BOTH = "packed x packed"


def assert_packed(calls: list[Call], count: int) -> None:
    """Exactly ``count`` products on packed operands, and no op at all through the fallback."""
    entered = [call for call in calls if call.fallback]
    assert not entered, f"the fallback was entered: {entered}"
    packed = [call for call in calls if call.op == "matmul" and call.kernel == BOTH]
    assert len(packed) == count, f"{len(packed)} packed products, should be {count}"
    assert all(call.kinds == ("blocked", "blocked") for call in packed)


@pytest.mark.parametrize("name", PACKED)
def test_a_lenet_step(name: str) -> None:
    """Five layers, three GEMMs each; the first needs no dgrad, its input has no gradient."""
    model, _, calls = lenet_step(name)
    quantizes = ex.recipes.get(name).quantizes
    assert_packed(calls, sum({"fprop": 5, "dgrad": 4, "wgrad": 5}[g] for g in quantizes))
    plain = [call for call in products(calls) if call.kernel != BOTH]
    assert len(plain) == (0 if "fprop" in quantizes else 5), "a product beside the packed ones"
    for parameter, tensor in model.named_parameters():
        assert tensor.grad is not None and tensor.grad.numpy().any(), parameter


@pytest.mark.parametrize("name", FP4)
@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        ("conv1", (2, 1, 28, 28)),
        ("conv2", (2, 6, 14, 14)),
        ("fc1", (2, 400)),
        ("fc2", (2, 120)),
        ("fc3", (2, 84)),
    ],
)
def test_each_layer(name: str, layer: str, shape: tuple[int, ...]) -> None:
    """With an input that needs its gradient, a layer has one packed product for each GEMM."""
    model = ex.models.LeNet5(recipe=name, key=ex.key(0))
    x = ex.asarray(normal(0, *shape), requires_grad=True)
    with ex.trace() as calls:
        y = getattr(model, layer)(x, key=ex.key(1))
        y.backward(ex.asarray(normal(1, *y.shape)))
    assert_packed(calls, len(ex.recipes.get(name).quantizes))


@pytest.mark.parametrize("name", PACKED)
def test_explain_names_the_packed_kernel(name: str) -> None:
    """For the operands of every quantized GEMM, as the layers make them."""
    recipe = ex.recipes.get(name)
    x, w, g = (ex.asarray(normal(i, *s)) for i, s in enumerate([(32, 48), (16, 48), (32, 16)]))
    tensors = {"x": x, "w": w, "g": g}
    axes = {"fprop": (1, 1), "dgrad": (1, 0), "wgrad": (0, 0)}
    turned = {"fprop": (False, True), "dgrad": (False, False), "wgrad": (True, False)}
    for gemm in recipe.quantizes:
        operands: list[Any] = []
        for i, letter in enumerate(GEMMS[gemm]):
            quantizer = getattr(recipe, gemm)[i]
            q = ex.quantize(tensors[letter], quantizer, axis=axes[gemm][i], key=ex.key(i))
            operands.append(ex.ExTensor(transposed(q.storage)) if turned[gemm][i] else q)
        assert f"kernel {BOTH}" in ex.explain("matmul", *operands), gemm
        assert ex.matmul(*operands).dtype == ex.float32


def test_a_fallback_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the packed kernel the step still runs, and the assertion above fails."""
    monkeypatch.delitem(ex.OPS["matmul"].kernels, (("blocked", "blocked"), "cpu"))
    _, _, calls = lenet_step("mxfp4-sr")
    assert sum(call.fallback for call in calls) == 14
    with pytest.raises(AssertionError, match="fallback was entered"):
        assert_packed(calls, 14)


def test_one_quantized_operand_is_packed_too() -> None:
    """A GEMM of a packed and a float32 operand keeps the packed one packed, on either side."""
    q = ex.Quantizer(ex.mxfp4)
    recipe = ex.Recipe("half", (None, q), (q, None), (None, q))
    layer = ex.nn.Linear(40, 24, recipe=recipe, key=ex.key(0))
    x = ex.asarray(normal(0, 8, 40), requires_grad=True)
    with ex.trace() as calls:
        layer(x).backward(ex.asarray(normal(1, 8, 24)))
    assert not [call for call in calls if call.fallback]
    kernels = [call.kernel for call in calls if call.op == "matmul"]
    assert kernels == ["native x packed", "packed x native", "native x packed"]


@pytest.mark.parametrize("keep", [("conv1",), ("conv*", "fc3"), ("*",)])
def test_layers_that_the_recipe_keeps(keep: tuple[str, ...]) -> None:
    recipe = ex.Recipe("kept", *(((ex.Quantizer(ex.mxfp4),) * 2,) * 3), keep=keep)
    model = ex.models.LeNet5(recipe=recipe, key=ex.key(0))
    kept = [name for name in ("conv1", "conv2", "fc1", "fc2", "fc3") if recipe.keeps(name)]
    with ex.trace() as calls:
        y = model(normal(0, 2, 1, 28, 28), key=ex.key(1))
        ex.cross_entropy(y, ex.asarray(np.arange(2))).backward()
    assert_packed(calls, 3 * (5 - len(kept)) - ("conv1" not in kept))
