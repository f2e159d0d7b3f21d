# `make help` lists the targets. Everything installs into .venv/, nothing outside of the repository.
# PYTHONPATH: several clones may link one .venv, and each runs its own code.
SHELL := bash
# The newest Python that fits and can make an environment (Debian's own cannot without python3-venv).
PYTHON ?= $(shell for v in 3.14 3.13 3.12 3.11; do python$$v -c 'import ensurepip' 2>/dev/null && echo python$$v && exit; done; echo python3)
VENV := .venv/.installed
SPREAD := --numprocesses auto --maxprocesses 4 --dist loadfile
export PATH := $(CURDIR)/.venv/bin:$(PATH)
export PYTHONPATH := $(CURDIR)/src
export DVC_NO_ANALYTICS := 1
export ORT_DISABLE_TELEMETRY := 1
.DEFAULT_GOAL := help
.PHONY: help setup clone-checked demo images repro repro-rows test test-all browser-test fuzz kills lint tune check check-lock verify experiments sweep results release clean

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 18

setup: $(VENV)  ## install the pinned packages into .venv/, and the merge driver for dvc.lock
	@tools/register_merge.sh
$(VENV): requirements.txt pyproject.toml
	@tools/setup.sh "$(PYTHON)"

clone-checked:
	@tools/check_clone.sh

demo: clone-checked setup  ## run the whole pipeline on bundled images, in .demo/; JOBS=n stages at a time
	@JOBS=$(JOBS) tools/demo.sh

repro: clone-checked setup  ## what is stale, JOBS=n stages at a time; PRESET=name merges presets/name.yaml first; TARGETS="a b"
	@$(if $(PRESET),python -m ladder.presets apply $(PRESET) &&) python tools/check_images.py && python tools/mend_lock.py && exec python -m ladder.running.repro $(if $(JOBS),--jobs $(JOBS)) $(TARGETS)

images: clone-checked setup  ## check your own photos, track them, set params.yaml for them: DIR=path/to/photos
	@python -m ladder.own_images "$$DIR"

repro-rows:
	@echo "make: repro-rows is gone: make repro$(if $(PRESET), PRESET=$(PRESET)) JOBS=2 runs two stages at a time" >&2; exit 1

test: setup  ## the quick tests
	@python -m pytest -m "not slow" $(SPREAD)

test-all: test  ## the slow tests too: the pipeline itself, in temporary repositories
	@python -m pytest -m slow $(SPREAD)

check: setup  ## fail if an int8 model lost more accuracy than quantize.max_drop
	@python tools/check_int8.py

check-lock: setup  ## fail if code, params.yaml, dvc.lock and tracked results do not belong together
	@python tools/check_lock.py

verify: clone-checked setup  ## the same bytes, shown: run again in a temporary clone, compare; STAGES="a b", JOBS=n; PRESET=name; AGAINST=revision
	@exec python -m ladder.verifying.verify $(if $(JOBS),--jobs $(JOBS)) $(if $(PRESET),--preset $(PRESET)) $(if $(AGAINST),--against $(AGAINST)) $(STAGES)

kills: setup  ## hundreds of kills (KILLS=300) at random moments of the tiny pipeline: bytes and lock records afterwards
	@LADDER_KILLS=$(or $(KILLS),300) python -m pytest -m slow tests/test_kills.py

browser-test: setup  ## the pages in Chromium, which comes from the system's packages (apt install chromium)
	@python -m pytest -m browser

fuzz: setup  ## the property-based tests, with EXAMPLES (2000) damaged files and params of each kind, and counts by kind
	@LADDER_FUZZ_EXAMPLES=$(or $(EXAMPLES),2000) python -m pytest -m hypothesis --hypothesis-show-statistics

lint: setup  ## format and style (ruff), types (mypy)
	@ruff format --check . && ruff check . && mypy

clean:  ## remove the demo, resume state and tool caches; results, data and .venv/ stay
	@$(PYTHON) tools/held.py clean && rm -rf .demo .ladder .pytest_cache .ruff_cache .mypy_cache src/*.egg-info && find src stages tests tools -name __pycache__ -prune -exec rm -rf {} +

tune: setup  ## measure training speed by precision, and what share of the peak it is (nothing is written)
	@python benchmarks/tune.py

experiments: setup  ## the experiments of this commit on one screen; RUNGS="a b", nine at most; REV=commit for those of another
	@python tools/experiments.py $(RUNGS) $(if $(REV),--rev $(REV))

sweep: setup  ## over the seeds of these experiments: mean, deviation, interval, paired comparisons; OUT=folder keeps them
	@python tools/sweep.py $(RUNGS) $(if $(REV),--rev $(REV)) $(if $(OUT),--out $(OUT))

results: setup  ## write the figures of metrics/ and plots/ into README.md and docs/benchmark.md
	@python tools/results.py

release: setup  ## copy the int8 student of this run into release/, with its model card
	@python tools/release.py
