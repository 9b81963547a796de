"""Optimizers: chains of small transforms, and schedules that are functions of the step."""

from extensor.optim import schedules as schedules
from extensor.optim.adam import Adam as Adam
from extensor.optim.adam import Moments as Moments
from extensor.optim.adamw import AdamW as AdamW
from extensor.optim.clip import ClipNorm as ClipNorm
from extensor.optim.clip import ClipValue as ClipValue
from extensor.optim.clip import global_norm as global_norm
from extensor.optim.optimizer import Optimizer as Optimizer
from extensor.optim.oscillation import QEMA as QEMA
from extensor.optim.oscillation import OsciReset as OsciReset
from extensor.optim.sgd import SGD as SGD
from extensor.optim.sgd import Momentum as Momentum
from extensor.optim.transform import Chain as Chain
from extensor.optim.transform import Decay as Decay
from extensor.optim.transform import Transform as Transform
from extensor.optim.transform import chain as chain
