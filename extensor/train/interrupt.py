"""``Interrupt``: Ctrl-C as a request, so that a step is never cut in two."""

import signal
import sys
import threading
from types import FrameType
from typing import Any, Self


class Interrupt:
    """Inside of the block the first Ctrl-C only sets ``asked``; a second one raises as always.

    Outside of the main thread, where Python delivers no signals, it does nothing.

    >>> with Interrupt() as interrupt:
    ...     signal.raise_signal(signal.SIGINT)
    ...     interrupt.asked
    True
    """

    def __init__(self) -> None:
        self.asked = False
        self._before: Any = None

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._ask)
        return self

    def __exit__(self, *error: object) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
        if sys.stderr.isatty():
            sys.stderr.write("\nstopping after this step; Ctrl-C again stops at once\n")
