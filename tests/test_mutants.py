"""Each planted bug turns its check red, and each check is green without it."""

import pytest

from tests.mutants import MUTANTS, Mutant


@pytest.mark.parametrize("check", {m.check for m in MUTANTS}, ids=lambda c: c.__name__)
def test_the_check_passes_on_the_library(check: object) -> None:
    assert callable(check)
    check()


@pytest.mark.parametrize("mutant", MUTANTS, ids=[m.name for m in MUTANTS])
def test_the_mutant_is_caught(mutant: Mutant, monkeypatch: pytest.MonkeyPatch) -> None:
    mutant.plant(monkeypatch)
    with pytest.raises(AssertionError):
        mutant.check()
