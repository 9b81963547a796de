"""The kinds of things to learn, by the names that the settings use."""

from collections.abc import Mapping
from typing import Any

from extensor.train.images import IMAGES
from extensor.train.problem import Problem
from extensor.train.settings import Settings, kind_of
from extensor.train.texts import TEXTS

PROBLEMS: Mapping[str, Problem[Any]] = {"images": IMAGES, "text": TEXTS}
"""By the names of ``extensor.train.settings.KINDS``."""


def problem_of(settings: Settings) -> Problem[Any]:
    """What the model of the settings learns.

    >>> problem_of(Settings(model="gpt")).words.items
    'tokens'
    """
    return PROBLEMS[kind_of(settings.model)]
