"""A decoder of text in the shape of GPT-2 (Radford et al. 2019), as small as nanoGPT makes it.

Tokens and positions are embedded and added; each block adds to every token what attention finds
among the tokens before it, then what an MLP of four times the width makes of it (both behind a
layer norm, so that the sum itself is never normed); the last norm meets the embedding again, whose
rows are the weights of the answer (Press and Wolf, arXiv 1608.05859).
"""

import math

import numpy as np

from extensor import ops
from extensor.errors import FormatError, ShapeError
from extensor.models.sample import choose
from extensor.nn import Dropout, Embedding, LayerNorm, Linear, Module, MultiHeadAttention
from extensor.nn.init import normal
from extensor.nn.under import under
from extensor.noise import Key
from extensor.noise import key as make_key
from extensor.ops.mode import no_grad
from extensor.recipe import Recipe, get
from extensor.tensor import ExTensor, asarray

STD = 0.02
"""Deviation of the initial weights, biases being 0; where a block ends, over sqrt(2 layers)."""


class Block(Module):
    """``x + attention(norm(x))``, then the same with an MLP, for x of (B, T, width).

    >>> import extensor as ex
    >>> Block(8, 2, 0.0)(ex.ExTensor[ex.float32].ones((1, 3, 8))).shape
    (1, 3, 8)
    """

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        self.norm1 = LayerNorm(width)
        self.attention = MultiHeadAttention(width, heads, causal=True)
        self.norm2 = LayerNorm(width)
        self.up = Linear(width, 4 * width)
        self.down = Linear(4 * width, width)
        self.dropout = Dropout(dropout)

    def forward(self, x: ExTensor, key: Key | None = None) -> ExTensor:
        k = [None] * 5 if key is None else key.split(5)
        x = x + self.dropout(self.attention(self.norm1(x), key=k[0]), key=k[1])
        inner = ops.gelu(self.up(self.norm2(x), key=k[2]))
        return x + self.dropout(self.down(inner, key=k[3]), key=k[4])


class GPT(Module):
    """Integers (B, T), T <= context, to logits (B, T, vocab): after each token, what comes next.

    vocab, context, layers, heads, width
        Different tokens; the longest T; blocks; heads of attention, which divide the width.
    dropout
        Share of numbers set to 0 in training: after the embedding and at both ends of a block.
    recipe
        A `Recipe`, the name of one, or None for float32 throughout. Its ``keep`` patterns name
        layers such as ``blocks.0.attention.qkv``, ``blocks.*.down`` and, for the product with the
        embedding at the end, ``tokens`` (``head`` where the weights are not tied).
    tied
        Whether the weights of the answer are those of the embedding.

    >>> import extensor as ex
    >>> model = GPT(65, 32, layers=1, heads=2, width=32, recipe="nvfp4", key=ex.key(0))
    >>> model(ex.asarray([[1, 2, 3]]), key=ex.key(1)).shape
    (1, 3, 65)
    """

    own_layer = "tokens"
    """What a recipe's ``keep`` patterns call the product with the embedding."""

    def __init__(
        self,
        vocab: int,
        context: int,
        layers: int = 4,
        heads: int = 4,
        width: int = 128,
        *,
        dropout: float = 0.0,
        recipe: Recipe | str | None = None,
        key: Key | None = None,
        tied: bool = True,
    ) -> None:
        sizes = {"vocab": vocab, "context": context, "layers": layers, "width": width}
        for name, size in sizes.items():
            if size < 1:
                raise FormatError(f"GPT: {name}={size}; allowed: 1 or more")
        self.context = context
        self.tokens = Embedding(vocab, width)
        self.positions = Embedding(context, width)
        self.dropout = Dropout(dropout)
        self.blocks = [Block(width, heads, dropout) for _ in range(layers)]
        self.norm = LayerNorm(width)
        self.head = None if tied else Linear(width, vocab, bias=False)
        self.recipe: Recipe | None = None
        if recipe is not None:
            under(self, get(recipe) if isinstance(recipe, str) else recipe)
        self._begin(key or make_key(0))

    def _begin(self, key: Key) -> None:
        """Fresh weights: normal, each matrix from its own child of the key."""
        ends = STD / math.sqrt(2 * len(self.blocks))
        matrices = [(n, p) for n, p in self.named_parameters() if p.ndim == 2]
        for number, (name, weight) in enumerate(matrices):
            std = ends if name.endswith(("out.weight", "down.weight")) else STD
            weight.storage.array[...] = normal(weight.shape, std, key.fold(number))  # type: ignore[union-attr]

    def example(self, rows: int) -> tuple[tuple[int, ...], str]:
        """The shape and the format of a batch."""
        return (rows, self.context), "int64"

    def forward(self, x: ExTensor, key: Key | None = None) -> ExTensor:
        if x.ndim != 2 or not 1 <= x.shape[1] <= self.context:
            raise ShapeError(
                f"GPT: tokens of shape {x.shape}; allowed: (B, T), T from 1 to {self.context}"
            )
        k = [None] * (2 + len(self.blocks)) if key is None else key.split(2 + len(self.blocks))
        y = self.tokens(x) + self.positions.weight[: x.shape[1]]
        y = self.dropout(y, key=k[0])
        for block, own in zip(self.blocks, k[2:], strict=True):
            y = block(y, key=own)
        return self._answer(self.norm(y), k[1])

    def _answer(self, y: ExTensor, key: Key | None) -> ExTensor:
        """The product with the rows of the embedding, or with the head's own weights."""
        if self.head is not None:
            return self.head(y, key=key)
        weight = self.tokens.weight
        if self.recipe is None or not self.recipe.quantizes:
            return ops.matmul(y, weight.T)  # type: ignore[no-any-return]
        return ops.linear(y, weight, recipe=self.recipe, key=key)  # type: ignore[no-any-return]

    def generate(
        self, tokens: ExTensor, count: int, key: Key, temperature: float = 1.0
    ) -> ExTensor:
        """Tokens (B, T) with ``count`` more after them, each drawn from what the model answers.

        temperature
            Logits are divided by it; at 0 the likeliest token is taken. Each step reads the last
            ``context`` tokens. The words that decide are those of ``key.fold(step)``.

        >>> import extensor as ex
        >>> model = GPT(5, 4, layers=1, heads=1, width=8)
        >>> model.generate(ex.asarray([[1, 2]]), 3, ex.key(0)).shape
        (1, 5)
        """
        if count < 0 or not 0 <= temperature < math.inf:
            raise FormatError(
                f"generate: count={count}, temperature={temperature}; allowed: 0 or more, finite"
            )
        seen, mode = tokens.numpy(), self.training
        self.eval()
        with no_grad():
            for step in range(count):
                own, coin = key.fold(step).split(2)
                part = asarray(np.ascontiguousarray(seen[:, -self.context :]), device=tokens.device)
                logits = self(part, key=own).numpy()[:, -1]
                seen = np.column_stack([seen, choose(logits, coin, temperature)])
        self.train(mode)
        return asarray(seen, device=tokens.device)
