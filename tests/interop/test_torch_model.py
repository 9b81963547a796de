"""The bridge to PyTorch: what stays PyTorch's, and what is refused."""

import copy
import pickle
from dataclasses import replace
from pathlib import Path

import pytest

import extensor as ex
from extensor.errors import DispatchError, DTypeError, FormatError, GraphError
from extensor.recipe import NAMED, get

pytest.importorskip("torch", reason="PyTorch is not installed")

from tests.interop.bridge import (
    bridge,
    equal,
    nn,
    normal,
    small,
    torch,
    train,
    weights,
)


def test_parameters_hooks_and_names_stay() -> None:
    torch.manual_seed(0)
    layer, seen = nn.Linear(8, 4), []
    model = nn.ModuleDict({"one": layer, "two": layer, "free": nn.Linear(4, 4)})
    model["free"].weight = layer.weight = nn.Parameter(torch.ones(4, 4))
    layer.in_features = 4
    layer.register_forward_hook(lambda *_: seen.append(1))
    before = {n: id(p) for n, p in model.named_parameters()}
    assert bridge.apply(model, "nvfp4") is model
    assert {n: id(p) for n, p in model.named_parameters()} == before
    assert model["one"] is model["two"] is layer and isinstance(layer, nn.Linear)
    assert list(bridge.layers(model)) == ["one", "free"]
    model["free"](model["two"](torch.ones(2, 4))).sum().backward()
    assert seen == [1] and model["free"].weight.grad is layer.weight.grad is not None
    plain = {"one", "two", "free"}
    names = {f"{n}.{p}" for n in plain for p in ("weight", "bias")}
    assert set(model.state_dict()) == names | {f"{n}.extensor_draws" for n in plain}
    assert bridge.remove(model) is model
    assert set(model.state_dict()) == names and type(layer) is nn.Linear
    assert not bridge.layers(model) and not layer._forward_pre_hooks
    assert not any("extensor" in name for name in vars(layer))


def test_checkpoints_of_the_plain_model_load() -> None:
    model = small()
    plain = bridge.remove(copy.deepcopy(model))
    assert not model.load_state_dict(plain.state_dict()).missing_keys
    rest = plain.load_state_dict(model.state_dict(), strict=False)
    assert all(name.endswith("extensor_draws") for name in rest.unexpected_keys)
    wrong = {**model.state_dict(), "0.extensor_draws": torch.tensor([1, -1])}
    with pytest.raises(RuntimeError, match=r"0\.extensor_draws: \[1, -1\]; allowed"):
        model.load_state_dict(wrong)


def test_models_are_copied_and_pickled() -> None:
    model, x = small(), normal(0, 4, 1, 8, 8)
    train(model, 2)
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        equal(twin(x), model(x))
        train(twin, 1)
    assert weights(twin) != weights(model)


def test_a_recipe_takes_the_place_of_the_last() -> None:
    model = small("nvfp4")
    bridge.apply(model, "mxfp8", keep=["3"])
    recipes = {n: m.extensor.whole.name for n, m in bridge.layers(model).items()}
    assert recipes == {"0": "mxfp8", "4": "mxfp8"} and type(model[3]) is nn.Linear
    assert all(len(m._forward_pre_hooks) == 1 for m in bridge.layers(model).values())
    assert not bridge.layers(bridge.apply(model, "fp32")), "fp32 is what PyTorch does anyway"


def test_patterns_of_the_recipe_and_of_the_call() -> None:
    recipe = replace(get("nvfp4"), keep=("0",))
    assert list(bridge.layers(small(recipe, keep=["4"]))) == ["3"]
    with pytest.raises(FormatError, match="names no layer; layers: 0, 3, 4"):
        small(keep=["head"])


@pytest.mark.parametrize("ending", ["toml", "json"])
def test_a_recipe_of_a_file(tmp_path: Path, ending: str) -> None:
    """Bit for bit the recipe that the file was made of; and keep_first counts PyTorch's layers."""
    recipe = replace(get("mxfp4-rht-sr"), name="mine", keep_first=1)
    path = tmp_path / f"mine.{ending}"
    recipe.save(path)
    models = [small(recipe), small(path), small(str(path))]
    for model in models:
        train(model, 2)
    assert len({weights(model) for model in models}) == 1
    assert list(bridge.layers(models[1])) == ["3", "4"]
    assert "recipe=mine" in repr(models[1])
    with pytest.raises(FormatError, match="cannot read"):
        small(tmp_path / "absent.toml")


def test_phases_of_a_recipe_follow_the_step() -> None:
    late = replace(get("mxfp4-sr"), name="late", phases=((0.5, get("fp32")),))
    layer, x = bridge.apply(nn.Linear(32, 16), late, steps=10), normal(0, 4, 32)
    plain = bridge.remove(copy.deepcopy(layer))
    for step, same in ((0, False), (4, False), (5, True), (3, False), (9, True)):
        bridge.set_step(layer, step)
        assert torch.equal(layer(x), plain(x)) == same
    twin = bridge.apply(nn.Linear(32, 16), late, steps=10)
    twin.load_state_dict(layer.state_dict())
    equal(twin(x), plain(x))  # the step is in the checkpoint
    with pytest.raises(FormatError, match="steps="):
        bridge.apply(plain, late)
    with pytest.raises(FormatError, match="steps=0"):
        bridge.apply(plain, late, steps=0)


