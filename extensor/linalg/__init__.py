"""Linear algebra of the Array API standard: ``ex.linalg``.

Matrices stand on the last two axes; leading axes are stacks of them. float16, bfloat16 and narrower
formats compute in float32 and the answer is rounded once; integers raise, except in products.

Gradients, and gradients of those, of real tensors: ``cholesky cross det diagonal inv matmul
matrix_norm matrix_power matrix_transpose outer pinv slogdet (logabsdet) solve tensordot trace
vecdot vector_norm``. ``eigh eigvalsh matrix_rank qr svd svdvals`` have none, and so have the norms
that are made of singular values: 2, -2 and "nuc".
"""

from extensor.functions.products import tensordot as tensordot
from extensor.functions.products import vecdot as vecdot
from extensor.functions.shapes import matrix_transpose as matrix_transpose
from extensor.linalg.decompositions import eigh as eigh
from extensor.linalg.decompositions import eigvalsh as eigvalsh
from extensor.linalg.decompositions import matrix_rank as matrix_rank
from extensor.linalg.decompositions import qr as qr
from extensor.linalg.decompositions import svd as svd
from extensor.linalg.decompositions import svdvals as svdvals
from extensor.linalg.inverses import cholesky as cholesky
from extensor.linalg.inverses import det as det
from extensor.linalg.inverses import inv as inv
from extensor.linalg.inverses import matrix_power as matrix_power
from extensor.linalg.inverses import pinv as pinv
from extensor.linalg.inverses import slogdet as slogdet
from extensor.linalg.inverses import solve as solve
from extensor.linalg.norms import matrix_norm as matrix_norm
from extensor.linalg.norms import vector_norm as vector_norm
from extensor.linalg.products import cross as cross
from extensor.linalg.products import diagonal as diagonal
from extensor.linalg.products import outer as outer
from extensor.linalg.products import trace as trace
from extensor.ops import matmul as matmul
