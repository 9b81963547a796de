"""``Module``: named parameters, named layers, and a call with a key."""

from collections.abc import Iterator
from typing import Any

from extensor.backend import to_device
from extensor.errors import CheckpointError
from extensor.noise import Key
from extensor.quantizer import Quantizer
from extensor.storage import Native
from extensor.tensor import ExTensor, asarray


class Module:
    """A layer or a model: attributes that are tensors are parameters, or buffers where they require
    no gradient (running statistics, frozen weights); those that are modules are layers (lists of
    modules too).

    >>> import extensor as ex
    >>> layer = ex.nn.Linear(3, 2, key=ex.key(0))
    >>> [(name, p.shape) for name, p in layer.named_parameters()]
    [('weight', (2, 3)), ('bias', (2,))]
    """

    training: bool = True

    def forward(self, x: ExTensor, key: Key | None = None) -> ExTensor:
        """The answer for ``x``; ``key`` is for layers that draw random words."""
        raise NotImplementedError

    def __call__(self, x: Any, key: Key | None = None, **more: Any) -> ExTensor:
        return self.forward(x if isinstance(x, ExTensor) else asarray(x), key=key, **more)

    def children(self) -> Iterator[tuple[str, "Module"]]:
        """The layers directly below, by name."""
        for name, value in vars(self).items():
            if isinstance(value, Module):
                yield name, value
            elif isinstance(value, list | tuple):
                for i, item in enumerate(value):
                    if isinstance(item, Module):
                        yield f"{name}.{i}", item

    def named_modules(self, prefix: str = "") -> Iterator[tuple[str, "Module"]]:
        """This module and all below it, by dotted name."""
        yield prefix, self
        for name, child in self.children():
            yield from child.named_modules(f"{prefix}.{name}" if prefix else name)

    def _named_tensors(self) -> Iterator[tuple[str, ExTensor]]:
        for prefix, module in self.named_modules():
            for name, value in vars(module).items():
                if isinstance(value, ExTensor):
                    yield f"{prefix}.{name}" if prefix else name, value

    def named_parameters(self) -> Iterator[tuple[str, ExTensor]]:
        """All tensors that require a gradient, by dotted name."""
        return ((name, value) for name, value in self._named_tensors() if value.requires_grad)

    def named_buffers(self) -> Iterator[tuple[str, ExTensor]]:
        """All tensors that require no gradient, by dotted name: saved and moved, never trained.

        >>> import extensor as ex
        >>> [name for name, _ in ex.nn.BatchNorm1d(3).named_buffers()]
        ['running_mean', 'running_var']
        """
        return ((name, value) for name, value in self._named_tensors() if not value.requires_grad)

    def parameters(self) -> dict[str, ExTensor]:
        """The named parameters as a dict, what optimizers take."""
        return dict(self.named_parameters())

    def to(self, device: str) -> "Module":
        """All parameters and buffers on a device, in place; make the optimizer after the move.

        >>> import extensor as ex
        >>> ex.nn.Linear(3, 2, key=ex.key(0)).to("cpu").weight.device
        'cpu'
        """
        for _, tensor in self._named_tensors():
            moved = tensor.to(device)
            tensor.storage, tensor.grad = moved.storage, None
        return self

    def train(self, mode: bool = True) -> "Module":
        """Training behaviour for this module and all below."""
        for _, module in self.named_modules():
            module.training = mode
        return self

    def eval(self) -> "Module":
        """Evaluation behaviour for this module and all below."""
        return self.train(False)

    def keep_gradients_in(self, quantizer: Quantizer | None) -> "Module":
        """Store every parameter's gradient packed in this format until the optimizer reads it."""
        for parameter in self.parameters().values():
            parameter.grad_quantizer = quantizer
        return self

    def state_dict(self) -> dict[str, ExTensor]:
        """The parameters by name, then the buffers."""
        return self.parameters() | dict(self.named_buffers())

    def load_state_dict(self, state: dict[str, ExTensor]) -> None:
        """Copy values in; names and shapes must agree, else nothing is changed."""
        own = self.state_dict()
        wrong = sorted(set(own) ^ set(state))
        wrong += [n for n in own if n in state and own[n].shape != state[n].shape]
        if wrong:
            raise CheckpointError(
                f"load_state_dict: tensors that do not fit this model: {', '.join(wrong)}"
            )
        for name, tensor in own.items():
            if isinstance(tensor.storage, Native):
                tensor.storage.array[...] = to_device(state[name].numpy(), tensor.device)
            else:
                tensor.storage = state[name].to(tensor.dtype).to(tensor.device).storage
            tensor.bump()

    def __repr__(self) -> str:
        lines = [f"  {name}: {child!r}".replace("\n", "\n  ") for name, child in self.children()]
        inside = "\n".join(lines)
        return f"{type(self).__name__}(\n{inside}\n)" if lines else f"{type(self).__name__}()"
