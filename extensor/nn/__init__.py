"""Layers."""

from extensor.nn.attention import MultiHeadAttention as MultiHeadAttention
from extensor.nn.conv import Conv2d as Conv2d
from extensor.nn.dropout import Dropout as Dropout
from extensor.nn.embedding import Embedding as Embedding
from extensor.nn.linear import Linear as Linear
from extensor.nn.module import Module as Module
from extensor.nn.norm import LayerNorm as LayerNorm
from extensor.nn.norm import RMSNorm as RMSNorm
from extensor.nn.simple import AvgPool2d as AvgPool2d
from extensor.nn.simple import Flatten as Flatten
from extensor.nn.simple import MaxPool2d as MaxPool2d
from extensor.nn.simple import ReLU as ReLU
from extensor.nn.simple import Sequential as Sequential
from extensor.nn.simple import Tanh as Tanh
