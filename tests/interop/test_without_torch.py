"""The core knows no PyTorch, and the bridge says what it misses."""

import subprocess
import sys


def run(code: str) -> str:
    """What a fresh process prints, in which PyTorch cannot be imported."""
    code = f"import sys\nsys.modules['torch'] = None\n{code}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout


def test_the_core_needs_no_pytorch() -> None:
    assert run("import extensor as ex\nimport extensor.interop\nprint(ex.ones(2).tolist())") == (
        "[1.0, 1.0]\n"
    )


def test_the_bridge_says_what_is_missing() -> None:
    said = run("try:\n import extensor.interop.torch\nexcept ImportError as error: print(error)")
    assert said == "extensor.interop.torch: PyTorch is not installed; pip install torch\n"
