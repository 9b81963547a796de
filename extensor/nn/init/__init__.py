"""Initial values of parameters."""

from extensor.nn.init.draw import FIRST as FIRST
from extensor.nn.init.draw import lecun as lecun
from extensor.nn.init.draw import normal as normal
from extensor.nn.init.draw import ones as ones
from extensor.nn.init.draw import uniform as uniform
from extensor.nn.init.draw import zeros as zeros
from extensor.nn.init.schemes import constant as constant
from extensor.nn.init.schemes import fans as fans
from extensor.nn.init.schemes import gain as gain
from extensor.nn.init.schemes import kaiming_normal as kaiming_normal
from extensor.nn.init.schemes import kaiming_uniform as kaiming_uniform
from extensor.nn.init.schemes import lecun_normal as lecun_normal
from extensor.nn.init.schemes import lecun_uniform as lecun_uniform
from extensor.nn.init.schemes import orthogonal as orthogonal
from extensor.nn.init.schemes import truncated_normal as truncated_normal
from extensor.nn.init.schemes import xavier_normal as xavier_normal
from extensor.nn.init.schemes import xavier_uniform as xavier_uniform
