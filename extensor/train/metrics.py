"""``metrics.jsonl``: one JSON object a step, and one an evaluation."""

import json
import os
from pathlib import Path

from extensor.errors import CheckpointError
from extensor.train.fit import Row


class Metrics:
    """Appends rows to a file; begins anew, or goes on after a step of an earlier run.

    path
        The file. A line that a crash left unfinished, and rows after ``step``, are dropped.
    step
        The step to go on after; 0 begins anew.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "metrics.jsonl"
    ...     for step in (0, 1):
    ...         metrics = Metrics(path, step)
    ...         metrics.row({"step": 1 + step})
    ...         metrics.row({"step": 2 + step})
    ...         metrics.close()
    ...     print([row["step"] for row in read(path)])
    [1, 2, 3]
    """

    def __init__(self, path: Path, step: int = 0) -> None:
        known = [row for row in read(path) if row["step"] <= step] if step else []
        try:
            self._file = open(path, "w", buffering=1, encoding="utf-8")  # noqa: SIM115
        except OSError as error:
            raise CheckpointError(f"train: cannot write {path}: {error.strerror}") from error
        for row in known:
            self.row(row)
        self.flush()

    def row(self, row: Row) -> None:
        """Append one row."""
        self._file.write(json.dumps(row) + "\n")

    def flush(self) -> None:
        """Everything so far to the disk: what a checkpoint builds on."""
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Flush and close."""
        self._file.close()


def read(path: Path) -> list[Row]:
    """The rows of a file, up to the first line that is not whole; none where there is no file."""
    rows: list[Row] = []
    if path.exists():
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                row = json.loads(line)
            except ValueError:
                break
            rows.append(row)
    return rows
