"""``State``: what a layer knows of the run: its name, its recipe, the step, its random words.

The words of a pass are those of ``key.fold(layer).fold(step).fold(call)``: the number of the layer
comes from its name, the step is what `set_step` said last (0 before), the call counts the passes
since then that made a graph. So a run repeats bit for bit, and one that says each step needs
nothing else to go on after a restart.
"""

import hashlib
from dataclasses import dataclass

from extensor.noise import Key
from extensor.recipe import Recipe


@dataclass
class State:
    """What a layer knows. Passes without a graph draw and do not count.

    name, names
        The layer's name, and those of all layers of the model.
    whole, steps
        The recipe of the model, and all the steps of the run (for phases at a share of them).
    key
        The root of the model's draws.
    step, calls
        What `set_step` said, and the passes with a graph since then.
    last
        The number of the last pass.

    >>> from extensor.recipe import get
    >>> state = State("fc", ("fc",), get("mxfp4-sr"), Key(1))
    >>> first, second = state.draw(makes_graph=True), state.draw(makes_graph=False)
    >>> first == second, second == state.draw(makes_graph=True), state.calls
    (False, True, 2)
    """

    name: str
    names: tuple[str, ...]
    whole: Recipe
    key: Key
    steps: int | None = None
    step: int = 0
    calls: int = 0
    last: int = 0

    def __post_init__(self) -> None:
        self.go(self.step)

    def go(self, step: int, calls: int = 0) -> None:
        """Be at a step, after so many passes of it."""
        now = self.whole.at(step, self.steps or 0)
        self.recipe = now.of_layer(self.name, self.names)
        self.step, self.calls, self.last = step, calls, calls
        self.own = self.key.fold(number(self.name)).fold(step)

    def draw(self, makes_graph: bool, repeats: bool = False) -> Key:
        """The key of a pass, which is counted if it makes a graph.

        repeats
            Whether PyTorch makes the pass again for a gradient: it gets the key of the last one.
        """
        self.last = self.last if repeats else self.calls
        if makes_graph:
            self.calls = max(self.calls, self.last + 1)
        return self.own.fold(self.last)


def number(name: str) -> int:
    """A number below 2**63 for a name: what a layer draws does not depend on the others.

    >>> number("fc1") == number("fc1"), number("fc1") == number("fc2")
    (True, False)
    """
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "little") >> 1
