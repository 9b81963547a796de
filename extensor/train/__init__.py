"""Training: a run as a value, its loop, checkpoint, metrics and plot. What is learned (images to
classify, a text to go on with) is a `Problem`.

>>> trainer = Trainer(Settings(model="mlp", data="digits", steps=1))
>>> trainer.total, trainer.done
(1, False)
"""

from extensor.train.fit import Observer as Observer
from extensor.train.fit import Recorder as Recorder
from extensor.train.fit import fit as fit
from extensor.train.problem import Outcome as Outcome
from extensor.train.problem import Problem as Problem
from extensor.train.settings import Settings as Settings
from extensor.train.settings import Task as Task
from extensor.train.trainer import Trainer as Trainer
