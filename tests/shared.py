"""Where recorded vectors and data lie: EXTENSOR_SHARED, else `shared` beside the repository.

A test takes the fixture `shared`; this module is for what runs at collection, such as the list of
cases of a `parametrize`, which must not fail where the folder is absent.
"""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
"""The root folder of the repository."""


def path_of(name: str) -> Path:
    """The path of a recorded file or folder, which may not exist."""
    return Path(os.environ.get("EXTENSOR_SHARED", ROOT.parent / "shared")) / name
