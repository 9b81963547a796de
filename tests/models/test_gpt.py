"""GPT: what PyTorch makes of the same weights, what a recipe quantizes, what it draws."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import extensor as ex
from extensor.models import GPT
from extensor.models.sample import choose
from extensor.recipe import get

SIZES: dict[str, Any] = {"vocab": 37, "context": 24, "layers": 2, "heads": 3, "width": 48}
RNG = np.random.default_rng(4)
TOKENS, TARGETS = (RNG.integers(0, SIZES["vocab"], (3, 20)) for _ in range(2))
LINEAR = {f"blocks.{i}.{n}" for i in (0, 1) for n in ("attention.qkv", "attention.out")}
LINEAR |= {f"blocks.{i}.{n}" for i in (0, 1) for n in ("up", "down")}


def shaken(tied: bool = True) -> GPT:
    """A model in which no parameter is 0 or 1, so that none can hide."""
    model = GPT(**SIZES, key=ex.key(3), tied=tied)
    for number, parameter in enumerate(model.parameters().values()):
        noise = np.random.default_rng(number).normal(0, 0.2, parameter.shape)
        parameter.storage.array[...] += noise.astype(np.float32)  # type: ignore[union-attr]
    return model


def by_torch(model: GPT, tied: bool) -> tuple[NDArray[Any], float, dict[str, NDArray[Any]]]:
    """Logits, loss and gradients of the same model, written in PyTorch's own functions."""
    torch = pytest.importorskip("torch")
    f = torch.nn.functional
    w = {n: torch.tensor(p.numpy(), requires_grad=True) for n, p in model.parameters().items()}

    def norm(x: Any, name: str) -> Any:
        return f.layer_norm(x, x.shape[-1:], w[f"{name}.weight"], w[f"{name}.bias"], 1e-5)

    def linear(x: Any, name: str) -> Any:
        return f.linear(x, w[f"{name}.weight"], w[f"{name}.bias"])

    tokens = torch.tensor(TOKENS)
    count, length = tokens.shape
    x = f.embedding(tokens, w["tokens.weight"]) + w["positions.weight"][:length]
    for i in range(SIZES["layers"]):
        block, heads = f"blocks.{i}", SIZES["heads"]
        parts = linear(norm(x, f"{block}.norm1"), f"{block}.attention.qkv").split(x.shape[-1], -1)
        q, k, v = (p.reshape(count, length, heads, -1).transpose(1, 2) for p in parts)
        y = f.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + linear(y.transpose(1, 2).reshape(x.shape), f"{block}.attention.out")
        x = x + linear(f.gelu(linear(norm(x, f"{block}.norm2"), f"{block}.up")), f"{block}.down")
    logits = norm(x, "norm") @ w["tokens.weight" if tied else "head.weight"].T
    loss = f.cross_entropy(logits.reshape(-1, logits.shape[-1]), torch.tensor(TARGETS).reshape(-1))
    loss.backward()
    return logits.detach().numpy(), loss.item(), {n: t.grad.numpy() for n, t in w.items()}


def far(ours: NDArray[Any], theirs: NDArray[Any]) -> float:
    """The largest difference, in units of the largest number."""
    return float(abs(ours - theirs).max() / abs(theirs).max())


@pytest.mark.parametrize("tied", [True, False])
def test_logits_and_all_gradients_are_those_of_pytorch(tied: bool) -> None:
    model = shaken(tied)
    theirs, loss, gradients = by_torch(model, tied)
    logits = model(TOKENS)
    ours = ex.cross_entropy(logits, ex.asarray(TARGETS))
    ours.backward()
    assert logits.shape == (3, 20, 37) and far(logits.numpy(), theirs) < 1e-5
    assert ours.item() == pytest.approx(loss, rel=1e-5)
    parameters = model.parameters()
    assert set(parameters) == set(gradients)
    for name, parameter in parameters.items():
        assert parameter.grad is not None, name
        assert far(parameter.grad.numpy(), gradients[name]) < 1e-4, name


