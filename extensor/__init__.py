"""extensor: a tensor framework in which a number format is a value.

>>> import extensor as ex
>>> x = ex.asarray([[0.1, -2.0, 3.3, 7.0]])
>>> ex.quantize(x, ex.mxfp4).tolist()
[[0.0, -2.0, 4.0, 8.0]]
"""

from importlib import import_module as _import_module
from typing import TYPE_CHECKING
from typing import Any as _Any

from extensor.errors import CheckpointError as CheckpointError
from extensor.errors import DispatchError as DispatchError
from extensor.errors import DTypeError as DTypeError
from extensor.errors import ExtensorError as ExtensorError
from extensor.errors import FormatError as FormatError
from extensor.errors import GraphError as GraphError
from extensor.errors import IndexShapeError as IndexShapeError
from extensor.errors import KeyMissingError as KeyMissingError
from extensor.errors import OutOfMemoryError as OutOfMemoryError
from extensor.errors import ShapeError as ShapeError
from extensor.formats import DTYPES as DTYPES
from extensor.formats import Block as Block
from extensor.formats import DType as DType
from extensor.formats import Fixed as Fixed
from extensor.formats import Float as Float
from extensor.formats import dtype as dtype
from extensor.formats import promote as promote
from extensor.formats.names import bfloat16 as bfloat16
from extensor.formats.names import bool as bool
from extensor.formats.names import float4_e2m1fn as float4_e2m1fn
from extensor.formats.names import float6_e2m3fn as float6_e2m3fn
from extensor.formats.names import float6_e3m2fn as float6_e3m2fn
from extensor.formats.names import float8_e4m3fn as float8_e4m3fn
from extensor.formats.names import float8_e5m2 as float8_e5m2
from extensor.formats.names import float8_e8m0fnu as float8_e8m0fnu
from extensor.formats.names import float8_ue5m3 as float8_ue5m3
from extensor.formats.names import float16 as float16
from extensor.formats.names import float32 as float32
from extensor.formats.names import float64 as float64
from extensor.formats.names import int8 as int8
from extensor.formats.names import int16 as int16
from extensor.formats.names import int32 as int32
from extensor.formats.names import int64 as int64
from extensor.formats.names import mx_int8 as mx_int8
from extensor.formats.names import mxfp4 as mxfp4
from extensor.formats.names import mxfp6_e2m3 as mxfp6_e2m3
from extensor.formats.names import mxfp6_e3m2 as mxfp6_e3m2
from extensor.formats.names import mxfp8_e4m3 as mxfp8_e4m3
from extensor.formats.names import mxfp8_e5m2 as mxfp8_e5m2
from extensor.formats.names import mxint8 as mxint8
from extensor.formats.names import nvfp4 as nvfp4
from extensor.formats.names import nvfp4_2d as nvfp4_2d
from extensor.formats.names import uint8 as uint8
from extensor.formats.names import uint16 as uint16
from extensor.formats.names import uint32 as uint32
from extensor.formats.names import uint64 as uint64
from extensor.noise import Key as Key
from extensor.noise import key as key
from extensor.quantizer import Quantizer as Quantizer
from extensor.recipe import Recipe as Recipe

# isort: split
from extensor.autograd import backward as backward
from extensor.autograd import grad as grad
from extensor.ops import *
from extensor.ops import OPS as OPS
from extensor.ops import explain as explain
from extensor.ops import trace as trace
from extensor.ops.mode import no_grad as no_grad
from extensor.tensor import ExTensor as ExTensor
from extensor.tensor import asarray as asarray
from extensor.tensor import dequantize as dequantize
from extensor.tensor import from_codes as from_codes
from extensor.tensor import hadamard as hadamard
from extensor.tensor import pack as pack
from extensor.tensor import quantize as quantize
from extensor.tensor import unpack as unpack

__version__ = "0.1.0"

if TYPE_CHECKING:
    from extensor import bench as bench
    from extensor import data as data
    from extensor import io as io
    from extensor import models as models
    from extensor import nn as nn
    from extensor import optim as optim
    from extensor import recipes as recipes
    from extensor import testing as testing
    from extensor.differences import gradcheck as gradcheck
    from extensor.differences import gradgradcheck as gradgradcheck
    from extensor.io.tree import load as load
    from extensor.io.tree import save as save

_MODULES = ("bench", "data", "io", "models", "nn", "optim", "recipes", "testing")
_LAZY = {
    "gradcheck": "extensor.differences",
    "gradgradcheck": "extensor.differences",
    "load": "extensor.io.tree",
    "save": "extensor.io.tree",
}


def __getattr__(name: str) -> _Any:
    """Parts that are loaded when they are first asked for."""
    if name in _MODULES:
        return _import_module(f"extensor.{name}")
    if name in _LAZY:
        return getattr(_import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'extensor' has no attribute {name!r}")
