# What is done with this project, each in a virtual environment (.venv*) that is set up here when it is needed.
#
#     make demo            watch the three mixins test a small shop
#     make test            run the suite; ARGS="-k journal" is handed on to pytest
#     make PYTHON=python3.12 test     with another Python than python3
#
# `make help` lists the rest.

PYTHON ?= python3
ARGS ?=
# processes that the suite is spread over; 0 runs it in one, where a debugger can be used
WORKERS ?= 2

# The version is part of a stamp's name, so that an environment is made anew when PYTHON has become another one.
PYTHON_VERSION := $(shell $(PYTHON) -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])' 2>/dev/null)

VENV         ?= .venv
VENV_LINT    ?= .venv-lint
VENV_DOCS    ?= .venv-docs
VENV_BENCH   ?= .venv-bench
VENV_SDKS    ?= .venv-sdks
VENV_PACKAGE ?= .venv-package

# where an environment keeps its programs
BIN := $(if $(filter Windows_NT,$(OS)),Scripts,bin)

MATRIX ?= 3.10 3.11 3.12 3.13 3.14
PYENV_ROOT ?= $(HOME)/.pyenv

.DEFAULT_GOAL := help
.PHONY: help demo test test-sdks coverage lint format pages docs bench package test-package matrix clean

help:
	@echo "make demo          watch the three mixins test a small shop"
	@echo "make test          the suite                          (ARGS=... goes to pytest)"
	@echo "make test-sdks     the SDKs of stripe, AWS, GitHub and others against the stub"
	@echo "make coverage      the suite, and which lines it did not run"
	@echo "make lint          ruff and mypy"
	@echo "make format        let ruff rewrite what it can"
	@echo "make pages         write the examples into the pages, where they have changed"
	@echo "make docs          the documentation, into docs/_build/html"
	@echo "make bench         us and the peers, side by side     (ARGS=... goes to benchmarks)"
	@echo "make package       the sdist and the wheel, into dist"
	@echo "make test-package  the suite on the wheel in dist, away from the sources"
	@echo "make matrix        the suite on every Python found of: $(MATRIX)"
	@echo "make clean         remove the environments and everything built"

