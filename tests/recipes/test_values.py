"""A recipe is a value: printed, compared, hashed, saved as JSON; what makes no sense is refused."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import extensor as ex
from extensor.formats import E2M1, E8M0, UE5M3
from extensor.recipe import NAMED
from tests.recipes.steps import normal

Q = ex.Quantizer(ex.mxfp4)
SIGNS = (1, -1) * 8
DETERMINISTIC = ("fp32", "bf16", "fp8", "fp8-deepseek", "mxfp8", "mxfp6", "mxfp4-naive", "amd-det")
"""The named recipes that draw nothing."""
E3M0 = ex.Float("e3m0", exponent=3, mantissa=0, bias=3)
OWN = {
    "list of keeps": ex.Recipe("own", (Q, None), keep=["conv1", "fc*"]),  # type: ignore[arg-type]
    "lists of pairs": ex.Recipe("own", [Q, None]),  # type: ignore[arg-type]
    "cap": ex.Recipe("own", wgrad=(ex.Quantizer(ex.mxfp4, scale_rule=("cap", 7.25)), None)),
    "signs": ex.Recipe("own", (ex.Quantizer(ex.mxfp4, hadamard=16, signs=SIGNS),) * 2),
    "key": ex.Recipe("own", (ex.Quantizer(ex.mxfp4, hadamard=16, signs=ex.key(2**60)),) * 2),
    "everything": ex.Recipe("own", dgrad=(ex.Quantizer(
        ex.nvfp4, rounding="stochastic", sr_bits=16, hadamard=32, prescale=0.5, saturate=False,
        scale_rounding="up", nonfinite="raise", tensor_scale=0.25, ste="clip"),) * 2),
    "bf16 and own": ex.Recipe("own", (ex.bfloat16, Q), fresh_signs=False),
    "own element": ex.Recipe("own", (ex.Quantizer(ex.Block(E3M0, (1, 8), UE5M3)), E3M0)),
    "own block": ex.Recipe("own", (None, ex.Quantizer(ex.Block(E2M1, (1, 16), label="mine")))),
}  # fmt: skip


@pytest.mark.parametrize("recipe", [*NAMED.values(), *OWN.values()], ids=[*NAMED, *OWN])
def test_json_gives_it_back(recipe: ex.Recipe) -> None:
    back = ex.Recipe.from_json(recipe.to_json())
    assert back == recipe and hash(back) == hash(recipe)
    assert back.hash == recipe.hash and str(back) == str(recipe)
    assert back.to_json() == recipe.to_json()


def test_print_is_the_experiment() -> None:
    assert str(ex.recipes.get("mxfp4-rht-sr")) == (
        "mxfp4-rht-sr\n"
        "  fprop  x: mxfp4 even nearest                     w: mxfp4 even nearest\n"
        "  dgrad  g: mxfp4 floor stochastic H64 x0.75       w: mxfp4 floor stochastic H64 x0.75\n"
        "  wgrad  g: mxfp4 floor stochastic H64 x0.75       x: mxfp4 floor stochastic H64 x0.75\n"
        "  signs  fresh in each call of dgrad, wgrad"
    )
    assert str(ex.recipes.get("bf16-grad")).splitlines()[1:] == [
        "  fprop  x: -                                      w: -",
        "  dgrad  g: bfloat16                               w: bfloat16",
        "  wgrad  g: bfloat16                               x: bfloat16",
    ]
    assert "keeps conv1, fc*" in str(OWN["list of keeps"])
    assert "mxfp4 cap 7.25 nearest" in str(OWN["cap"])
    for word in ("sr_bits=16", "nonfinite=raise", "tensor_scale=0.25", "ste=clip", "scales up",
                 "saturate=False", "H32", "x0.5"):  # fmt: skip
        assert word in str(OWN["everything"])


def test_hashes_differ_where_facts_do() -> None:
    """Whatever it is called; one changed fact of one operand makes another hash."""
    recipes = [*NAMED.values(), *OWN.values()]
    hashes = {r.hash for r in recipes}
    same = len({replace(r, name="x") for r in recipes})
    assert len(hashes) == same
    base = ex.recipes.get("mxfp4-sr")
    assert replace(base, name="another").hash == base.hash
    changes: list[dict[str, Any]] = [
        {"scale_rule": "floor"}, {"scale_rule": ("cap", 7.0)}, {"scale_rule": ("cap", 7.25)},
        {"sr_bits": 24}, {"rounding": "up"}, {"prescale": 0.75}, {"saturate": False},
        {"nonfinite": "raise"}, {"tensor_scale": None}, {"ste": "clip"},
        {"fmt": ex.Block(E2M1, (1, 16))},
    ]  # fmt: skip
    g, w = base.dgrad
    made = [replace(base, dgrad=(replace(g, **c), w)) for c in changes]  # type: ignore[type-var]
    made += [replace(base, dgrad=(w, g)), replace(base, keep=("fc3",)),
             replace(base, fresh_signs=False), replace(base, fprop=base.dgrad)]  # fmt: skip
    assert len({r.hash for r in [base, *made]}) == len(made)  # g and w are equal: one swap is none
    assert replace(base, dgrad=(w, g)) == base


def test_a_name_is_no_fact() -> None:
    """Formats of equal facts under other names make an equal recipe and an equal hash."""
    alias = ex.Block(E2M1, (1, 32), E8M0, label="mine")
    three = ex.Float("three", exponent=3, mantissa=0, bias=3)
    for one, other in ((ex.mxfp4, alias), (ex.Block(E3M0), ex.Block(three, label="t"))):
        a, b = (ex.Recipe("r", (ex.Quantizer(f), None)) for f in (one, other))
        assert a == b and a.hash == b.hash


def test_grad_names_leave_fprop_plain() -> None:
    for name, recipe in NAMED.items():
        if name.endswith("-grad"):
            full = NAMED[name.removesuffix("-grad")]
            assert recipe.fprop == (None, None) and recipe.quantizes == ("dgrad", "wgrad")
            assert (recipe.dgrad, recipe.wgrad) == (full.dgrad, full.wgrad)
    assert NAMED["fp32"].quantizes == () and "fp32-grad" not in NAMED


def test_keep_patterns() -> None:
    recipe = ex.Recipe(keep=("conv1", "block.*.mlp", "head?"))
    kept = ["conv1", "block.0.mlp", "block.11.mlp", "head1"]
    assert all(recipe.keeps(name) for name in kept)
    assert not any(recipe.keeps(name) for name in ["conv11", "conv2", "block.0.attn", "head"])
    assert ex.models.LeNet5(recipe=ex.Recipe("k", (Q, Q), keep=("conv1",))).conv1.recipe is None


H16 = ex.Quantizer(ex.mxfp4, hadamard=16)


@pytest.mark.parametrize(
    ("pair", "fresh"),
    [
        ((H16, None), True),
        ((None, H16), True),
        ((H16, Q), True),
        ((H16, ex.bfloat16), True),
        ((H16, replace(H16, hadamard=32)), True),
        ((H16, replace(H16, signs=SIGNS)), False),
    ],
)
@pytest.mark.parametrize("gemm", ["fprop", "dgrad", "wgrad"])
def test_a_rotation_of_one_operand_is_refused(gemm: str, pair: Any, fresh: bool) -> None:
    with pytest.raises(ex.FormatError, match=f"{gemm} rotates one operand only"):
        ex.Recipe("half", **{gemm: pair}, fresh_signs=fresh)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ex.recipes.get("nvpf4"), "unknown name 'nvpf4'; did you mean 'nvfp4'"),
        (lambda: ex.recipes.get("zzz"), "known: fp32, bf16"),
        (lambda: ex.models.LeNet5(recipe="mxfp4-rs"), "did you mean 'mxfp4-sr'"),
        (lambda: ex.Recipe("r", fprop=(Q,)), r"allowed: a pair \(x, w\)"),  # type: ignore[arg-type]
        (lambda: ex.Recipe("r", wgrad=("mxfp4", Q)), r"a pair \(g, x\)"),  # type: ignore[arg-type]
        (lambda: ex.Recipe.from_json("{}"), "not the JSON of a recipe"),
        (lambda: ex.Recipe.from_json("[1"), "not the JSON of a recipe"),
        (lambda: ex.Recipe.from_json(NAMED["nvfp4"].to_json().replace("nvfp4_2d", "nvfp4_3d")),
         "did you mean 'nvfp4_2d'"),
        (lambda: ex.Recipe.from_json(NAMED["nvfp4"].to_json().replace("rounding", "ronding")),
         "ronding"),
        (lambda: ex.Quantizer(ex.mxfp4, scale_rule="rciel"), "did you mean 'rceil'"),
        (lambda: ex.Quantizer(ex.mxfp4, rounding="stochstic"), "did you mean 'stochastic'"),
        (lambda: ex.Quantizer(ex.nvfp4, scale_rule="floor"), "needs a power-of-two scale"),
        (lambda: ex.Quantizer(ex.mxfp4, hadamard=17), "allowed: 16, 32, 64, 128"),
        (lambda: ex.Quantizer(ex.mxfp4, hadamard=16, signs=(1, 2) * 8), r"16 numbers \+1 or -1"),
        (lambda: ex.Quantizer(ex.mxfp4, ste="none"), "allowed: 'pass', 'clip'"),
        (lambda: ex.Quantizer(ex.mxfp4, tensor_scale=2.0), "has none"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(make: Any, message: str) -> None:
    with pytest.raises(ex.FormatError, match=message):
        make()


def test_a_quantizer_needs_a_block_format() -> None:
    with pytest.raises(ex.DTypeError, match=r"bfloat16 has no blocks.*x\.to"):
        ex.Quantizer(ex.bfloat16)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", NAMED)
def test_stochastic_recipes_need_a_key(name: str) -> None:
    """The error comes before anything is computed; the others run without one."""
    recipe = ex.recipes.get(name)
    layers: list[tuple[ex.nn.Module, tuple[int, ...]]] = [
        (ex.nn.Linear(8, 4, recipe=recipe), (2, 8)),
        (ex.nn.Conv2d(2, 3, 3, recipe=recipe), (1, 2, 5, 5)),
    ]
    assert recipe.needs_key == (name.removesuffix("-grad") not in DETERMINISTIC)
    for layer, shape in layers:
        x = ex.asarray(normal(0, *shape))
        if recipe.needs_key:
            with ex.trace() as calls, pytest.raises(ex.KeyMissingError, match=name):
                layer(x)
            assert not [c for c in calls if c.op == "matmul"]
            assert np.isfinite(layer(x, key=ex.key(0)).numpy()).all()
        else:
            assert np.isfinite(layer(x).numpy()).all()


def test_fresh_signs_need_a_key_and_fixed_ones_do_not() -> None:
    rotated = ex.Recipe("r", (H16, H16))
    assert rotated.needs_key and not replace(rotated, fresh_signs=False).needs_key
    layer = ex.nn.Linear(16, 4, recipe=replace(rotated, fresh_signs=False))
    assert layer(normal(0, 2, 16)).shape == (2, 4)
