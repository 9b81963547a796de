"""The tests of extensor; a package, so that helpers import as `tests.oracle` and nothing else."""
