# The pipeline's commands; `make help` lists them.
PYTHON ?= python3
DATASET ?= mnist
MIRROR ?=
VENV := .venv
RUN := $(VENV)/bin/python
PYTEST := $(RUN) -m pytest --numprocesses 2 --dist worksteal

unexport PYTHONDONTWRITEBYTECODE # compiling the tests again takes a minute of each run

.DEFAULT_GOAL := help
.PHONY: help setup demo run test neutral pytorch tensorflow quick nightly lint lock clean

help: ## list these targets
	@grep -hE '^[a-z]+:.*##' Makefile | awk -F ':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'

setup: $(VENV)/installed ## make .venv and install everything in it, at the versions of constraints.txt

demo: setup ## the whole pipeline on 5,000 digits that ship inside a package: no download
	$(RUN) download_mnist.py --dataset mnist-sample
	$(RUN) mnist_pytorch.py --dataset mnist-sample
	$(RUN) mnist_tensorflow.py --dataset mnist-sample
	$(RUN) visualize_results.py

run: setup ## the same on full MNIST (DATASET=fashion-mnist for another, MIRROR=URL_OR_DIR for a mirror)
	$(RUN) download_mnist.py --dataset $(DATASET) $(if $(MIRROR),--mirror $(MIRROR))
	$(RUN) mnist_pytorch.py --dataset $(DATASET)
	$(RUN) mnist_tensorflow.py --dataset $(DATASET)
	$(RUN) visualize_results.py

test: lint neutral pytorch tensorflow ## lint and all tests: those of each framework in a run of their own

neutral: $(VENV)/installed-dev
	$(PYTEST)

# Both frameworks in one process would abort it.
pytorch tensorflow: $(VENV)/installed-dev
	$(PYTEST) -m "$@ and not nightly"

quick: $(VENV)/installed-dev ## the tests that need no framework and take no time: half a minute
	$(PYTEST) -m "not slow and not pytorch and not tensorflow and not nightly"

nightly: $(VENV)/installed-dev ## what takes long: kills, resumes, full disks, every network on two workers, fuzzing
	HYPOTHESIS_PROFILE=nightly $(PYTEST) -m "(nightly or hypothesis) and not pytorch and not tensorflow"
	$(PYTEST) -m "nightly and pytorch"
	$(PYTEST) -m "nightly and tensorflow"

lint: $(VENV)/installed-dev ## ruff, import-linter and mypy only
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(VENV)/bin/lint-imports --no-cache --no-logo
	$(RUN) -m mypy

lock: $(VENV)/installed-dev ## write constraints.txt anew, after a change of a version in pyproject.toml
	$(RUN) -m uv pip compile --universal --python-version 3.11 --all-extras --no-annotate --quiet \
		--custom-compile-command "make lock" --output-file constraints.txt pyproject.toml

clean: ## remove .venv; datasets and runs stay
	rm -rf $(VENV)

$(VENV)/installed: pyproject.toml requirements.txt constraints.txt
	@$(PYTHON) -c 'import sys; (3, 11) <= sys.version_info < (3, 14) or sys.exit("error: Python 3.11, 3.12 or 3.13 is needed, this is " + sys.version.split()[0] + "; choose another: make PYTHON=python3.11 ...")'
	@echo "installing everything into $(VENV): a few GB, once"
	@$(PYTHON) -m venv $(VENV)
	@$(RUN) -m pip install --quiet --requirement requirements.txt
	@touch $@

$(VENV)/installed-dev: $(VENV)/installed
	@$(RUN) -m pip install --quiet --constraint constraints.txt --editable .[dev]
	@touch $@
