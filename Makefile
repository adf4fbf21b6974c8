# Two commands: `make demo` sets up and runs the main job; `make test` sets up and runs the tests.
PYTHON ?= python3
BIN := .venv/bin
ABLATION ?= ablations/token_count.yaml
JOBS ?= 2

# Compiled bytecode is kept whatever the caller's environment says: without it, each worker process spends some six
# seconds on compiling torch's sources again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo ui test setup lint bench clean-env

demo: setup
	$(BIN)/python -m harness run $(ABLATION) --profile demo

ui: setup
	$(BIN)/python -m harness ui

test: setup
	HF_HUB_OFFLINE=1 $(BIN)/python -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder $(TESTS)

bench: setup
	$(BIN)/python -m tests.benchmarks

lint: setup
	$(BIN)/ruff check .

setup: .venv/.ready

# uv comes from PyPI into a small environment of its own, then installs everything into .venv.
.venv/.ready: pyproject.toml
	test -x .venv/bootstrap/bin/uv || ($(PYTHON) -m venv .venv/bootstrap && .venv/bootstrap/bin/python -m pip install --quiet --disable-pip-version-check uv)
	test -x $(BIN)/python || .venv/bootstrap/bin/uv venv --quiet --allow-existing --python $(PYTHON) .venv
	.venv/bootstrap/bin/uv pip install --quiet --python $(BIN)/python -e '.[dev]'
	touch $@

clean-env:
	rm -rf .venv
