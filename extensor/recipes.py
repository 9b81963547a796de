"""Recipes by name or file, a model under one, and the three GEMMs of one alone."""

from extensor.nn.under import under
from extensor.ops.gemm import linear_gemms
from extensor.recipe import NAMED, PerTensor, Recipe, get

__all__ = ["NAMED", "PerTensor", "Recipe", "get", "linear_gemms", "under"]
