"""``python -m extensor``: the same as the command ``extensor``."""

import sys

from extensor.cli import main

if __name__ == "__main__":
    sys.exit(main())
