"""extensor: a tensor framework in which a number format is a value.

>>> import extensor as ex
>>> x = ex.asarray([[0.1, -2.0, 3.3, 7.0]])
>>> ex.quantize(x, ex.mxfp4).tolist()
[[0.0, -2.0, 3.0, 8.0]]

Over 300 lines: the public names, one a line, and no code; it is the namespace of the Array API
standard too.
"""

from importlib import import_module as _import_module
from typing import TYPE_CHECKING
from typing import Any as _Any

from extensor.errors import AnomalyError as AnomalyError
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
from extensor.formats.names import complex64 as complex64
from extensor.formats.names import complex128 as complex128
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
from extensor.functions.einsum import einsum as einsum
from extensor.functions.indexing import scatter_add as scatter_add
from extensor.functions.indexing import take as take
from extensor.functions.indexing import take_along_axis as take_along_axis
from extensor.functions.joining import concat as concat
from extensor.functions.joining import pad as pad
from extensor.functions.joining import repeat as repeat
from extensor.functions.joining import stack as stack
from extensor.functions.joining import tile as tile
from extensor.functions.products import tensordot as tensordot
from extensor.functions.products import vecdot as vecdot
from extensor.functions.searching import argmax as argmax
from extensor.functions.searching import argmin as argmin
from extensor.functions.searching import count_nonzero as count_nonzero
from extensor.functions.searching import nonzero as nonzero
from extensor.functions.searching import searchsorted as searchsorted
from extensor.functions.sets import unique_all as unique_all
from extensor.functions.sets import unique_counts as unique_counts
from extensor.functions.sets import unique_inverse as unique_inverse
from extensor.functions.sets import unique_values as unique_values
from extensor.functions.shapes import broadcast_arrays as broadcast_arrays
from extensor.functions.shapes import broadcast_to as broadcast_to
from extensor.functions.shapes import expand_dims as expand_dims
from extensor.functions.shapes import flip as flip
from extensor.functions.shapes import matrix_transpose as matrix_transpose
from extensor.functions.shapes import moveaxis as moveaxis
from extensor.functions.shapes import permute_dims as permute_dims
from extensor.functions.shapes import reshape as reshape
from extensor.functions.shapes import roll as roll
from extensor.functions.shapes import squeeze as squeeze
from extensor.functions.shapes import unstack as unstack
from extensor.functions.sorting import argsort as argsort
from extensor.functions.sorting import sort as sort
from extensor.functions.sorting import topk as topk
from extensor.noise import Key as Key
from extensor.noise import key as key
from extensor.quantizer import Quantizer as Quantizer
from extensor.recipe import Recipe as Recipe

