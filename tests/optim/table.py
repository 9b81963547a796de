"""One table tests all: each row an optimizer of ours, and the published formula in float64.

The formulas are written from the algorithms in PyTorch's documentation, value by value, without
a look at how ours are composed. A row's options are keyword arguments of both.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from extensor.optim import SGD, Adam, AdamW, ClipValue, Optimizer

Tree = dict[str, NDArray[Any]]


def clipped(grads: Tree, clip: float | ClipValue | None) -> Tree:
    """The gradients in float64, clipped."""
    wide = {n: g.astype(np.float64) for n, g in grads.items()}
    if clip is None:
        return wide
    if isinstance(clip, ClipValue):
        return {n: np.clip(g, -clip.limit, clip.limit) for n, g in wide.items()}
    norm = float(np.linalg.norm(np.concatenate([g.reshape(-1) for g in wide.values()])))
    return {n: g * min(1.0, clip / (norm + 1e-6)) for n, g in wide.items()}


def sgd(
    p: Tree,
    stream: list[Tree],
    rate: Callable[[int], float],
    momentum: float = 0.0,
    nesterov: bool = False,
    weight_decay: float = 0.0,
    clip: float | ClipValue | None = None,
) -> Iterator[Tree]:
    """torch.optim.SGD, dampening 0."""
    memory: Tree = {}
    for t, grads in enumerate(stream):
        for n, g in clipped(grads, clip).items():
            g = g + weight_decay * p[n]
            if momentum:
                memory[n] = momentum * memory[n] + g if n in memory else g
                g = g + momentum * memory[n] if nesterov else memory[n]
            p[n] = p[n] - rate(t) * g
        yield p


def adam(
    p: Tree,
    stream: list[Tree],
    rate: Callable[[int], float],
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    clip: float | ClipValue | None = None,
    apart: bool = False,
) -> Iterator[Tree]:
    """torch.optim.Adam, and torch.optim.AdamW with ``apart``."""
    m = {n: np.zeros_like(v) for n, v in p.items()}
    v = {n: np.zeros_like(v) for n, v in p.items()}
    for t, grads in enumerate(stream):
        for n, g in clipped(grads, clip).items():
            if apart:
                p[n] = p[n] - rate(t) * weight_decay * p[n]
            else:
                g = g + weight_decay * p[n]
            m[n] = betas[0] * m[n] + (1 - betas[0]) * g
            v[n] = betas[1] * v[n] + (1 - betas[1]) * g**2
            first, second = m[n] / (1 - betas[0] ** (t + 1)), v[n] / (1 - betas[1] ** (t + 1))
            p[n] = p[n] - rate(t) * first / (np.sqrt(second) + eps)
        yield p


def adamw(
    p: Tree, stream: list[Tree], rate: Callable[[int], float], **options: Any
) -> Iterator[Tree]:
    """torch.optim.AdamW, which decays by 0.01 unless told otherwise."""
    return adam(p, stream, rate, **{"weight_decay": 1e-2, "apart": True, **options})


@dataclass(frozen=True)
class Row:
    """An optimizer, its formula, its options, and where PyTorch ended.

    ``end`` holds gain, bias[1] and fc[4, 26] of the model in `tests.optim.boxes` after 12 steps
    at lr 0.05, recorded from PyTorch 2.13.0 (CPU, float32) and rounded to six places.
    """

    ours: Callable[..., Optimizer]
    formula: Callable[..., Iterator[Tree]]
    options: dict[str, Any]
    end: tuple[float, float, float]

    def __str__(self) -> str:
        return f"{self.formula.__name__}({self.options})"


TABLE = [
    Row(SGD, sgd, {}, (0.91294, 0.309601, -1.666878)),
    Row(SGD, sgd, {"weight_decay": 0.1}, (0.854107, 0.287971, -1.580333)),
    Row(SGD, sgd, {"momentum": 0.9}, (0.323107, 0.101137, -3.04551)),
    Row(SGD, sgd, {"momentum": 0.9, "weight_decay": 0.01}, (0.298735, 0.091475, -2.999589)),
    Row(SGD, sgd, {"momentum": 0.8, "nesterov": True}, (0.468427, 0.116876, -2.699813)),
    Row(
        SGD,
        sgd,
        {"momentum": 0.8, "nesterov": True, "weight_decay": 0.1, "clip": 1.5},
        (0.796216, 0.281269, -1.174325),
    ),
    Row(SGD, sgd, {"momentum": 0.5, "clip": ClipValue(0.25)}, (1.014784, 0.32633, -1.419569)),
    Row(SGD, sgd, {"clip": 1e6}, (0.91294, 0.309601, -1.666878)),
    Row(Adam, adam, {}, (0.776961, 0.254218, -1.52425)),
    Row(
        Adam,
        adam,
        {"betas": (0.5, 0.75), "eps": 1e-3, "weight_decay": 0.1},
        (0.769502, 0.224424, -1.474202),
    ),
    Row(Adam, adam, {"betas": (0.0, 0.9), "clip": 1.5}, (0.821422, 0.224736, -1.525882)),
    Row(AdamW, adamw, {}, (0.771463, 0.2524, -1.516055)),
    Row(
        AdamW,
        adamw,
        {"betas": (0.8, 0.95), "weight_decay": 0.2, "clip": 2.0},
        (0.681376, 0.212285, -1.368402),
    ),
    Row(AdamW, adamw, {"weight_decay": 0.0}, (0.776961, 0.254218, -1.52425)),
]
