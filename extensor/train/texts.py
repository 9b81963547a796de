"""Texts to go on with: shakespeare, or a file of one's own, by gpt."""

import math
from collections.abc import Iterator

from extensor.data import Text, WindowLoader, shakespeare, text
from extensor.errors import FormatError
from extensor.nn import Module
from extensor.noise import Key
from extensor.recipe import Recipe
from extensor.train.build import make_model
from extensor.train.measure import arrays_hash
from extensor.train.problem import Batch, Problem, Words
from extensor.train.settings import Settings

EVALUATE = 4096
"""Characters a forward pass of a validation, as near as whole windows come."""
WORDS = Words(
    items="tokens", item="tok", held="validation",
    figure="perplexity", label="perplexity", factor=1.0,
    judged="validation_loss", judged_fact="validation_loss", judged_factor=1.0, judged_digits=4,
)  # fmt: skip


class Texts(Problem[Text]):
    """The next character after each; judged by the loss in nats a character of the last tenth.

    >>> TEXTS.title(1.875, 6.5)
    'validation loss 1.8750 nats'
    """

    words = WORDS

    def load(self, settings: Settings) -> tuple[Text, Text]:
        """The first nine tenths and the rest."""
        where, context = settings.data_dir, settings.context or 1
        if settings.data == "shakespeare":
            return shakespeare(where, "train", context), shakespeare(where, "validation", context)
        if where is None:
            raise FormatError("train: --data text needs the file: --data-dir FILE")
        return text(where, context, "train"), text(where, context, "validation")

    def model(self, settings: Settings, data: Text, recipe: Recipe, key: Key) -> Module:
        """The model of this name, for the characters of the text."""
        shape = {name: getattr(settings, name) for name in ("layers", "heads", "width", "dropout")}
        return make_model(settings, recipe, key, vocab=data.vocab, context=data.context, **shape)

    def loader(self, settings: Settings, data: Text, key: Key) -> WindowLoader:
        """Shuffled windows, from another offset each epoch: tokens, targets int64 (B, context)."""
        return WindowLoader(data, batch_size=settings.batch_size or 1, key=key)

    def held_batches(self, data: Text) -> Iterator[Batch]:
        """The windows of the validation text, beside each other from its start."""
        size = max(1, EVALUATE // data.context)
        return WindowLoader(data, batch_size=size).epoch(0)

    def each(self, data: Text) -> int:
        """The characters of a window."""
        return data.context

    def describe(self, data: Text) -> str:
        """Name, characters and hash."""
        hashed = arrays_hash(f"{data.name} {data.characters}", data.tokens)
        return f"{data.name} ({len(data.tokens):,} characters, {hashed})"

    def sizes(self, data: Text, held: Text) -> str:
        """Characters of both splits."""
        return (
            f"{data.name}, {data.vocab} different characters, {len(data.tokens):,} to train on, "
            f"{len(held.tokens):,} to validate with"
        )

    def figure(self, loss: float, accuracy: float) -> float:
        """The perplexity, e to the loss: among how many characters it wavers, as it were."""
        return math.exp(loss) if loss < 700 else math.inf

    def headline(self, loss: float, figure: float) -> str:
        """Validation loss and perplexity."""
        return f"validation loss {loss:.4f} nats, perplexity {figure:.3f}"

    def title(self, loss: float, figure: float) -> str:
        """The validation loss."""
        return f"validation loss {loss:.4f} nats"

    def line(self, train: tuple[float, float], held: tuple[float, float]) -> str:
        """Both losses in nats, and the perplexity."""
        return f"training loss {train[0]:.4f}, {self.headline(*held)}"

    def running(self, loss: float, figure: float) -> str:
        """The training loss."""
        return f"loss {loss:.3f}"


TEXTS = Texts()
"""The one instance."""
