"""extensor: a tensor framework in which a number format is a value.

>>> import extensor as ex
>>> x = ex.asarray([[0.1, -2.0, 3.3, 7.0]])
>>> ex.quantize(x, ex.mxfp4).tolist()
[[0.0, -2.0, 3.0, 8.0]]
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
from extensor.ops import OPS as OPS
from extensor.ops import abs as abs
from extensor.ops import add as add
from extensor.ops import all as all
from extensor.ops import any as any
from extensor.ops import argmax as argmax
from extensor.ops import argmin as argmin
from extensor.ops import avg_pool2d as avg_pool2d
from extensor.ops import broadcast_to as broadcast_to
from extensor.ops import ceil as ceil
from extensor.ops import clip as clip
from extensor.ops import concat as concat
from extensor.ops import conv2d as conv2d
from extensor.ops import cos as cos
from extensor.ops import cross_entropy as cross_entropy
from extensor.ops import div as div
from extensor.ops import dropout as dropout
from extensor.ops import embedding as embedding
from extensor.ops import equal as equal
from extensor.ops import erf as erf
from extensor.ops import exp as exp
from extensor.ops import expand_dims as expand_dims
from extensor.ops import explain as explain
from extensor.ops import expm1 as expm1
from extensor.ops import flip as flip
from extensor.ops import floor as floor
from extensor.ops import gelu as gelu
from extensor.ops import getitem as getitem
from extensor.ops import greater as greater
from extensor.ops import greater_equal as greater_equal
from extensor.ops import isfinite as isfinite
from extensor.ops import isinf as isinf
from extensor.ops import isnan as isnan
from extensor.ops import layer_norm as layer_norm
from extensor.ops import leaky_relu as leaky_relu
from extensor.ops import less as less
from extensor.ops import less_equal as less_equal
from extensor.ops import log as log
from extensor.ops import log1p as log1p
from extensor.ops import log_softmax as log_softmax
from extensor.ops import logical_and as logical_and
from extensor.ops import logical_not as logical_not
from extensor.ops import logical_or as logical_or
from extensor.ops import logsumexp as logsumexp
from extensor.ops import matmul as matmul
from extensor.ops import max as max
from extensor.ops import max_pool2d as max_pool2d
from extensor.ops import maximum as maximum
from extensor.ops import mean as mean
from extensor.ops import min as min
from extensor.ops import minimum as minimum
from extensor.ops import mse_loss as mse_loss
from extensor.ops import mul as mul
from extensor.ops import neg as neg
from extensor.ops import not_equal as not_equal
from extensor.ops import one_hot as one_hot
from extensor.ops import pad as pad
from extensor.ops import permute as permute
from extensor.ops import pow as pow
from extensor.ops import reciprocal as reciprocal
from extensor.ops import relu as relu
from extensor.ops import reshape as reshape
from extensor.ops import rms_norm as rms_norm
from extensor.ops import round as round
from extensor.ops import rsqrt as rsqrt
from extensor.ops import scaled_dot_product_attention as scaled_dot_product_attention
from extensor.ops import sigmoid as sigmoid
from extensor.ops import sign as sign
from extensor.ops import silu as silu
from extensor.ops import sin as sin
from extensor.ops import softmax as softmax
from extensor.ops import softplus as softplus
from extensor.ops import sqrt as sqrt
from extensor.ops import square as square
from extensor.ops import squeeze as squeeze
from extensor.ops import stack as stack
from extensor.ops import sub as sub
from extensor.ops import sum as sum
from extensor.ops import tanh as tanh
from extensor.ops import trace as trace
from extensor.ops import where as where
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
    "compile": "extensor.replay",
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
