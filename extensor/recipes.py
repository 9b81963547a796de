"""Recipes by name, and the three GEMMs of one alone."""

from extensor.ops.gemm import linear_gemms as linear_gemms
from extensor.recipe import NAMED as NAMED
from extensor.recipe import Recipe as Recipe
from extensor.recipe import get as get
