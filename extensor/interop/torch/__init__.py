"""Recipes for models of PyTorch: the three GEMMs of their layers run through our kernels.

``apply(model, recipe)`` turns every `torch.nn.Linear` and `torch.nn.Conv2d` of a model, in place,
into a layer whose forward product, input gradient and weight gradient take their operands as the
recipe says. The model's own code is not touched, parameters stay the same objects, so optimizers,
hooks, `state_dict` and tied weights go on; `remove` turns the layers back. Numbers go over by
DLPack without a copy, on a CPU and on a GPU; the bias is added by PyTorch.

Layers change their class and keep their identity, which is how `torch.nn.utils.parametrize` does
it: references to a layer, from wherever, stay good.
"""

try:
    import torch as _torch
except ImportError as error:
    raise ImportError(
        "extensor.interop.torch: PyTorch is not installed; pip install torch"
    ) from error

from extensor.interop.torch.layers import Conv2d as Conv2d
from extensor.interop.torch.layers import Linear as Linear
from extensor.interop.torch.model import apply as apply
from extensor.interop.torch.model import layers as layers
from extensor.interop.torch.model import remove as remove
from extensor.interop.torch.model import set_step as set_step
from extensor.interop.torch.state import State as State

del _torch
