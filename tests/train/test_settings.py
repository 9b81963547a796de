"""Settings: defaults, ranges, and the command line that stands for them."""

import shlex
from dataclasses import replace

import pytest

from extensor.cli.options import parse
from extensor.cli.train import Train
from extensor.errors import DTypeError, ExtensorError, FormatError
from extensor.noise import key
from extensor.train import Settings
from extensor.train.build import gradient_quantizer, make_model, make_schedule, recipe_of

CASES = [
    Settings(),
    Settings(model="mlp", recipe="nvfp4-grad", seed=7, keep=("layers.0", "x*")),
    Settings(data="mnist", data_dir="a folder", lr=0.01, nesterov=True, clip=1.0, steps=9),
    Settings(optimizer="adamw", weight_decay=0.1, schedule="step", warmup=3, augment=True),
    Settings(grad_storage="mxfp4", batch_size=64, epochs=2, deterministic=True, momentum=0.0),
]


@pytest.mark.parametrize("settings", CASES)
def test_the_command_line_gives_the_settings_back(settings: Settings) -> None:
    words = shlex.split(settings.command(out="some where", resume=True))
    assert words[:2] == ["extensor", "train"]
    options = parse(Train, words[2:], "train")
    assert options.settings == settings
    assert options.resume and str(options.out) == "some where"


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        (Settings(data="digit"), "did you mean 'digits'"),
        (Settings(optimizer="adamm"), "did you mean 'adam'"),
        (Settings(schedule="cosin"), "did you mean 'cosine'"),
        (Settings(epochs=0), "--epochs 0"),
        (Settings(steps=-1), "--steps -1"),
        (Settings(batch_size=0), "--batch-size 0"),
        (Settings(seed=-1), "--seed -1"),
        (Settings(optimizer="adam", nesterov=True), "--nesterov is for sgd"),
    ],
)
def test_what_is_out_of_range_is_refused(settings: Settings, text: str) -> None:
    with pytest.raises(FormatError, match=text):
        settings.resolved()


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        (Settings(model="lenett"), "did you mean 'lenet'"),
        (Settings(recipe="nvfp5"), "did you mean 'nvfp4'"),
        (Settings(grad_storage="mxpf4"), "did you mean 'mxfp4'"),
        (Settings(grad_storage="float32"), "float32"),
        (Settings(keep=("conv9",)), "'conv9' names no layer; layers: conv1, conv2, fc1"),
    ],
)
def test_names_of_parts_are_checked(settings: Settings, text: str) -> None:
    with pytest.raises(ExtensorError, match=text):
        make_model(settings, recipe_of(settings), key(0))


def test_defaults_follow_the_data_and_the_optimizer() -> None:
    chosen = {name: Settings(data=name).resolved() for name in ("digits", "mnist", "fashion")}
    assert [(s.epochs, s.batch_size, s.lr) for s in chosen.values()] == [
        (15, 32, 0.02),
        (3, 128, 0.05),
        (10, 128, 0.05),
    ]
    assert Settings(optimizer="adam").resolved().lr == 0.001
    assert Settings(lr=0.0).resolved().lr == 0.0


def test_stored_gradients_of_four_bits_are_unbiased() -> None:
    for name, scale in (("mxfp4", "nearest"), ("nvfp4", "up"), ("nvfp4_2d", "up")):
        quantizer = gradient_quantizer(name)
        assert quantizer is not None
        assert (quantizer.rounding, quantizer.scale_rounding) == ("stochastic", scale)
    wide = gradient_quantizer("mxfp8_e4m3")
    assert wide is not None and wide.rounding == "nearest_even"
    assert gradient_quantizer(None) is None
    with pytest.raises(DTypeError):
        gradient_quantizer("float32")


def test_schedules_end_where_they_should() -> None:
    base = Settings(lr=1.0).resolved()
    cosine = make_schedule(base, 100)
    assert cosine(0) == 1.0 and cosine(100) == 0.0
    staircase = make_schedule(replace(base, schedule="step"), 9)
    assert [round(staircase(t), 6) for t in (0, 2, 3, 5, 6, 8)] == [1, 1, 0.1, 0.1, 0.01, 0.01]
    warm = make_schedule(replace(base, schedule="constant", warmup=4), 100)
    assert [warm(t) for t in (0, 3, 50)] == [0.25, 1.0, 1.0]
