"""Ctrl-C during training: the checkpoint is kept, the exit code is 130, and it can go on."""

import json
import signal
import time
from pathlib import Path

from extensor.train.metrics import read
from tests.cli.shell import SMALL, shell, start

WORDS = ["train", "mlp", "--recipe", "mxfp4-sr", "--steps", "3000", *SMALL]


def test_ctrl_c_keeps_a_checkpoint_that_goes_on(tmp_path: Path) -> None:
    out = tmp_path / "run"
    process = start([*WORDS, "--out", str(out)])
    deadline = time.monotonic() + 240
    while len(read(out / "metrics.jsonl")) < 5:
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in err and "resume with: extensor train mlp" in err
    stopped = max(row["step"] for row in read(out / "metrics.jsonl"))
    assert stopped < 3000 and f"stopped after step {stopped:,}" in err

    more = [*WORDS, "--steps", str(stopped + 3), "--schedule", "constant"]
    code, text, err = shell([*more, "--out", str(out), "--resume", "--json"])
    assert code == 0, err
    assert json.loads(text)["steps"] == stopped + 3
    assert f"going on after step {stopped:,}" in err and "schedule cosine -> constant" in err
