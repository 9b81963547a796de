"""The examples of the op page run, and every row that is public has one."""

import doctest

import numpy as np
import pytest

import extensor as ex
from ci.examples import example, rounded
from extensor.ops.registry import Op

PUBLIC = [name for name, row in ex.OPS.items() if getattr(ex, name, None) is row]


@pytest.mark.parametrize("name", PUBLIC)
def test_the_example_runs(name: str) -> None:
    """The call that is written gives the answer that is written."""
    row: Op = ex.OPS[name]
    text = example(row)
    assert text is not None, f"{name} has no example: give one in ci/examples.py"
    names = {"OPS": ex.OPS, "rounded": rounded, "np": np, "inf": np.inf, "nan": np.nan}
    found = doctest.DocTestParser().get_doctest(text, names, name, None, None)
    assert found.examples
    failed = doctest.DocTestRunner(verbose=False).run(found).failed
    assert not failed


def test_a_wrong_answer_is_seen() -> None:
    """A planted answer fails as a doctest."""
    text = example(ex.OPS["exp"])
    assert text is not None
    wrong = text.replace("0.1353", "0.5")
    names = {"OPS": ex.OPS, "rounded": rounded}
    found = doctest.DocTestParser().get_doctest(wrong, names, "wrong", None, None)
    assert doctest.DocTestRunner(verbose=False).run(found, out=lambda _: None).failed == 1