def test_a_token_is_answered_by_those_before_it_alone() -> None:
    model = shaken()
    before = model(TOKENS).numpy()
    changed = TOKENS.copy()
    changed[:, 11] = (changed[:, 11] + 1) % SIZES["vocab"]
    after = model(changed).numpy()
    np.testing.assert_array_equal(after[:, :11], before[:, :11])
    assert (after[:, 11:] != before[:, 11:]).any(axis=-1).all()
    np.testing.assert_allclose(model(TOKENS[:, :7]).numpy(), before[:, :7], rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize("recipe", ["mxfp4-sr", "nvfp4", "mxfp8", "nvfp4-grad"])
def test_every_gemm_of_a_recipe_runs_on_packed_operands(recipe: str) -> None:
    model = GPT(**SIZES, recipe=recipe, key=ex.key(0))
    with ex.trace() as calls:
        loss = ex.cross_entropy(model(TOKENS, key=ex.key(1)), ex.asarray(TARGETS))
        loss.backward()
    assert [call for call in calls if call.fallback] == []
    packed = [call for call in calls if call.op == "matmul" and call.kinds == ("blocked",) * 2]
    gemms = len(get(recipe).quantizes) * (len(LINEAR) + 1)  # the embedding answers, too
    assert len(packed) == gemms
    assert {call.kernel for call in packed} == {"packed x packed"}


def test_kept_layers_are_named_as_their_weights_are() -> None:
    def quantized(*keep: str, tied: bool = True) -> set[str]:
        from dataclasses import replace

        recipe = replace(get("nvfp4"), keep=keep)
        model = GPT(**SIZES, recipe=recipe, tied=tied)
        found = {n for n, m in model.named_modules() if n and getattr(m, "recipe", None)}
        return found | ({"tokens"} if tied and model.recipe else set())

    assert quantized() == LINEAR | {"tokens"}
    assert quantized("tokens", "blocks.0.attention.qkv") == LINEAR - {"blocks.0.attention.qkv"}
    assert quantized("blocks.*") == {"tokens"}
    assert quantized("head", tied=False) == LINEAR
    assert quantized(tied=False) == LINEAR | {"head"}


def test_the_first_answer_knows_nothing() -> None:
    loss = ex.cross_entropy(GPT(65, 64, key=ex.key(0))(TOKENS), ex.asarray(TARGETS)).item()
    assert loss == pytest.approx(np.log(65), abs=0.1)


def test_parameters_are_counted_as_for_gpt_2() -> None:
    def count(**sizes: Any) -> int:
        return sum(p.size for p in GPT(**sizes).parameters().values())

    d, t, v, n = 48, 24, 37, 2  # 12 d^2 + 13 d a block: GPT-2's own count
    assert count(**SIZES) == n * (12 * d * d + 13 * d) + (t + v) * d + 2 * d
    assert count(**SIZES, tied=False) == count(**SIZES) + v * d


def test_weights_are_a_function_of_the_key() -> None:
    def weights(seed: int) -> list[bytes]:
        model = GPT(**SIZES, key=ex.key(seed))
        return [p.numpy().tobytes() for p in model.parameters().values() if p.ndim == 2]

    first, again, other = weights(0), weights(0), weights(1)
    assert first == again and len(set(first)) == len(first)
    assert not set(first) & set(other)


def test_dropout_is_for_training_and_takes_the_key() -> None:
    model = GPT(**SIZES, dropout=0.5, key=ex.key(0))
    a, b, c = (model(TOKENS, key=ex.key(seed)).numpy() for seed in (1, 1, 2))
    np.testing.assert_array_equal(a, b)
    assert (a != c).any()
    with pytest.raises(ex.KeyMissingError):
        model(TOKENS)
    model.eval()
    np.testing.assert_array_equal(model(TOKENS).numpy(), model(TOKENS, key=ex.key(5)).numpy())


def test_what_does_not_fit_is_refused() -> None:
    model = GPT(**SIZES)
    for shape in ((24,), (1, 25), (1, 0), (1, 2, 3)):
        with pytest.raises(ex.ShapeError, match="GPT: tokens of shape"):
            model(np.zeros(shape, np.int64))
    for name in ("vocab", "context", "layers", "width"):
        with pytest.raises(ex.FormatError, match=f"{name}=0"):
            GPT(**{**SIZES, name: 0})
    with pytest.raises(ex.FormatError, match="heads"):
        GPT(**{**SIZES, "heads": 5})


def test_generate_goes_on_with_what_the_model_answers() -> None:
    model = shaken()
    start = ex.asarray(TOKENS[:, :3])
    likeliest = model.generate(start, 30, ex.key(0), temperature=0).numpy()
    assert likeliest.shape == (3, 33) and model.training
    np.testing.assert_array_equal(likeliest[:, :3], TOKENS[:, :3])
    for end in (3, 20, 32):  # beyond the context the last 24 are read
        answers = model(np.ascontiguousarray(likeliest[:, max(0, end - 24) : end])).numpy()
        np.testing.assert_array_equal(answers[:, -1].argmax(-1), likeliest[:, end])
    a, b, c = (model.generate(start, 9, ex.key(s)).numpy() for s in (1, 1, 2))
    np.testing.assert_array_equal(a, b)
    assert (a != c).any()
    np.testing.assert_array_equal(model.generate(start, 4, ex.key(1)).numpy(), a[:, :7])
    for count, temperature in ((-1, 1.0), (1, -0.5), (1, float("inf"))):
        with pytest.raises(ex.FormatError, match="generate"):
            model.generate(start, count, ex.key(0), temperature)


def test_tokens_are_drawn_with_their_probabilities() -> None:
    odds = np.array([0.5, 0.1, 0.0, 0.4])
    with np.errstate(divide="ignore"):
        logits = np.tile(np.log(odds), (20_000, 1)).astype(np.float32)
    drawn = np.bincount(choose(logits, ex.key(0), 1.0), minlength=4) / len(logits)
    assert drawn[2] == 0
    np.testing.assert_allclose(drawn, odds, atol=4 * np.sqrt(0.25 / len(logits)))
    sharp = np.bincount(choose(logits, ex.key(0), 0.5), minlength=4) / len(logits)
    np.testing.assert_allclose(sharp, odds**2 / (odds**2).sum(), atol=0.015)
