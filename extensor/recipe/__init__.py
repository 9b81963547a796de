"""Recipes: which operand of the three GEMMs of a linear layer is quantized how.

======= ============ =================== ====================
GEMM    product      blocks run along    operands
======= ============ =================== ====================
fprop   y = x Wᵀ     K, inputs           x, w
dgrad   dx = g W     N, outputs          g, w
wgrad   dW = gᵀ x    T, batch            g, x
======= ============ =================== ====================

Six operands, six independent quantizers (None keeps the operand as it is). A recipe is a value:
``print(recipe)`` is the experiment, JSON and TOML hold it, the checkpoint saves it with its hash.
"""

from extensor.recipe.check import GEMMS as GEMMS
from extensor.recipe.named import NAMED as NAMED
from extensor.recipe.named import get as get
from extensor.recipe.operand import Operand as Operand
from extensor.recipe.operand import PerTensor as PerTensor
from extensor.recipe.value import Pair as Pair
from extensor.recipe.value import Recipe as Recipe
