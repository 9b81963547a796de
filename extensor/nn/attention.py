"""``MultiHeadAttention``: every token asks all others, several times in parallel."""

from typing import Any

import numpy as np

from extensor import ops
from extensor.errors import FormatError, ShapeError
from extensor.nn.init import FIRST
from extensor.nn.linear import Linear
from extensor.nn.module import Module
from extensor.nn.rotary import RotaryEmbedding
from extensor.noise import Key
from extensor.ops.coerce import tensors
from extensor.ops.dropout import check_probability
from extensor.recipe import Recipe
from extensor.tensor import ExTensor


class MultiHeadAttention(Module):
    """Self-attention of tokens (..., T, width) with ``heads`` heads of width / heads.

    The queries, keys and values of all heads come from one linear layer (``qkv``, in that order);
    a second one (``out``) mixes what the heads found. Under a recipe both are quantized; the
    softmax and its two products stay in float32.

    causal
        Token i sees the tokens 0 .. i only.
    dropout
        In training this share of the weights becomes 0, as `extensor.dropout` says.
    rotary
        None, or the layer that turns queries and keys by their positions.

    A call takes a ``mask`` of what broadcasts to (..., heads, T, T): bool, where True takes part,
    or floats that are added to the scores. (A mask by tokens is ``mask[:, None, None, :]``.)

    >>> import extensor as ex
    >>> layer = MultiHeadAttention(8, 2, key=ex.key(0))
    >>> layer(ex.ExTensor[ex.float32].ones((3, 5, 8))).shape
    (3, 5, 8)
    """

    def __init__(
        self,
        width: int,
        heads: int,
        causal: bool = True,
        recipe: Recipe | None = None,
        key: Key = FIRST,
        bias: bool = True,
        dropout: float = 0.0,
        rotary: RotaryEmbedding | None = None,
    ) -> None:
        check_probability(dropout)
        if heads < 1 or width % heads:
            raise FormatError(
                f"MultiHeadAttention: width {width} and {heads} heads; allowed: a number of heads "
                "that divides the width"
            )
        self.width, self.heads, self.causal = width, heads, causal
        self.dropout, self.rotary = dropout, rotary
        self.qkv = Linear(width, 3 * width, bias=bias, recipe=recipe, key=key.fold(0))
        self.out = Linear(width, width, bias=bias, recipe=recipe, key=key.fold(1))

    def forward(self, x: ExTensor, key: Key | None = None, mask: Any = None) -> ExTensor:
        if x.ndim < 2 or x.shape[-1] != self.width:
            raise ShapeError(
                f"MultiHeadAttention: shape {x.shape}; allowed: (..., tokens, {self.width})"
            )
        first, second = (None, None) if key is None else key.split(2)
        dropped = self.dropout if self.training else 0.0
        tokens, size = x.shape[-2], self.width // self.heads
        split = self.qkv(x, key=first).reshape(-1, tokens, 3, self.heads, size)
        q, k, v = split.permute(axes=(2, 0, 3, 1, 4))
        if self.rotary is not None:
            q, k = self.rotary(q), self.rotary(k)
        y = ops.scaled_dot_product_attention(
            q, k, v, self._mask(mask, x), causal=self.causal, dropout=dropped,
            key=key.fold(2) if key is not None and dropped else None,
        )  # fmt: skip
        return self.out(y.permute(axes=(0, 2, 1, 3)).reshape(x.shape), key=second)

    def _mask(self, mask: Any, x: ExTensor) -> Any:
        """The mask for the leading axes taken as one; None where there is none."""
        if mask is None or x.ndim <= 3 or np.ndim(mask) <= 3:
            return mask
        lead, tokens = x.shape[:-2], x.shape[-2]
        (mask,) = tensors(mask)
        if mask.ndim > len(lead) + 3:
            raise ShapeError(
                f"MultiHeadAttention: mask of shape {mask.shape}; allowed: what broadcasts to "
                f"{(*lead, self.heads, tokens, tokens)}"
            )
        given = (1,) * (len(lead) + 3 - mask.ndim) + mask.shape
        full = ops.broadcast_to(mask.reshape(given), shape=(*lead, *given[-3:]))
        return full.reshape(-1, *given[-3:])

    def __repr__(self) -> str:
        recipe = f", recipe={self.qkv.recipe.name}" if self.qkv.recipe is not None else ""
        return f"MultiHeadAttention({self.width}, {self.heads}, causal={self.causal}{recipe})"
