"""Constants of the Array API: Python floats, and ``newaxis``, which adds an axis in an index.

>>> pi, inf > 1e308, nan == nan, newaxis is None
(3.141592653589793, True, False, True)
"""

import math

e = math.e
"""Euler's number, the base of the natural logarithm."""
pi = math.pi
"""Half the angle of a full turn."""
inf = math.inf
"""Positive infinity."""
nan = math.nan
"""Not a number."""
newaxis = None
"""In an index: a new axis of length 1."""
Device = str
"""The class of devices: ``"cpu"`` and ``"cuda"``."""