# $(call set_up,<environment>,<extras>): make the environment anew and install the project, editable, with extras.
define set_up
	@$(PYTHON) -c '' 2>/dev/null || { \
	    echo "make: '$(PYTHON)' does not run; install Python 3.10 or newer, or name one: make PYTHON=/path/to/python"; \
	    exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { \
	    echo "make: Python 3.10 or newer is needed, '$(PYTHON)' is $(PYTHON_VERSION);" \
	         "name another one: make PYTHON=/path/to/python"; \
	    exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	    echo "make: '$(PYTHON)' cannot make virtual environments; install its venv module" \
	         "(Debian, Ubuntu: apt-get install python3-venv)"; \
	    exit 1; }
	@echo "Setting up $(1) (Python $(PYTHON_VERSION)); this is done once."
	@$(PYTHON) -m venv --clear $(1)
	@$(1)/$(BIN)/python -m pip --disable-pip-version-check install --quiet --editable '.[$(2)]'
	@touch $@
endef

$(VENV)/ready-$(PYTHON_VERSION): pyproject.toml
	$(call set_up,$(VENV),test)

$(VENV_SDKS)/ready-$(PYTHON_VERSION): pyproject.toml
	$(call set_up,$(VENV_SDKS),test-sdks)

$(VENV_LINT)/ready-$(PYTHON_VERSION): pyproject.toml
	$(call set_up,$(VENV_LINT),lint)

$(VENV_DOCS)/ready-$(PYTHON_VERSION): pyproject.toml
	$(call set_up,$(VENV_DOCS),docs)

$(VENV_BENCH)/ready-$(PYTHON_VERSION): pyproject.toml
	$(call set_up,$(VENV_BENCH),bench)

demo: $(VENV)/ready-$(PYTHON_VERSION)
	@$(VENV)/$(BIN)/python docs/examples/checkout/demo.py

test: $(VENV)/ready-$(PYTHON_VERSION)
	$(VENV)/$(BIN)/python -X dev -W error -m pytest -q -n $(WORKERS) --dist loadfile $(ARGS)

test-sdks: $(VENV_SDKS)/ready-$(PYTHON_VERSION)
	$(VENV_SDKS)/$(BIN)/python -X dev -W error -m pytest -q tests/integration/sdks $(ARGS)

coverage: $(VENV)/ready-$(PYTHON_VERSION)
	$(VENV)/$(BIN)/python -m coverage erase
	$(VENV)/$(BIN)/python -m coverage run -m pytest -q -n $(WORKERS) --dist loadfile $(ARGS)
	$(VENV)/$(BIN)/python -m coverage combine -q
	$(VENV)/$(BIN)/python -m coverage report

lint: $(VENV_LINT)/ready-$(PYTHON_VERSION)
	$(VENV_LINT)/$(BIN)/ruff check .
	$(VENV_LINT)/$(BIN)/ruff format --check .
	$(VENV_LINT)/$(BIN)/mypy --strict

format: $(VENV_LINT)/ready-$(PYTHON_VERSION)
	$(VENV_LINT)/$(BIN)/ruff check --fix .
	$(VENV_LINT)/$(BIN)/ruff format .

pages: $(VENV)/ready-$(PYTHON_VERSION)
	@$(VENV)/$(BIN)/python docs/picture.py
	@$(VENV)/$(BIN)/python docs/embed.py

docs: $(VENV_DOCS)/ready-$(PYTHON_VERSION)
	$(VENV_DOCS)/$(BIN)/sphinx-build -q -n -W --keep-going -b html docs docs/_build/html
	@for page in *.rst; do $(VENV_DOCS)/$(BIN)/python -m docutils --halt=2 $$page >/dev/null || exit 1; done
	@echo "The documentation is in docs/_build/html/index.html."

bench: $(VENV_BENCH)/ready-$(PYTHON_VERSION)
	$(VENV_BENCH)/$(BIN)/python -m benchmarks $(ARGS)

package: $(VENV)/ready-$(PYTHON_VERSION)
	rm -rf build dist
	$(VENV)/$(BIN)/python -m build -o dist .

# The tests run from a copy that has no package beside it, so that they import the installed one.  Two modules are about
# the sources and stay out.
test-package:
	$(PYTHON) -m venv --clear $(VENV_PACKAGE)
	$(VENV_PACKAGE)/$(BIN)/python -m pip --disable-pip-version-check install --quiet "$$(echo dist/*.whl)[test]"
	rm -rf build/package
	mkdir -p build/package
	cp -R tests docs benchmarks *.rst pyproject.toml build/package
	rm build/package/tests/test_architecture.py build/package/tests/test_packaging.py
	cd build/package && $(CURDIR)/$(VENV_PACKAGE)/$(BIN)/python -X dev -W error -m pytest -q \
	    -n $(WORKERS) --dist loadfile $(ARGS)

# A name on PATH may be a shim that fails, so each candidate is asked for its version; the first that answers is used.
matrix:
	@passed=; failed=; missing=; \
	for version in $(MATRIX); do \
	    found=; \
	    for candidate in python$$version "$(PYENV_ROOT)"/versions/$$version.*/bin/python; do \
	        if [ "$$("$$candidate" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)" = $$version ]; then \
	            found=$$candidate; break; \
	        fi; \
	    done; \
	    if [ -z "$$found" ]; then missing="$$missing $$version"; continue; fi; \
	    echo "== Python $$version: $$found"; \
	    if $(MAKE) --no-print-directory test PYTHON="$$found" VENV=.venv-$$version; \
	        then passed="$$passed $$version"; else failed="$$failed $$version"; fi; \
	done; \
	echo "passed:$${passed:- none};  failed:$${failed:- none};  not found:$${missing:- none}"; \
	[ -n "$$passed" ] && [ -z "$$failed" ]

clean:
	rm -rf .venv .venv-* build dist docs/_build htmlcov .coverage .coverage.* *.egg-info \
	    .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
