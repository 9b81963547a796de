"""Models."""

from extensor.models.gpt import GPT as GPT
from extensor.models.lenet import LeNet5 as LeNet5
from extensor.models.mlp import MLP as MLP
