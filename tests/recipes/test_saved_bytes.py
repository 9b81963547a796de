"""What a layer keeps for the backward pass: the wgrad operand, packed, and its own weights."""

import pytest

import extensor as ex
from extensor.storage import Blocked
from tests.recipes.steps import LAYERS, lenet_step, nodes

IMAGES = 5
FACTS = {"mxfp4": (32, 16, 0), "nvfp4": (16, 8, 4), "mxfp8": (32, 32, 0)}
"""Elements of a block, their bytes, bytes of the tensor scale; a scale takes one byte."""


def predicted(fmt: str, k: int, rows: int) -> int:
    """Bytes of the saved x, packed along T: K rows of whole blocks."""
    length, code_bytes, tensor_scale = FACTS[fmt]
    blocks = -(-rows // length)
    return k * blocks * (code_bytes + 1) + tensor_scale


@pytest.mark.parametrize("name", ["mxfp4-naive", "mxfp4-sr", "mxfp4-sr-grad", "mxfp4-rht-sr",
                                  "nvfp4", "nvfp4-grad", "mxfp8"])  # fmt: skip
def test_saved_bytes_equal_the_prediction(name: str) -> None:
    model, loss, _ = lenet_step(name, IMAGES)
    layers = {id(getattr(model, layer).weight): layer for layer in LAYERS}
    found = {}
    for node in nodes(loss):
        if node.op.name in ("linear", "conv"):
            x, weight = node.saved
            assert isinstance(x, ex.autograd.Meta), "a float32 activation was saved"
            assert isinstance(node.aux, Blocked)
            found[layers.pop(id(weight))] = node.aux
    assert set(found) == set(LAYERS), "each layer saves its own weight, not a copy of it"
    for layer, (k, per_image) in LAYERS.items():
        rows = IMAGES * per_image
        saved = found[layer]
        assert saved.shape == (rows, k) and saved.axis == 0
        assert saved.nbytes == predicted(name.split("-")[0], k, rows), layer


def test_the_packed_copy_is_smaller_than_float32() -> None:
    """4.25 bits a value where no block is cut: 7.5 times less than float32."""
    layer = ex.nn.Linear(64, 8, recipe=ex.recipes.get("mxfp4-sr"), key=ex.key(0))
    y = layer(ex.ExTensor[ex.float32].ones((128, 64)), key=ex.key(1))
    (node,) = [n for n in nodes(y) if n.op.name == "linear"]
    assert node.aux.nbytes == 64 * 128 * 4.25 / 8


def test_a_layer_whose_wgrad_is_plain_saves_x_as_it_is() -> None:
    q = ex.Quantizer(ex.mxfp4)
    layer = ex.nn.Conv2d(3, 4, 3, recipe=ex.Recipe("d", dgrad=(q, q)), key=ex.key(0))
    x = ex.ExTensor[ex.float32].ones((2, 3, 6, 6))
    (node,) = [n for n in nodes(layer(x)) if n.op.name == "conv"]
    assert node.aux.array is x.numpy()
