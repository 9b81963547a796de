"""The command line: ``extensor COMMAND ...``, one file a command, loaded when it is called.

Exit codes: 0 done; 1 a fault of ours; 2 a mistake in what was asked for, which one line on stderr
explains; 130 Ctrl-C.
"""

import os
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from importlib import import_module

from extensor.errors import ExtensorError, FormatError

COMMANDS = {
    "train": "train a model under a recipe, on images or text",
    "compare": "train several recipes on the same seeds: a table and a plot",
    "telemetry": "what quantizing did to each operand of a run",
    "formats": "the table of number formats",
    "bench": "measured ratios to the machine's limits and to other libraries",
    "lab": "experiments on number formats: a table and a picture each",
}
"""What each command is for; ``extensor.cli.NAME`` has ``run(words) -> exit code``."""
MEASURING = ("train", "compare", "bench", "lab")
"""The commands that compute for long: they set up the threads first."""
DEBUG = "EXTENSOR_DEBUG"
"""A variable that, when set, lets every traceback through."""
USAGE = "usage: extensor [COMMAND] [OPTIONS]     without a command: what works on this machine"


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; its exit code.

    argv
        The words after ``extensor``; None takes them from the command line, and starts the process
        anew where its environment is not the one that computing needs.

    >>> main(["formats", "--help"])          # doctest: +ELLIPSIS
    Traceback (most recent call last):
    SystemExit: 0
    >>> main(["--version"])
    extensor 0.1.0
    0
    """
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        if argv is None and words and words[0] in MEASURING:
            import_module("extensor.cli.environment").prepare(words)
        return _dispatch(words)
    except ExtensorError as error:
        print(f"extensor: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        if not type(error).__module__.startswith("numba.") or DEBUG in os.environ:
            raise
        what = str(error).partition("\n")[0]
        print(f"extensor: a kernel does not compile here: {what}", file=sys.stderr)
        print(f"this is a fault of extensor; {DEBUG}=1 shows where it is", file=sys.stderr)
        return 1


def _dispatch(words: list[str]) -> int:
    first = words[0] if words else "status"
    if first in ("-h", "--help", "help"):
        listed = "\n".join(f"  {name:9} {what}" for name, what in COMMANDS.items())
        print(f"{USAGE}\n\ncommands:\n{listed}\n\noptions:  extensor COMMAND --help")
        return 0
    if first == "--version":
        from extensor import __version__

        print(f"extensor {__version__}")
        return 0
    if first not in (*COMMANDS, "status"):
        near = get_close_matches(first, COMMANDS, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise FormatError(f"unknown command {first!r}; {hint}commands: {', '.join(COMMANDS)}")
    code: int = import_module(f"extensor.cli.{first}").run(words[1:])
    return code
