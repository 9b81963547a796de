"""Recipes by name, and the three GEMMs of one alone."""

from extensor.ops.gemm import linear_gemms
from extensor.recipe import NAMED, Recipe, get

__all__ = ["NAMED", "Recipe", "get", "linear_gemms"]
