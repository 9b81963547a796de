# Two commands: `make train` and `make test`. Each needs nothing but Python 3.11 or newer.
VENV    ?= .venv
WORKERS ?= 2
PYTHON  ?= python3
export VENV

# Few cores, two thread pools: spinning BLAS threads starve Numba's pool, so the tests keep both small.
# Where it matters how many threads run, a test starts a process of its own.
QUIET = OMP_WAIT_POLICY=passive NUMBA_NUM_THREADS=2 OPENBLAS_NUM_THREADS=1
PYTEST = $(QUIET) $(VENV)/bin/python -m pytest

.PHONY: help train test test-ptx test-cuda check matrix bench docs nightly lock clean
help:
	@sed -n 's/^## //p' Makefile

## make train    train LeNet-5 with FP4 gradients on handwritten digits, into runs/digits
train: $(VENV)/.train
	$(VENV)/bin/extensor train lenet --recipe nvfp4-grad --data digits --epochs 15 --out runs/digits

## make test     the tests and the doctests
test: $(VENV)/.dev
	$(PYTEST) -q -n $(WORKERS) --dist loadfile

## make test-ptx compile and assemble every CUDA kernel for every architecture, without a GPU
test-ptx: $(VENV)/.ptx
	$(PYTEST) -q -n $(WORKERS) --dist worksteal tests/ptx

## make test-cuda the tests that need a GPU (install extensor[cuda,dev] there first)
test-cuda:
	$(PYTHON) -m pytest -q tests/cuda

## make check    everything a change must pass: style, types, sizes, tests, docs
check: $(VENV)/.dev
	$(QUIET) WORKERS=$(WORKERS) ci/check

## make matrix   each op by each dtype: tested, or raising the documented error
matrix: $(VENV)/.dev
	$(QUIET) ci/matrix

## make bench    ratios against the machine's limits and the installed peers
bench: $(VENV)/.dev
	$(VENV)/bin/extensor bench quantize dequantize lenet

## make docs     the pages, into docs/_build/html
docs: $(VENV)/.dev
	$(QUIET) $(VENV)/bin/python -m sphinx -W -n --keep-going -q -b html docs docs/_build/html

## make nightly  the exhaustive proofs: minutes to hours
nightly: $(VENV)/.dev
	$(PYTEST) -q -m nightly

## make lock     resolve the dependencies anew (network)
lock:
	ci/lock

## make clean    remove what the commands above made
clean:
	rm -rf $(VENV) build dist docs/_build docs/_generated *.egg-info
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find extensor optim data models tests -name __pycache__ -prune -exec rm -rf {} +

# A stamp is a finished installation. It is older than its inputs after a change of them only, so
# that a second `make train` starts at once. `.dev` holds everything of `.train` and stamps both.
$(VENV)/.train: pyproject.toml ci/train.lock ci/install
	@ci/install train data,plot
	@touch $@

$(VENV)/.ptx: pyproject.toml ci/ptx.lock ci/install $(VENV)/.dev
	@ci/install ptx dev,ptx
	@touch $@

$(VENV)/.dev: pyproject.toml ci/requirements.lock ci/train.lock ci/install
	@ci/install requirements dev
	@touch $(VENV)/.train $@
