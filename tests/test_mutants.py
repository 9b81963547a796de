"""Each planted bug turns its check red, and each check is green without it."""

import pytest

from tests.mutants import MUTANTS, Mutant

CHECKS = {str(getattr(m.check, "__name__", m.name)): m.check for m in MUTANTS}


@pytest.mark.parametrize("name", CHECKS)
def test_the_check_passes_on_the_library(name: str) -> None:
    CHECKS[name]()


@pytest.mark.parametrize("mutant", MUTANTS, ids=[m.name for m in MUTANTS])
def test_the_mutant_is_caught(mutant: Mutant, monkeypatch: pytest.MonkeyPatch) -> None:
    mutant.plant(monkeypatch)
    with pytest.raises(AssertionError):
        mutant.check()