def test_a_transformer_of_pytorch_is_not_passed_by() -> None:
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True, dropout=0.0)
    x = normal(0, 2, 5, 16)
    with torch.no_grad():
        plain = layer.eval()(x)
        assert list(bridge.layers(bridge.apply(layer, "mxfp4-naive"))) == ["linear1", "linear2"]
        assert (layer(x) - plain).abs().max() > 1e-3


@pytest.mark.parametrize("name", sorted(NAMED))
def test_every_named_recipe_trains(name: str) -> None:
    model = small(name)
    before = weights(model)
    train(model, 1)
    assert weights(model) != before
    assert all(torch.isfinite(p).all() for p in model.parameters())


def test_types_other_than_float32() -> None:
    model, x = small("nvfp4"), normal(0, 4, 1, 8, 8)
    for wrong in (x.bfloat16(), x.double(), x.half()):
        with pytest.raises(DTypeError, match="input of torch.*use .float"):
            model(wrong)
    for dtype in (torch.bfloat16, torch.float64):
        with pytest.raises(DTypeError, match=r"apply: fc.weight is torch.*model.float"):
            bridge.apply(nn.ModuleDict({"fc": nn.Linear(8, 8)}).to(dtype), "nvfp4")
    with pytest.raises(DTypeError, match="weight of torch.float64"):
        small("nvfp4").double()(x)
    with torch.autocast("cpu", torch.bfloat16):
        y = model(x.bfloat16())
    assert y.dtype == torch.float32
    y.sum().backward()


def test_devices_that_we_do_not_have() -> None:
    layer = bridge.apply(nn.Linear(8, 8), "nvfp4")
    with pytest.raises(DispatchError, match="input on meta, weight on cpu"):
        layer(torch.ones(2, 8, device="meta"))


def test_a_second_derivative_is_refused() -> None:
    layer, x = bridge.apply(nn.Linear(16, 16), "nvfp4"), normal(0, 16, 16).requires_grad_()
    with pytest.raises(GraphError, match="no second derivative.*'fp32'"):
        torch.autograd.grad(layer(x).sum(), x, create_graph=True)
    layer = bridge.apply(layer, "fp32")
    (first,) = torch.autograd.grad(layer(x).square().sum(), x, create_graph=True)
    first.sum().backward()


@pytest.mark.parametrize("name", ["nvfp4", "nvfp4-grad", "fp32", "bf16"])
def test_a_weight_that_changed_too_early_is_noticed(name: str) -> None:
    layer, x = bridge.apply(nn.Linear(16, 16), name), normal(0, 16, 16).requires_grad_()
    y = layer(x).sum()
    with torch.no_grad():
        layer.weight += 1
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.backward()


def test_an_input_that_is_kept_as_it_is_is_watched() -> None:
    half = replace(get("nvfp4"), wgrad=(None, None))
    layer, x = bridge.apply(nn.Linear(16, 16), half), normal(0, 16, 16)
    y = layer(x).sum()
    x += 1
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.backward()


def test_only_what_is_asked_for_is_computed() -> None:
    layer, x = bridge.apply(nn.Linear(16, 16), "nvfp4"), normal(0, 16, 16)
    with ex.trace() as calls:
        layer(x).sum().backward()
    assert len([c for c in calls if c.op == "matmul"]) == 2, "no gradient for the input"
    layer.weight.requires_grad_(False)
    layer.weight.grad = None
    x.requires_grad_()
    layer(x).sum().backward()
    assert x.grad is not None and layer.weight.grad is None


def test_layers_that_are_not_ours_to_change() -> None:
    own = type("Own", (nn.Linear,), {})
    weighted = nn.utils.parametrizations.weight_norm(nn.Linear(8, 8))
    for layer in (own(8, 8), weighted, nn.LazyLinear(8)):
        model = nn.ModuleDict({"x": nn.Linear(8, 8), "y": layer})
        with pytest.raises(FormatError, match=r"layer 'y' is a \w+; .*keep=\['y'\]"):
            bridge.apply(model, "nvfp4")
        assert type(model["x"]) is nn.Linear, "nothing was changed"
        assert list(bridge.layers(bridge.apply(model, "nvfp4", keep=["y"]))) == ["x"]
    with pytest.raises(FormatError, match="no Linear or Conv2d"):
        bridge.apply(nn.ReLU(), "nvfp4")
    with pytest.raises(FormatError, match="did you mean 'nvfp4'"):
        bridge.apply(nn.Linear(8, 8), "nvfp5")


def test_shapes_that_do_not_fit() -> None:
    model = small("nvfp4")
    with pytest.raises(ex.ShapeError, match="linear"):
        model[3](torch.ones(2, 8))
    with pytest.raises(ex.ShapeError, match="conv2d"):
        model[0](torch.ones(1, 3, 8, 8))


@pytest.mark.nightly
@pytest.mark.filterwarnings("ignore:The .grad attribute:UserWarning")  # of the compiler itself
def test_a_compiled_model_calls_the_layers() -> None:
    model, x = small("nvfp4"), normal(0, 4, 1, 8, 8)
    compiled = torch.compile(model, backend="eager")
    equal(compiled(x), model(x))
    compiled(x).sum().backward()
