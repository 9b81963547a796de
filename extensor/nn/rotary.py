"""``RotaryEmbedding``: positions as rotations, so that a product of tokens sees their distance."""

from typing import Any

from extensor import ops
from extensor.errors import FormatError
from extensor.nn.module import Module
from extensor.noise import Key
from extensor.tensor import ExTensor


class RotaryEmbedding(Module):
    """Pairs of numbers of (..., T, width) turned by ``t base**(-2 i / width)``; no parameters.

    width
        Of a head, even.
    base
        The longest wave is about ``2 pi base`` tokens.
    interleaved
        Whether a pair are neighbours, or numbers half a width apart (as most models have them).

    A call takes ``positions``, integers (..., T), or the ``offset`` of the first of 0, 1, ...
    Su et al., "RoFormer: enhanced transformer with rotary position embedding", 2021.

    >>> import extensor as ex
    >>> layer = RotaryEmbedding(2)
    >>> [[round(v, 3) for v in row] for row in layer([[1.0, 0.0], [1.0, 0.0]]).tolist()]
    [[1.0, 0.0], [0.54, 0.841]]
    """

    def __init__(self, width: int, base: float = 10000.0, interleaved: bool = False) -> None:
        if width < 2 or width % 2 or not base > 0:
            raise FormatError(
                f"RotaryEmbedding: width {width}, base {base}; allowed: an even width, base > 0"
            )
        self.width, self.base, self.interleaved = width, base, interleaved

    def forward(
        self, x: ExTensor, key: Key | None = None, positions: Any = None, offset: int = 0
    ) -> ExTensor:
        given = () if positions is None else (positions,)
        return ops.rope(  # type: ignore[no-any-return]
            x, *given, base=self.base, offset=offset, interleaved=self.interleaved
        )

    def __repr__(self) -> str:
        return f"RotaryEmbedding({self.width}, base={self.base})"
