"""Training of image classifiers: a run as a value, its loop, checkpoint, metrics and plot.

>>> trainer = Trainer(Settings(model="mlp", data="digits", steps=1))
>>> trainer.total, trainer.done
(1, False)
"""

from extensor.train.fit import Observer as Observer
from extensor.train.fit import Recorder as Recorder
from extensor.train.fit import fit as fit
from extensor.train.settings import Settings as Settings
from extensor.train.settings import Task as Task
from extensor.train.trainer import Trainer as Trainer
