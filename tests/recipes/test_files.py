"""Recipes as text: TOML and JSON files, a base, shorthands; what is no recipe is refused."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import extensor as ex
from extensor.recipe import NAMED
from tests.recipes.test_values import OWN, Q

LATE = ex.Recipe("late", phases=((0.5, NAMED["nvfp4-grad"]), (90, ex.Recipe("end", keep=("a",)))))
FACTS = {
    "ends": ex.Recipe("ends", (Q, Q), keep_first=2, keep_last=8),
    "signs by GEMM": replace(NAMED["amd-det"], fresh_signs=("wgrad",), sign_side="after"),
    "late": LATE,
    "quotes": ex.Recipe('a "name"\\ \t é', (Q, None), keep=('"x"', "y\x7f")),
    "no second level": ex.Recipe("n", (ex.Quantizer(ex.nvfp4, tensor_scale=None), None)),
}
ALL = {**NAMED, **OWN, **FACTS}


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("ending", ["toml", "json"])
def test_files_give_it_back(name: str, ending: str, tmp_path: Path) -> None:
    recipe, path = ALL[name], tmp_path / f"mine.{ending}"
    recipe.save(path)
    back = ex.recipes.get(str(path))
    assert back == recipe and back.hash == recipe.hash and str(back) == str(recipe)
    assert back.name == recipe.name


def test_hashes_tell_the_new_facts_apart() -> None:
    base = NAMED["mxfp4-rht-sr"]
    changes: list[dict[str, Any]] = [
        {"keep_first": 1}, {"keep_last": 1}, {"fresh_signs": ("dgrad",)}, {"requantize": True},
        {"sign_side": "after"}, {"phases": ((0.5, base),)}, {"phases": ((5, base),)},
    ]  # fmt: skip
    made = [base, *(replace(base, **change) for change in changes)]
    assert len({recipe.hash for recipe in made}) == len(made)
    phase = replace(base, name="another")
    assert replace(base, phases=((5, phase),)).hash == made[-1].hash
    assert replace(base, layer="fc1").hash == base.hash and replace(base, layer="fc1") == base


def test_five_lines() -> None:
    recipe = ex.Recipe.from_toml("""
        base = "nvfp4"
        name = "mine"
        keep_first = 1
        fprop = { w = { fmt = "mxfp6_e2m3", scale_rule = "even" } }
        phases = [{ at = 0.9, base = "bf16" }]
    """)
    nvfp4 = NAMED["nvfp4"]
    assert recipe.fprop[0] == nvfp4.fprop[0] and recipe.dgrad == nvfp4.dgrad
    assert recipe.fprop[1] == ex.Quantizer(ex.mxfp6_e2m3, scale_rule="even")
    assert recipe.phases == ((0.9, NAMED["bf16"]),) and not recipe.fresh_signs


def test_nothing_on_an_operand() -> None:
    recipe = ex.Recipe.from_toml('base = "nvfp4"\n[fprop]\nx = false\nw = "bfloat16"\n')
    assert recipe.fprop == (None, ex.bfloat16)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name = ", "not TOML"),
        ('name = "a"', "has none of fprop, dgrad, wgrad"),
        ('base = "nvpf4"', "did you mean 'nvfp4'"),
        ('base = "nvfp4"\nkep = ["a"]', "kep is unknown"),
        ('base = "nvfp4"\n[dgrad]\nx = "mxfp4"', "dgrad has no operand x, it has g and w"),
        ('base = "nvfp4"\nfprop = ["mxfp4"]', "fprop has 1 operands, not 2"),
        ('[fprop]\nx = { fmt = "mxfp4", roundig = "up" }', "roundig"),
        ('[fprop]\nx = "mxpf4"', "did you mean 'mxfp4'"),
        ('[fprop]\nx = "int8"', "int8"),
        ('base = "nvfp4"\nphases = [{ base = "bf16" }]', "'at' is missing"),
        ('base = "nvfp4"\nphases = [{ at = 1.5, base = "bf16" }]', "float between 0 and 1"),
        ('base = "nvfp4"\nfresh_signs = ["forward"]', "some of fprop, dgrad, wgrad"),
        ('base = "nvfp4"\nsign_side = "left"', "allowed: before, after"),
        ('base = "nvfp4"\nkeep_last = -1', "keep_last=-1"),
        ('[fprop]\nx = { per_tensor = "mxfp4" }', "no element format"),
    ],
)
def test_what_is_no_recipe_is_refused(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ex.FormatError, match=message):
        ex.Recipe.from_toml(text)
    path = tmp_path / "wrong.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ex.FormatError, match="wrong.toml"):
        ex.recipes.get(str(path))


def test_files_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(ex.FormatError, match="cannot read"):
        ex.recipes.get(str(tmp_path / "none.toml"))
    with pytest.raises(ex.FormatError, match=r"allowed: \.toml, \.json"):
        NAMED["nvfp4"].save(tmp_path / "mine.yaml")
    with pytest.raises(ex.FormatError, match="cannot write"):
        NAMED["nvfp4"].save(tmp_path / "no" / "mine.toml")


def test_print_says_all_of_it() -> None:
    shown = str(LATE)
    assert "from 50 % of the steps on\n    nvfp4-grad\n" in shown
    assert "from step 90 on\n    end  (keeps a)" in shown
    assert "keeps the first 2, the last 8" in str(FACTS["ends"])
    assert str(FACTS["signs by GEMM"]).endswith(
        "signs  fresh in each call of wgrad; fixed in fprop, dgrad; after H"
    )
    assert str(NAMED["tetrajet"]).endswith("quantized again, from those of fprop")


def test_first_and_last_layers_stay() -> None:
    recipe = replace(NAMED["mxfp8"], keep_first=1, keep_last=2)
    lenet = ex.models.LeNet5(recipe=recipe)
    layers = (lenet.conv1, lenet.conv2, lenet.fc1, lenet.fc2, lenet.fc3)
    assert [layer.recipe is None for layer in layers] == [True, False, False, True, True]
    gpt = ex.models.GPT(7, 4, layers=4, heads=1, width=8, recipe=recipe)
    taking = {name: vars(m) for name, m in gpt.named_modules() if "recipe" in vars(m)}
    plain = [name for name, facts in taking.items() if facts["recipe"] is None]
    parts = ("attention.qkv", "attention.out", "up", "down")
    assert plain == ["", *(f"blocks.{i}.{part}" for i in (0, 3) for part in parts)]
    assert gpt.blocks[1].up.recipe is not None and gpt.blocks[1].up.recipe.layer == "blocks.1.up"
