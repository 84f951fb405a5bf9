# The pipeline's commands; `make help` lists them.
PYTHON ?= python3
DATASET ?= mnist
MIRROR ?=
VENV := .venv
RUN := $(VENV)/bin/python

.DEFAULT_GOAL := help
.PHONY: help setup demo run test lint clean

help: ## list these targets
	@grep -hE '^[a-z]+:.*##' Makefile | awk -F ':.*## ' '{printf "  make %-6s %s\n", $$1, $$2}'

setup: $(VENV)/installed ## make .venv and install requirements.txt

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

test: lint ## lint and all tests
	$(RUN) -m pytest --numprocesses 2 --dist loadfile

lint: $(VENV)/installed-dev ## ruff and mypy only
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy digits

clean: ## remove .venv; datasets and runs stay
	rm -rf $(VENV)

$(VENV)/installed: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "error: Python 3.11 or newer is needed, this is " + sys.version.split()[0] + "; choose another: make PYTHON=python3.11 ...")'
	@echo "installing requirements.txt into $(VENV): a few GB, once"
	@$(PYTHON) -m venv $(VENV)
	@$(RUN) -m pip install --quiet --requirement requirements.txt
	@touch $@

$(VENV)/installed-dev: requirements-dev.txt $(VENV)/installed
	@$(RUN) -m pip install --quiet --requirement requirements-dev.txt
	@touch $@
