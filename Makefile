# The commands of this repository, for people who look here first. The work is in setup_mlops.py and dvc.yaml.

PYTHON ?= python3

.PHONY: help setup transformer lint test test-quick test-all security repro

help:  ## show this list
	@grep -E '^[a-z-]+:.*##' Makefile | sed 's/:.*## /\t/'

setup:  ## make the environment and the sample tickets, run the pipeline
	$(PYTHON) setup_mlops.py

transformer:  ## install PyTorch, for training the transformer
	$(PYTHON) setup_mlops.py transformer

lint:  ## check formatting, lint, types and security patterns
	$(PYTHON) setup_mlops.py lint

test:  ## lint, then the tests of a push
	$(PYTHON) setup_mlops.py test

test-quick:  ## lint, then only the tests that take seconds
	$(PYTHON) setup_mlops.py test --quick

test-all:  ## lint, then all tests in their long form
	$(PYTHON) setup_mlops.py test --all

security:  ## scan for vulnerabilities, secrets and unsafe workflows
	$(PYTHON) setup_mlops.py security

repro:  ## run the stages of the pipeline that have changed
	PATH="$(CURDIR)/.venv/bin:$$PATH" dvc repro