# isort: split
from extensor import inplace as inplace
from extensor.anomaly import detect_anomaly as detect_anomaly
from extensor.autograd import backward as backward
from extensor.constants import Device as Device
from extensor.constants import e as e
from extensor.constants import inf as inf
from extensor.constants import nan as nan
from extensor.constants import newaxis as newaxis
from extensor.constants import pi as pi
from extensor.create import arange as arange
from extensor.create import astype as astype
from extensor.create import empty as empty
from extensor.create import empty_like as empty_like
from extensor.create import eye as eye
from extensor.create import from_dlpack as from_dlpack
from extensor.create import full as full
from extensor.create import full_like as full_like
from extensor.create import linspace as linspace
from extensor.create import meshgrid as meshgrid
from extensor.create import ones as ones
from extensor.create import ones_like as ones_like
from extensor.create import zeros as zeros
from extensor.create import zeros_like as zeros_like
from extensor.functional import grad as grad
from extensor.functional import jvp as jvp
from extensor.functional import value_and_grad as value_and_grad
from extensor.functional import vjp as vjp
from extensor.functions.cumulative import cumulative_prod as cumulative_prod
from extensor.functions.cumulative import cumulative_sum as cumulative_sum
from extensor.functions.cumulative import diff as diff
from extensor.functions.neighbours import nextafter as nextafter
from extensor.info import __array_namespace_info__ as __array_namespace_info__
from extensor.info import can_cast as can_cast
from extensor.info import finfo as finfo
from extensor.info import iinfo as iinfo
from extensor.info import isdtype as isdtype
from extensor.info import result_type as result_type
from extensor.ops import OPS as OPS
from extensor.ops import abs as abs
from extensor.ops import acos as acos
from extensor.ops import acosh as acosh
from extensor.ops import adaptive_avg_pool1d as adaptive_avg_pool1d
from extensor.ops import adaptive_avg_pool2d as adaptive_avg_pool2d
from extensor.ops import adaptive_avg_pool3d as adaptive_avg_pool3d
from extensor.ops import adaptive_max_pool1d as adaptive_max_pool1d
from extensor.ops import adaptive_max_pool2d as adaptive_max_pool2d
from extensor.ops import adaptive_max_pool3d as adaptive_max_pool3d
from extensor.ops import add as add
from extensor.ops import affine as affine
from extensor.ops import all as all
from extensor.ops import any as any
from extensor.ops import asin as asin
from extensor.ops import asinh as asinh
from extensor.ops import atan as atan
from extensor.ops import atan2 as atan2
from extensor.ops import atanh as atanh
from extensor.ops import avg_pool1d as avg_pool1d
from extensor.ops import avg_pool2d as avg_pool2d
from extensor.ops import avg_pool3d as avg_pool3d
from extensor.ops import batch_norm as batch_norm
from extensor.ops import bce_with_logits as bce_with_logits
from extensor.ops import bitwise_and as bitwise_and
from extensor.ops import bitwise_invert as bitwise_invert
from extensor.ops import bitwise_left_shift as bitwise_left_shift
from extensor.ops import bitwise_or as bitwise_or
from extensor.ops import bitwise_right_shift as bitwise_right_shift
from extensor.ops import bitwise_xor as bitwise_xor
from extensor.ops import ceil as ceil
from extensor.ops import celu as celu
from extensor.ops import clip as clip
from extensor.ops import conj as conj
from extensor.ops import conv1d as conv1d
from extensor.ops import conv2d as conv2d
from extensor.ops import conv3d as conv3d
from extensor.ops import conv_transpose1d as conv_transpose1d
from extensor.ops import conv_transpose2d as conv_transpose2d
from extensor.ops import conv_transpose3d as conv_transpose3d
from extensor.ops import copysign as copysign
from extensor.ops import cos as cos
from extensor.ops import cosh as cosh
from extensor.ops import cosine_similarity as cosine_similarity
from extensor.ops import cross_entropy as cross_entropy
from extensor.ops import cumprod as cumprod
from extensor.ops import cumsum as cumsum
from extensor.ops import div as div
from extensor.ops import dropout as dropout
from extensor.ops import elu as elu
from extensor.ops import embedding as embedding
from extensor.ops import equal as equal
from extensor.ops import erf as erf
from extensor.ops import exp as exp
from extensor.ops import explain as explain
from extensor.ops import expm1 as expm1
from extensor.ops import floor as floor
from extensor.ops import floor_divide as floor_divide
from extensor.ops import focal_loss as focal_loss
from extensor.ops import gelu as gelu
from extensor.ops import getitem as getitem
from extensor.ops import global_avg_pool as global_avg_pool
from extensor.ops import global_max_pool as global_max_pool
from extensor.ops import glu as glu
from extensor.ops import greater as greater
from extensor.ops import greater_equal as greater_equal
from extensor.ops import group_norm as group_norm
from extensor.ops import hardshrink as hardshrink
from extensor.ops import hardsigmoid as hardsigmoid
from extensor.ops import hardswish as hardswish
from extensor.ops import hardtanh as hardtanh
from extensor.ops import hinge_loss as hinge_loss
from extensor.ops import huber_loss as huber_loss
from extensor.ops import hypot as hypot
from extensor.ops import imag as imag
from extensor.ops import instance_norm as instance_norm
from extensor.ops import isfinite as isfinite
from extensor.ops import isinf as isinf
from extensor.ops import isnan as isnan
from extensor.ops import kl_div as kl_div
from extensor.ops import l1_loss as l1_loss
from extensor.ops import layer_norm as layer_norm
from extensor.ops import leaky_relu as leaky_relu
from extensor.ops import less as less
from extensor.ops import less_equal as less_equal
from extensor.ops import linear_scan as linear_scan
from extensor.ops import log as log
from extensor.ops import log1p as log1p
from extensor.ops import log2 as log2
from extensor.ops import log10 as log10
from extensor.ops import log_softmax as log_softmax
from extensor.ops import logaddexp as logaddexp
from extensor.ops import logical_and as logical_and
from extensor.ops import logical_not as logical_not
from extensor.ops import logical_or as logical_or
from extensor.ops import logical_xor as logical_xor
from extensor.ops import logsigmoid as logsigmoid
from extensor.ops import logsumexp as logsumexp
from extensor.ops import matmul as matmul
from extensor.ops import max as max
from extensor.ops import max_pool1d as max_pool1d
from extensor.ops import max_pool2d as max_pool2d
from extensor.ops import max_pool3d as max_pool3d
from extensor.ops import maximum as maximum
from extensor.ops import mean as mean
from extensor.ops import min as min
from extensor.ops import minimum as minimum
from extensor.ops import mish as mish
from extensor.ops import mse_loss as mse_loss
from extensor.ops import mul as mul
from extensor.ops import neg as neg
from extensor.ops import nll_loss as nll_loss
from extensor.ops import not_equal as not_equal
from extensor.ops import one_hot as one_hot
from extensor.ops import permute as permute
from extensor.ops import positive as positive
from extensor.ops import pow as pow
from extensor.ops import prelu as prelu
from extensor.ops import prod as prod
from extensor.ops import real as real
from extensor.ops import reciprocal as reciprocal
from extensor.ops import relu as relu
from extensor.ops import relu6 as relu6
from extensor.ops import remainder as remainder
from extensor.ops import rms_norm as rms_norm
from extensor.ops import rope as rope
from extensor.ops import round as round
from extensor.ops import rsqrt as rsqrt
from extensor.ops import scaled_dot_product_attention as scaled_dot_product_attention
from extensor.ops import selu as selu
from extensor.ops import sigmoid as sigmoid
from extensor.ops import sign as sign
from extensor.ops import signbit as signbit
from extensor.ops import silu as silu
from extensor.ops import sin as sin
from extensor.ops import sinh as sinh
from extensor.ops import smooth_l1_loss as smooth_l1_loss
from extensor.ops import softmax as softmax
from extensor.ops import softmin as softmin
from extensor.ops import softplus as softplus
from extensor.ops import softshrink as softshrink
from extensor.ops import softsign as softsign
from extensor.ops import sqrt as sqrt
from extensor.ops import square as square
from extensor.ops import std as std
from extensor.ops import sub as sub
from extensor.ops import sum as sum
from extensor.ops import tan as tan
from extensor.ops import tanh as tanh
from extensor.ops import tanhshrink as tanhshrink
from extensor.ops import threshold as threshold
from extensor.ops import trace as trace
from extensor.ops import tril as tril
from extensor.ops import triu as triu
from extensor.ops import trunc as trunc
from extensor.ops import var as var
from extensor.ops import where as where
from extensor.ops.alias import divide as divide
from extensor.ops.alias import multiply as multiply
from extensor.ops.alias import negative as negative
from extensor.ops.alias import subtract as subtract
from extensor.ops.mode import no_grad as no_grad
from extensor.recompute import checkpoint as checkpoint
from extensor.saved import saved_tensors as saved_tensors
from extensor.tensor import ExTensor as ExTensor
from extensor.tensor import asarray as asarray
from extensor.tensor import dequantize as dequantize
from extensor.tensor import from_codes as from_codes
from extensor.tensor import hadamard as hadamard
from extensor.tensor import pack as pack
from extensor.tensor import quantize as quantize
from extensor.tensor import unpack as unpack

