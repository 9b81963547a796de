"""``Folder``: where a run is written: metrics, checkpoint, curves."""

from pathlib import Path

from extensor.errors import CheckpointError, FormatError
from extensor.io.atomic import write_atomic
from extensor.train.metrics import read
from extensor.train.plot import curves
from extensor.train.problem import Words


class Folder:
    """The folder of a run; made, and tried out, before anything is computed.

    Raises ``CheckpointError`` where nothing can be written.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as place:
    ...     Folder(Path(place) / "a" / "b").checkpoint.name
    'checkpoint.safetensors'
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.metrics = path / "metrics.jsonl"
        self.telemetry = path / "telemetry.jsonl"
        self.checkpoint = path / "checkpoint.safetensors"
        self.curves = path / "curves.png"
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CheckpointError(
                f"train: cannot make the folder {path}: {error.strerror}; choose another --out"
            ) from error
        trial = path / ".trial"
        write_atomic(trial, [b"extensor"])
        trial.unlink(missing_ok=True)

    def draw(self, title: str, words: Words) -> str | None:
        """Draw the curves from the metrics; what to tell the user where that is not possible."""
        try:
            curves(self.curves, {"training": [read(self.metrics)]}, title, words)
        except FormatError as error:
            return str(error)
        return None