__version__ = "0.1.0"
__array_api_version__ = "2024.12"

if TYPE_CHECKING:
    from extensor import bench as bench
    from extensor import data as data
    from extensor import fft as fft
    from extensor import io as io
    from extensor import linalg as linalg
    from extensor import models as models
    from extensor import nn as nn
    from extensor import optim as optim
    from extensor import profiles as profiles
    from extensor import recipes as recipes
    from extensor import testing as testing
    from extensor.delayed import DelayedAmax as DelayedAmax
    from extensor.differences import gradcheck as gradcheck
    from extensor.differences import gradgradcheck as gradgradcheck
    from extensor.error_budget import explain_error as explain_error
    from extensor.io.tree import load as load
    from extensor.io.tree import save as save
    from extensor.ledger import memory as memory

_MODULES = (
    "bench",
    "data",
    "fft",
    "io",
    "linalg",
    "models",
    "nn",
    "optim",
    "profiles",
    "recipes",
    "testing",
)
_LAZY = {
    "DelayedAmax": "extensor.delayed",
    "compile": "extensor.replay",
    "explain_error": "extensor.error_budget",
    "gradcheck": "extensor.differences",
    "gradgradcheck": "extensor.differences",
    "load": "extensor.io.tree",
    "memory": "extensor.ledger",
    "save": "extensor.io.tree",
}


def __getattr__(name: str) -> _Any:
    """Parts that are loaded when they are first asked for."""
    if name in _MODULES:
        return _import_module(f"extensor.{name}")
    if name in _LAZY:
        return getattr(_import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'extensor' has no attribute {name!r}")
